"""mlc: which output layer should a multi-label classifier end in? Measured answers."""
