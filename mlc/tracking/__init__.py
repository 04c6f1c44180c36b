"""What a training leaves to look at: TensorBoard events, figures, progress."""

from mlc.tracking.comparison import write_comparison
from mlc.tracking.progress import with_bar
from mlc.tracking.tensorboard import RunLog, write_experiment

__all__ = ["RunLog", "with_bar", "write_comparison", "write_experiment"]
