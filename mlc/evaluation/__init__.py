"""A trained model judged and used: metrics of its decisions, baselines, predictions."""
