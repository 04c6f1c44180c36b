"""Tables, statistics, figures and the page of finished runs."""
