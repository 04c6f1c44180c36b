"""Backbones of ordinary torch, without a runs axis, which train one run at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mlc.backbones.base import Backbone
from mlc.backbones.frozen import with_frozen
from mlc.config.errors import ConfigError
from mlc.layers.streams import seed_for


class SingleBackbone(Backbone):
    """Adapter that gives an `nn.Module` a runs axis of length 1.

    The module is created as `network_class(sample_shape, options)`, takes samples (B, *sample_shape)
    and must return features (B, D). One call on zeros determines D.

    Torch's CPU generator is seeded with the run's seed while the module is created, and has a separate
    state for each run in training. On CUDA the device's generator is seeded once, when training begins.
    Random numbers from NumPy or Python's `random` do not depend on the run's seed.

    The entries in the state dict have the runs axis, the parameters do not. In a training batch of one
    row, batch normalisation uses its running statistics and does not update them.

    Shape: input (1, B, prod(sample_shape)), output (1, B, D).

    Args:
        sample_shape: the shape of a sample.
        options: the options of the run, in a sequence of one.
        seeds: the seed of the run, in a sequence of one.
        n_labels: not used.

    Raises:
        ConfigError: there are several runs, the module does not accept the samples, or its output is
            not a matrix of features.
    """

    network_class: ClassVar[type[nn.Module]]
    stacked = False

    def __init__(
        self,
        sample_shape: Sequence[int],
        options: Sequence[Any],
        seeds: Sequence[int],
        n_labels: int = 1,
    ) -> None:
        super().__init__(0, options, seeds, n_labels)
        if len(seeds) != 1:
            raise ConfigError(
                f"The backbone {self.name!r} has no runs axis, and {len(seeds)} runs are to be trained"
                " together: train one at a time."
            )
        self.sample_shape = tuple(sample_shape)
        with torch_seeded(seed_for(seeds[0], "initialisation/backbone")):
            self.network, self.n_outputs, self.numbers_per_sample = self._build(options[0])
        self.takes_tokens = getattr(self.network, "takes_tokens", False)
        self._training_seed = seed_for(seeds[0], "training/backbone")
        self._random_state = torch.Generator().manual_seed(self._training_seed).get_state()
        self._cuda_is_seeded = False
        self.register_state_dict_post_hook(_add_runs_axis)
        self.register_load_state_dict_pre_hook(_drop_runs_axis)

    def _build(self, options: Any) -> tuple[nn.Module, int, int]:
        """Return the module, the width of its features, and its largest layer output per sample."""
        try:
            network = self.network_class(self.sample_shape, options).eval()
            with torch.no_grad(), _largest_output(network) as largest:
                dtype = torch.int64 if self.takes_tokens else torch.float32
                features = network(torch.zeros(2, *self.sample_shape, dtype=dtype))
        except ConfigError:
            raise
        except (RuntimeError, ValueError, IndexError) as error:
            raise ConfigError(
                f"The backbone {self.name!r} does not fit samples of shape {self.sample_shape}"
                f" ({' '.join(str(error).split())}): choose another backbone, such as mlp, or"
                " other data."
            ) from error
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
            given = (
                tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            )
            raise ConfigError(
                f"The backbone {self.name!r} returns {given} for 2 samples of shape"
                f" {self.sample_shape}: it must return a tensor (2, D)."
            )
        return network.train(), features.shape[1], max(largest) // 2

    def forward(self, features: Tensor) -> Tensor:
        """Map flat samples (1, B, prod(sample_shape)) to features (1, B, D)."""
        samples = features.reshape(-1, *self.sample_shape)
        with self._random_numbers(samples.device), self._no_statistics_of_one(len(samples)):
            outputs: Tensor = self.network(samples)
        if outputs.shape != (len(samples), self.n_outputs):
            raise ConfigError(
                f"The backbone {self.name!r} returns {tuple(outputs.shape)} for {len(samples)} samples"
                f" of shape {self.sample_shape}: it must return ({len(samples)}, {self.n_outputs})."
            )
        return outputs.unsqueeze(0)

    @contextmanager
    def _random_numbers(self, device: torch.device) -> Iterator[None]:
        if not self.training:
            yield
            return
        if device.type == "cuda" and not self._cuda_is_seeded:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(self._training_seed)
            self._cuda_is_seeded = True
        generator = torch.default_generator
        before = generator.get_state()
        generator.set_state(self._random_state)
        try:
            yield
        finally:
            self._random_state = generator.get_state()
            generator.set_state(before)

    @contextmanager
    def _no_statistics_of_one(self, n_samples: int) -> Iterator[None]:
        """Use running statistics for one row, whose variance torch refuses or takes as 0."""
        layers = []
        if self.training and n_samples == 1:
            layers = [m for m in self.network.modules() if isinstance(m, _BatchNorm) and m.training]
        for layer in layers:
            layer.eval()
        try:
            yield
        finally:
            for layer in layers:
                layer.train()


class SideBySide(Backbone):
    """Backbones of several runs that were trained one by one, for their joint prediction.

    Shape: input (R, B, prod(sample_shape)), output (R, B, D).

    Args:
        runs: one backbone per run.
    """

    stacked = False

    def __init__(self, runs: Sequence[Backbone]) -> None:
        nn.Module.__init__(self)
        self.runs = nn.ModuleList(runs)
        first = runs[0]
        # Those of the runs, which the class does not know.
        self.name, self.takes_tokens = first.name, first.takes_tokens  # type: ignore[misc]
        self.n_outputs, self.numbers_per_sample = first.n_outputs, first.numbers_per_sample

    def forward(self, features: Tensor) -> Tensor:
        """Map flat samples (R, B, prod(sample_shape)) to features (R, B, D)."""
        parts = features.split(1)
        return torch.cat([run(part) for run, part in zip(self.runs, parts, strict=True)])


def may_be_frozen(network: type[nn.Module]) -> bool:
    """Return whether a module class declares what the cache of its features needs."""
    return hasattr(network, "prepare") or hasattr(network, "fingerprint")


def single(network: type[nn.Module], options: type) -> type[SingleBackbone]:
    """Create the backbone class of a module class."""
    attributes = {
        "__module__": network.__module__,
        "__doc__": network.__doc__,
        "network_class": network,
        "takes_tokens": getattr(network, "takes_tokens", False),
        "Options": with_frozen(options) if may_be_frozen(network) else options,
    }
    return type(network.__name__, (SingleBackbone,), attributes)


@contextmanager
def torch_seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the context, and restore it at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _largest_output(network: nn.Module) -> Iterator[list[int]]:
    """Collect the output sizes of all layers while the module is called."""
    numbers = [1]

    def measure(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            numbers.append(output.numel())

    hooks = [module.register_forward_hook(measure) for module in network.modules()]
    try:
        yield numbers
    finally:
        for hook in hooks:
            hook.remove()


def _add_runs_axis(_: nn.Module, state: dict[str, Tensor], prefix: str, __: Any) -> None:
    for name in state:
        if name.startswith(prefix):
            state[name] = state[name].unsqueeze(0)


def _drop_runs_axis(_: nn.Module, state: dict[str, Tensor], prefix: str, *__: Any) -> None:
    for name in state:
        if name.startswith(prefix):
            state[name] = state[name][0]
