"""Learning rate schedules: maps from the progress in [0, 1] to a factor in [0, 1]."""

import math
from collections.abc import Callable


def constant(progress: float) -> float:
    """Return 1."""
    return 1.0


def linear(progress: float) -> float:
    """Decay linearly from 1 to 0, like fastText."""
    return 1 - progress


def cosine(progress: float) -> float:
    """Decay from 1 to 0 along half a cosine (Loshchilov and Hutter 2017, eq. 5, without restarts)."""
    return (1 + math.cos(math.pi * progress)) / 2


def warmed_up(schedule: Callable[[float], float], warmup: float) -> Callable[[float], float]:
    """Return a schedule after a linear rise from 0 in the first share `warmup` of the training.

    As `get_cosine_schedule_with_warmup` of transformers.
    """
    if warmup == 0:
        return schedule

    def factor(progress: float) -> float:
        if progress < warmup:
            return progress / warmup
        return schedule((progress - warmup) / (1 - warmup))

    return factor


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
}
