"""The base class of backbones, and their registration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torch import nn

from mlc.config import registry
from mlc.config.registry import NoOptions, Registry


class Backbone(nn.Module):
    """The part of a model before the head.

    Class attributes:
        Options: dataclass of options.
        per_run: the options that may differ between runs of a cohort.
        takes_bags: whether the input must be `mlc.layers.bags.Bags` instead of dense rows.
        stacked: whether it trains several runs at once; its parameters then have the runs axis.
        optimizer: the optimizer that trains it by default, as in conf/backbone.

    Shape: input (R, B, n_features), output (R, B, n_outputs).

    Args:
        n_features: number of columns of the data.
        options: one `Options` per run; those outside `per_run` must be equal.
        seeds: one per run.
        n_labels: K, for separate networks of the labels.

    Attributes:
        n_outputs: width of the output.
        takes_tokens: whether the input must be numbers of tokens, int64, instead of floats.
        takes_sparse: whether the input may be `mlc.layers.bags.Bags` as well as dense rows.
        separate: whether the output consists of K blocks, one per label.
        numbers_per_sample: size of the largest layer output for a sample, which bounds the number of
            samples evaluated at a time.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    per_run: ClassVar[tuple[str, ...]] = ()
    takes_bags: ClassVar[bool] = False
    stacked: ClassVar[bool] = True
    optimizer: ClassVar[str] = "adamw"
    n_outputs: int
    takes_tokens: bool = False
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
    def defaults(cls, options: Any) -> dict[str, Any]:
        """Return the values of options that are null, as far as they depend on other options."""
        return {}

    def name_columns(self, names: Sequence[str]) -> None:
        """Take the names of the columns before a training; they may decide the first weights."""

    @classmethod
    def for_samples(
        cls,
        sample_shape: Sequence[int],
        options: Sequence[Any],
        seeds: Sequence[int],
        n_labels: int,
    ) -> Backbone:
        """Build the backbone for samples of this shape; a stacked backbone takes them flattened.

        Several runs of a backbone that is not stacked predict together and are trained one by one.
        """
        if cls.stacked:
            return cls(math.prod(sample_shape), options, seeds, n_labels)
        shape: Any = sample_shape
        if len(seeds) == 1:
            return cls(shape, options, seeds, n_labels)
        from mlc.backbones.single import SideBySide

        return SideBySide(
            [cls(shape, [one], [seed], n_labels) for one, seed in zip(options, seeds, strict=True)]
        )


BACKBONES: Registry[type[Backbone]] = registry.BACKBONES


def trained_class(options: Any) -> type[Backbone]:
    """Return the class of the network that a run with these options of a backbone trains.

    With `frozen`, the backbone's features are computed before (`mlc.backbones.stage`), and hidden layers
    on these are trained.
    """
    return BACKBONES["mlp" if getattr(options, "frozen", False) else options.name]


def register_backbone(
    name: str, options: type | None = None
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Class decorator: register a `Backbone`, or any other `nn.Module`, under a name.

    A module that is not a `Backbone` has no runs axis: it is created as `cls(sample_shape, options)`,
    takes samples (B, *sample_shape) and returns features (B, D). See `mlc.backbones.single`.
    With a class attribute `takes_tokens = True`, samples are numbers of tokens, int64. With a static
    method `prepare` or `fingerprint`, it has the options of `mlc.backbones.frozen` too.

    Args:
        name: the name in backbone=NAME.
        options: dataclass of options, whose instance the module gets; None takes the class attribute
            `Options`, if there is one.

    Raises:
        ConfigError: there is a backbone of this name.
    """

    def decorated(cls: type[nn.Module]) -> type[nn.Module]:
        if issubclass(cls, Backbone):
            return BACKBONES.register(name)(cls)
        from mlc.backbones.single import single

        options_class: type = getattr(cls, "Options", NoOptions) if options is None else options
        part = single(cls, options_class)
        part.name = name
        BACKBONES.add(name, part, cls.__module__)
        return cls

    return decorated
