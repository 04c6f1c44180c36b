"""Tracking of trainings: TensorBoard events, figures, progress bars."""
