"""Evaluation of trained models, baselines, and prediction."""
