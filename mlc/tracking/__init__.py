"""What a training leaves to look at: TensorBoard events, figures, progress."""

from mlc.tracking.events import EVENTS, EventFile, image
from mlc.tracking.figures import HeadFigure, draw_head
from mlc.tracking.hyperparameters import hyperparameters, varying
from mlc.tracking.palette import MARKERS, Style, styles
from mlc.tracking.progress import BarProgress, Progress, bar, ending, tell
from mlc.tracking.server import serve
from mlc.tracking.tensorboard import HISTORY, RunLog, chosen_rule
from mlc.tracking.view import (
    EXPERIMENT,
    FIGURES,
    MOST_RUNS,
    PORT,
    Shown,
    View,
    contestant,
    differing_settings,
    link,
    pinned_tags,
    write_experiment,
)

__all__ = [
    "EVENTS",
    "EXPERIMENT",
    "FIGURES",
    "HISTORY",
    "MARKERS",
    "MOST_RUNS",
    "PORT",
    "BarProgress",
    "EventFile",
    "HeadFigure",
    "Progress",
    "RunLog",
    "Shown",
    "Style",
    "View",
    "bar",
    "chosen_rule",
    "contestant",
    "differing_settings",
    "draw_head",
    "ending",
    "hyperparameters",
    "image",
    "link",
    "pinned_tags",
    "serve",
    "styles",
    "tell",
    "varying",
    "write_experiment",
]
