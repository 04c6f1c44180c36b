"""Synthetic data with a known p(y | x)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from mlc.config.errors import ConfigError
from mlc.config.options import option
from mlc.data import structures
from mlc.data.base import DataOptions, Dataset, DataSource, register_source
from mlc.data.cache import cached, source_version
from mlc.data.files import Read
from mlc.data.label_sets import all_label_sets
from mlc.data.structures import Structure

Floats = NDArray[np.float64]

_SOURCE = source_version(__file__, str(structures.__file__))
_CALIBRATION_ROWS, _CALIBRATION_STEPS = 1024, 60
# Numbers of a joint in memory at a time: 2^22 are 32 MB.
_AT_ONCE = 2**22


@dataclass
class WorldOptions(DataOptions):
    """Options of the distribution and of the sample.

    Attributes:
        title: name of the data set in tables.
        n_labels: K.
        n_features: D; x is standard normal.
        energies: form of f: linear in x, or a fixed random network with one hidden layer.
        signal: standard deviation of f_k(x), the information in x about a label.
        structure: form of the dependence between labels, as in `mlc.data.structures`.
        dependence: its strength, for pairs the standard deviation of the pair energies, times sqrt(K);
            0 without attraction makes the labels independent given x.
        attraction: mean of the pair energies, times sqrt(K): above 0 labels co-occur, so that their
            number varies more; below 0 they exclude each other. Only for pairs.
        cardinality: mean number of labels, before noise.
        imbalance: logarithm of the ratio between the odds of the most and the least frequent label.
        noise: probability with which each label is flipped independently.
        n_train: number of training and validation rows.
        n_test: number of test rows.
        seed: seed of the distribution and of its rows, independent of the runs' seeds.
    """

    title: str = "world"
    n_labels: int = option(6, at_least=1, at_most=12)
    n_features: int = option(10, at_least=1)
    energies: str = option("linear", choices=("linear", "network"))
    signal: float = option(2.0, at_least=0)
    structure: str = option("pairs", choices=structures.NAMES)
    dependence: float = option(1.0, at_least=0)
    attraction: float = 0.0
    cardinality: float = option(2.0, above=0)
    imbalance: float = option(1.0, at_least=0)
    noise: float = option(0.0, at_least=0, below=0.5)
    n_train: int = option(5000, at_least=10)
    n_test: int = option(2000, at_least=1)
    seed: int = option(0, at_least=0)

    def validate(self, prefix: str) -> None:
        """Check the mean number of labels and what belongs to pairs."""
        if self.attraction and self.structure != "pairs":
            raise ConfigError(
                f"{prefix}attraction={self.attraction} has no meaning with {prefix}structure="
                f"{self.structure}: leave it out, or choose {prefix}structure=pairs."
            )
        if self.cardinality >= self.n_labels:
            raise ConfigError(
                f"{prefix}cardinality={self.cardinality} must be below {prefix}n_labels="
                f"{self.n_labels}."
            )


@dataclass(frozen=True)
class ExactWorld:
    """p(y | x) of a structure with the energies f_k(x) of single labels, then flipped by noise."""

    options: WorldOptions

    def joint(self, features: NDArray[np.floating]) -> Floats:
        """Return p of all label sets, (N, D) to (N, 2^K); the first label is the highest bit."""
        parts = np.split(features, self._cuts(len(features)))
        return np.concatenate([self._flipped(self._joint(p, self._intercepts)) for p in parts])

    def draw(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Draw features (n, D) and label sets (n, K)."""
        features = rng.standard_normal((n, self.options.n_features)).astype(np.float32)
        uniform, cuts, chosen = rng.random((n, 1)), self._cuts(n), []
        # The joint of all rows may exceed the memory.
        for part, u in zip(np.split(features, cuts), np.split(uniform, cuts), strict=True):
            cumulative = self.joint(part).cumsum(axis=1)
            chosen.append((cumulative < u * cumulative[:, -1:]).sum(axis=1))
        return features, self._label_sets[np.concatenate(chosen)] > 0

    def _cuts(self, n: int) -> range:
        rows = max(1, _AT_ONCE // 2**self.options.n_labels)
        return range(rows, n, rows)

    @cached_property
    def _label_sets(self) -> Floats:
        return all_label_sets(self.options.n_labels).astype(np.float64)

    @cached_property
    def _structure(self) -> Structure:
        options = self.options
        return structures.structure(
            options.structure, options.n_labels, options.n_features, options.dependence,
            options.attraction, options.seed,
        )  # fmt: skip

    @cached_property
    def _weights(self) -> tuple[Floats, Floats | None]:
        """The output weights of f and, for a network, those of its hidden layer."""
        rng = np.random.default_rng([self.options.seed, 2])
        n_inputs, n_labels = self.options.n_features, self.options.n_labels
        if self.options.energies == "linear":
            return rng.standard_normal((n_inputs, n_labels)) / np.sqrt(n_inputs), None
        hidden = 2 * rng.standard_normal((n_inputs, 4 * n_inputs)) / np.sqrt(n_inputs)
        return rng.standard_normal((4 * n_inputs, n_labels)) / np.sqrt(4 * n_inputs), hidden

    @cached_property
    def _intercepts(self) -> Floats:
        """Intercepts that give the labels the frequencies of cardinality and imbalance."""
        n = self.options.n_labels
        slope = -self.options.imbalance * (np.linspace(0, 1, n) - 0.5)
        level = brentq(lambda b: expit(b + slope).sum() - self.options.cardinality, -50, 50)
        wanted = expit(level + slope)
        rng = np.random.default_rng([self.options.seed, 3])
        features = rng.standard_normal((_CALIBRATION_ROWS, self.options.n_features))

        def calibrate(read: Read) -> dict[str, Floats]:
            intercepts = logit(wanted)
            for _ in range(_CALIBRATION_STEPS):
                marginals = (self._joint(features, intercepts) @ self._label_sets).mean(axis=0)
                intercepts = intercepts + logit(wanted) - logit(marginals.clip(1e-6, 1 - 1e-6))
            return {"intercepts": intercepts}

        # It takes three seconds with 12 labels, and is the same for all runs.
        return cached([], f"{_SOURCE} intercepts of {self.options}", calibrate)["intercepts"]

    def _joint(self, features: NDArray[np.floating], intercepts: Floats) -> Floats:
        output, hidden = self._weights
        inputs = features if hidden is None else np.tanh(features @ hidden)
        singles = self.options.signal * (inputs @ output) + intercepts
        return self._structure.joint(singles, features)

    def _flipped(self, joint: Floats) -> Floats:
        """Flip each label with the noise probability, one axis of length 2 after another."""
        noise, n = self.options.noise, self.options.n_labels
        if noise == 0:
            return joint
        cube = joint.reshape(-1, *[2] * n)
        for axis in range(1, n + 1):
            cube = (1 - noise) * cube + noise * np.flip(cube, axis)
        flipped: Floats = cube.reshape(joint.shape)
        return flipped


@register_source("world")
class World(DataSource):
    """A sample of an `ExactWorld`, which is the truth of the data set."""

    Options = WorldOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Draw the rows: the training part first, then the test part."""
        truth = ExactWorld(options)
        rng = np.random.default_rng([options.seed, 4])

        def draw(read: Read) -> dict[str, np.ndarray]:
            features, targets = truth.draw(options.n_train + options.n_test, rng)
            return {"features": features, "targets": targets}

        # A row with 12 labels takes 0.2 ms, and every head of a sweep needs the same rows.
        drawn = cached([], f"{_SOURCE} {options!r}", draw)
        features, targets = drawn["features"], drawn["targets"]
        rows = np.arange(len(features))
        return Dataset(
            name=options.title,
            features=features,
            targets=targets,
            feature_names=tuple(f"x{j}" for j in range(options.n_features)),
            label_names=tuple(f"y{k}" for k in range(options.n_labels)),
            numeric=np.ones(options.n_features, dtype=bool),
            parts={"train": rows[: options.n_train], "test": rows[options.n_train :]},
            truth=truth,
            parts_from=f"drawn from the same world (data.seed={options.seed})",
        )
