"""What a backbone is, and how one becomes known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import nn

from mlc.config import registry
from mlc.config.registry import NoOptions, Registry


class Backbone(nn.Module):
    """Everything before the output layer.

    Class attributes:
        Options: dataclass of the backbone's settings.
        per_run: the options that may differ between runs trained together.
        takes_bags: whether its input is sparse rows as `mlc.layers.bags.Bags`, not dense ones.
        stacked: whether it trains several runs together; its parameters then have the runs axis.
        optimizer: the optimizer that trains it by default, as in conf/backbone.

    Shape: input (R, B, n_features), output (R, B, n_outputs).

    Args:
        n_features: columns of the data.
        options: one `Options` for each run; what shapes the network must be the same in all of them.
        seeds: one for each run.
        n_labels: K, for networks of which each label has its own.

    Attributes:
        n_outputs: the width it hands to the head.
        takes_sparse: whether its input may be `mlc.layers.bags.Bags` as well as dense rows.
        separate: whether that is K blocks, each for one label alone.
        numbers_per_sample: the most numbers that one of its layers gives for a sample, where that is
            worth a thought when many are evaluated at once.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    per_run: ClassVar[tuple[str, ...]] = ()
    takes_bags: ClassVar[bool] = False
    stacked: ClassVar[bool] = True
    optimizer: ClassVar[str] = "adamw"
    n_outputs: int
    takes_sparse: bool = False
    separate: bool = False
    numbers_per_sample: int = 1

    def __init__(
        self,
        n_features: int,
        options: Sequence[Any],
        seeds: Sequence[int],
        n_labels: int = 1,
    ) -> None:
        super().__init__()

    @classmethod
    def for_samples(
        cls,
        sample_shape: Sequence[int],
        options: Sequence[Any],
        seeds: Sequence[int],
        n_labels: int,
    ) -> Backbone:
        """Build the backbone for samples of this shape, which a stacked backbone sees flattened."""
        shape: Any = math.prod(sample_shape) if cls.stacked else sample_shape
        return cls(shape, options, seeds, n_labels)


BACKBONES: Registry[type[Backbone]] = registry.BACKBONES


def register_backbone(
    name: str, options: type | None = None
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Class decorator: make a `Backbone`, or any other `nn.Module`, known under this name.

    What is no `Backbone` is written without a runs axis: it is made as `cls(sample_shape, options)`,
    takes samples (B, *sample_shape) and returns features (B, D). See `mlc.backbones.single`.

    Args:
        name: as in backbone=NAME.
        options: dataclass of its settings, of which it is given an instance; the class attribute
            `Options`, or none, where this is None.

    Raises:
        ConfigError: there is a backbone of this name.
    """

    def decorated(cls: type[nn.Module]) -> type[nn.Module]:
        from mlc.backbones.single import single

        if issubclass(cls, Backbone):
            return BACKBONES.register(name)(cls)
        own: type = getattr(cls, "Options", NoOptions) if options is None else options
        part = single(cls, own)
        part.name = name
        BACKBONES.add(name, part, cls.__module__)
        return cls

    return decorated
