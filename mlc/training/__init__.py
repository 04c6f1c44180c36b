"""The model, the training loop, optimisers, and the division into cohorts."""
