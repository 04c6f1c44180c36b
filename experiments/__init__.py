"""What the forums ask, answered: one folder for each question."""
