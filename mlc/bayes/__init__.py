"""What can be reached where p(y | x) is known: Bayes values and population minimisers."""
