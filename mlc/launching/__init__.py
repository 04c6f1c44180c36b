"""A sweep's jobs composed, grouped into cohorts and handed to worker processes."""
