"""Tables, statistics and figures of finished runs."""
