"""What a backbone is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from mlc.config import registry
from mlc.config.registry import NoOptions, Registry


class Backbone(nn.Module):
    """Everything before the output layer.

    Class attributes:
        Options: dataclass of the backbone's settings.
        per_run: the options that may differ between runs trained together.
        takes_bags: whether its input is sparse rows as `mlc.data.Bags`, not dense ones.

    Shape: input (R, B, n_features), output (R, B, n_outputs).

    Args:
        n_features: columns of the data.
        options: one `Options` for each run; what shapes the network must be the same in all of them.
        seeds: one for each run.
        n_labels: K, for networks of which each label has its own.

    Attributes:
        n_outputs: the width it hands to the head.
        separate: whether that is K blocks, each for one label alone.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    per_run: ClassVar[tuple[str, ...]] = ()
    takes_bags: ClassVar[bool] = False
    n_outputs: int
    separate: bool = False

    def __init__(
        self,
        n_features: int,
        options: Sequence[Any],
        seeds: Sequence[int],
        n_labels: int = 1,
    ) -> None:
        super().__init__()


BACKBONES: Registry[type[Backbone]] = registry.BACKBONES
register_backbone = BACKBONES.register
