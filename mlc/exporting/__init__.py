"""Export of a trained predictor: one file that predicts label sets without mlc, and its model card."""
