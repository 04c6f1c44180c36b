"""Tables, statistics and figures, made of finished runs alone."""
