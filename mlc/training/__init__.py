"""Training: the loop, the optimisers, the model it trains, and checkpoints."""

from mlc.training.checkpoint import CHECKPOINT, load_run, save_run
from mlc.training.loop import DTYPES, Epoch, TrainerOptions, Training
from mlc.training.memory import bytes_of_run
from mlc.training.model import Model
from mlc.training.optimizers import SGD, Adadelta, Adagrad, Adam, AdamW, RMSprop
from mlc.training.stacked import OPTIMIZERS, StackedOptimizer, register_optimizer

__all__ = [
    "CHECKPOINT",
    "DTYPES",
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Epoch",
    "Model",
    "RMSprop",
    "StackedOptimizer",
    "TrainerOptions",
    "Training",
    "bytes_of_run",
    "load_run",
    "register_optimizer",
    "save_run",
]
