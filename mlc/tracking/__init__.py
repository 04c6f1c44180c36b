"""What a training leaves to look at: TensorBoard events, figures, progress."""
