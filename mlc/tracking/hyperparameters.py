"""What TensorBoard's HParams page says of runs, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlc.tracking.events import Value

# TensorBoard sorts the columns by their names, and strips what it shows of them: spaces first put
# the data set, the head and what was swept before the seed.
_DATA, _HEAD, _SWEPT, SEED = "   data", "  head", " ", "seed"


def hyperparameters(
    data: str, head: str, seed: int, settings: Mapping[str, str]
) -> dict[str, Value]:
    """A run's values, by names that TensorBoard sorts as they should stand.

    Args:
        data: the data set.
        head: its name.
        seed: the run's.
        settings: what was set beside these, as text by key; numbers are made of it where it is one.
    """
    told = {f"{_SWEPT}{key}": _number_or_text(value) for key, value in settings.items()}
    return {_DATA: data, _HEAD: head, **told, SEED: seed}


def varying(
    runs: Sequence[Mapping[str, Value]], *, is_complete: bool = True
) -> dict[str, list[Value]]:
    """What the runs differ in, with its values; the head and the seed where they differ in nothing.

    Those two are always told while the sweep is not complete, for more of them may come.
    """
    keys = sorted({key for own in runs for key in own})
    values = {key: [own[key] for own in runs if key in own] for key in keys}
    differing = {
        key: own
        for key, own in values.items()
        if len(set(own)) > 1 or len(own) < len(runs) or (key in (_HEAD, SEED) and not is_complete)
    }
    return differing or {key: values[key] for key in (_HEAD, SEED)}


def _number_or_text(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return text
