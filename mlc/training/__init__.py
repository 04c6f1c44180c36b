"""Training: the model, the loop, optimisers, and which runs are trained as one."""
