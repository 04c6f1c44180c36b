"""Options of a backbone whose features may be computed once, before the training."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from functools import cache

from mlc.backbones.mlp import NORMALIZATIONS, MLPOptions
from mlc.config.errors import ConfigError
from mlc.config.options import Auto, Interval, option


@dataclass
class FrozenOptions(MLPOptions):
    """Options of a frozen backbone, and of the hidden layers that are trained on its features.

    Attributes:
        frozen: whether the features of all rows are computed once, before the training, and cached;
            the runs then train hidden layers, as those of the mlp, and the head.
        frozen_batch: the number of rows that pass through the frozen network at once.
        widths: the hidden layers, as those of the mlp; [] is an affine map of the features. Null, like
            that of the next two, is the default (docs/defaults.md).
    """

    frozen: bool = False
    frozen_batch: int = option(32, at_least=1)
    widths: Auto[list[int]] = option(None, at_least=1)
    dropout: Auto[float] = option(None, at_least=0, below=1, search=Interval(0, 0.7))
    normalization: Auto[str] = option(None, choices=("none", *NORMALIZATIONS))

    def validate(self, prefix: str) -> None:
        """Check that hidden layers are those of frozen features."""
        super().validate(prefix)
        if self.widths and not self.frozen:
            raise ConfigError(
                f"{prefix}widths={self.widths} are the hidden layers on frozen features: set"
                f" {prefix}frozen=true, or leave them out."
            )


@cache
def with_frozen(options: type) -> type:
    """Return the class of a backbone's options with `FrozenOptions` beside them."""

    def validate(values: FrozenOptions, prefix: str) -> None:
        FrozenOptions.validate(values, prefix)
        if (check := getattr(options, "validate", None)) is not None:
            check(values, prefix)

    namespace = {"__module__": options.__module__, "__doc__": options.__doc__, "validate": validate}
    return make_dataclass(options.__name__, [], bases=(options, FrozenOptions), namespace=namespace)
