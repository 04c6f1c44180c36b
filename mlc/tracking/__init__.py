"""What a training leaves to look at: TensorBoard events, figures, progress."""

from mlc.tracking.comparison import COMPARISON, write_comparison
from mlc.tracking.progress import BarProgress, Progress, bar, tell
from mlc.tracking.tensorboard import HISTORY, RunLog, write_experiment

__all__ = [
    "COMPARISON",
    "HISTORY",
    "BarProgress",
    "Progress",
    "RunLog",
    "bar",
    "tell",
    "write_comparison",
    "write_experiment",
]
