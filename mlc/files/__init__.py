"""Reading files after a check of their size and form, and writing files atomically."""
