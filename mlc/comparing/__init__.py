"""Which head for one's own data: the comparison's plan, its answer, and the code to take away."""
