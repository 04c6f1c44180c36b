"""mlc: which output layer should a multi-label classifier end in? Measured answers."""

__version__ = "0.1.0"
