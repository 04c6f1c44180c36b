"""Bayes values and population minimisers for data with a known p(y | x)."""
