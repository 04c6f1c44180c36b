"""Export of a trained predictor to one file, and its model card."""
