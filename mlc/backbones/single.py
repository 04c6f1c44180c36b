"""Backbones written without a runs axis, as ordinary torch, each trained one run at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mlc.backbones.base import Backbone
from mlc.config.errors import ConfigError
from mlc.layers.streams import seed_for


class SingleBackbone(Backbone):
    """Gives an `nn.Module` the runs axis, of length 1.

    The module is called with samples (B, *sample_shape) and must return features (B, D). It is made as
    `network_class(sample_shape, options)`. D is found by calling it once on zeros.

    Torch's CPU generator is seeded with the run's own seed while the module is made, and follows the
    run's own stream while it trains. On CUDA the device's generator is seeded once, when training
    begins. What a module draws from NumPy or from Python's `random` does not depend on the run's seed.

    Its entries in the state dict have the runs axis; its parameters have not. In a training batch of
    one row, layers of batch normalisation use and keep their running statistics.

    Shape: input (1, B, prod(sample_shape)), output (1, B, D).

    Args:
        sample_shape: of the data.
        options: of the one run.
        seeds: the run's.
        n_labels: not used.

    Raises:
        ConfigError: there are several runs, the module does not fit the samples, or it returns no
            matrix of features.
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
        with _torch_seeded(seed_for(seeds[0], "initialisation/backbone")):
            self.network, self.n_outputs, self.numbers_per_sample = self._made(options[0])
        self._training_seed = seed_for(seeds[0], "training/backbone")
        self._random_state = torch.Generator().manual_seed(self._training_seed).get_state()
        self._cuda_is_seeded = False
        self.register_state_dict_post_hook(_add_runs_axis)
        self.register_load_state_dict_pre_hook(_drop_runs_axis)

    def _made(self, options: Any) -> tuple[nn.Module, int, int]:
        """The module, the width of its features, and the most numbers a layer gives for a sample."""
        try:
            network = self.network_class(self.sample_shape, options).eval()
            with torch.no_grad(), _largest_output(network) as largest:
                features = network(torch.zeros(2, *self.sample_shape))
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
        """Flat samples (1, B, prod(sample_shape)) to features (1, B, D)."""
        samples = features.reshape(-1, *self.sample_shape)
        with self._own_random_numbers(samples.device), self._no_statistics_of_one(len(samples)):
            outputs: Tensor = self.network(samples)
        if outputs.shape != (len(samples), self.n_outputs):
            raise ConfigError(
                f"The backbone {self.name!r} returns {tuple(outputs.shape)} for {len(samples)} samples"
                f" of shape {self.sample_shape}: it must return ({len(samples)}, {self.n_outputs})."
            )
        return outputs.unsqueeze(0)

    @contextmanager
    def _own_random_numbers(self, device: torch.device) -> Iterator[None]:
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
        """One row has no variance: torch refuses it, or normalises it to 0."""
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


def single(network: type[nn.Module], options: type) -> type[SingleBackbone]:
    """The backbone class of a module class."""
    more = {
        "__module__": network.__module__,
        "__doc__": network.__doc__,
        "network_class": network,
        "Options": options,
    }
    return type(network.__name__, (SingleBackbone,), more)


@contextmanager
def _torch_seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _largest_output(network: nn.Module) -> Iterator[list[int]]:
    """Collects how many numbers each layer gives while the module is called."""
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
