"""Images of several handwritten digits; the label set holds the digits in the image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import ConfigError
from mlc.config.options import option
from mlc.data.base import DataOptions, Dataset, DataSource, register_source
from mlc.data.label_sets import all_label_sets

N_DIGITS = 10
CELL = 8  # pixels to a side of a source image
HIGHEST_INK = 16


@dataclass
class DigitsOptions(DataOptions):
    """Options of the composed images.

    Attributes:
        title: name of the data set in tables.
        canvas: height and width in pixels. Each 8 x 8 cell holds one digit; the grid of cells is
            shifted at random within the rest of the canvas.
        digits_per_image: probabilities of 0, 1, 2, ... different digits in an image.
        dependence: 0 draws the digits of an image independently; larger values favour images with only
            even or only odd digits.
        n_train: number of training and validation images.
        n_test: number of test images.
        seed: seed of the images, independent of the runs' seeds.
    """

    title: str = "digits"
    canvas: list[int] = option([16, 24], at_least=CELL)
    digits_per_image: list[float] = option([0.11, 0.27, 0.30, 0.20, 0.09, 0.03], at_least=0)
    dependence: float = option(1.0, at_least=-20, at_most=20)
    n_train: int = option(4000, at_least=10)
    n_test: int = option(2000, at_least=1)
    seed: int = option(0, at_least=0)

    def validate(self, prefix: str) -> None:
        """Check that the canvas has two sides and enough cells, and that the probabilities sum to 1."""
        if len(self.canvas) != 2:
            raise ConfigError(f"{prefix}canvas={self.canvas} must be a height and a width.")
        room = min((self.canvas[0] // CELL) * (self.canvas[1] // CELL), N_DIGITS)
        if len(self.digits_per_image) > room + 1:
            raise ConfigError(
                f"{prefix}digits_per_image={self.digits_per_image} asks for up to"
                f" {len(self.digits_per_image) - 1} digits, and the canvas {self.canvas} has room"
                f" for {room}: make {prefix}canvas larger or the list shorter."
            )
        if abs(sum(self.digits_per_image) - 1) > 1e-6:
            raise ConfigError(f"{prefix}digits_per_image={self.digits_per_image} must sum to 1.")


def label_set_distribution(
    digits_per_image: list[float], dependence: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return all 1024 label sets (1024, 10) and their probabilities (1024,).

    P(S) = P(|S|) * exp(dependence * e(S)) / Z_|S|, where e(S) is the number of pairs of digits in
    S of equal parity minus the number of other pairs: an Ising model given the cardinality.
    """
    sets = all_label_sets(N_DIGITS)
    energy = np.zeros(len(sets))
    for j, k in combinations(range(N_DIGITS), 2):
        energy += np.where(sets[:, j] & sets[:, k], 1 if (j - k) % 2 == 0 else -1, 0)
    sizes = sets.sum(axis=1)
    probabilities = np.zeros(len(sets))
    for size, share in enumerate(digits_per_image):
        of_size = sizes == size
        logits = dependence * energy[of_size]
        weights = np.exp(logits - logits.max())
        probabilities[of_size] = share * weights / weights.sum()
    return sets, probabilities / probabilities.sum()


@register_source("digits")
class Digits(DataSource):
    """Images composed from scikit-learn's `load_digits`, 1,797 digits (Alpaydin and Kaynak 1998).

    Training, validation and test images are composed from different source images.
    """

    Options = DigitsOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Compose the images (1, height, width), pixels in [0, 1], K = 10."""
        rng = np.random.default_rng([options.seed, 0xD1617])
        # Imports scipy.io too, which no other source needs.
        from sklearn.datasets import load_digits

        images, digits = load_digits(return_X_y=True)
        images = images.reshape(-1, CELL, CELL) / HIGHEST_INK
        n_val = max(1, round(options.val_fraction * options.n_train))
        counts = {"train": options.n_train - n_val, "val": n_val, "test": options.n_test}
        sets, probabilities = label_set_distribution(options.digits_per_image, options.dependence)

        pools = disjoint_pools(digits, rng, shares=(0.6, 0.2, 0.2))
        features, targets, parts, first = [], [], {}, 0
        for (part, count), pool in zip(counts.items(), pools, strict=True):
            drawn = sets[rng.choice(len(sets), size=count, p=probabilities)]
            features.append(_compose(drawn, images, digits, pool, options.canvas, rng))
            targets.append(drawn)
            parts[part] = np.arange(first, first + count)
            first += count
        height, width = options.canvas
        return Dataset(
            name=options.title,
            features=np.concatenate(features),
            targets=np.concatenate(targets),
            feature_names=tuple(f"pixel_{y}_{x}" for y in range(height) for x in range(width)),
            label_names=tuple(str(digit) for digit in range(N_DIGITS)),
            numeric=np.zeros(height * width, dtype=bool),
            parts=parts,
            parts_from=f"composed of images of their own (data.seed={options.seed})",
            sample_shape=(1, height, width),
        )


def disjoint_pools(
    digits: NDArray[np.int64], rng: np.random.Generator, shares: tuple[float, ...]
) -> list[list[NDArray[np.int64]]]:
    """Return for each share the source images of each digit; the shares of a digit are disjoint."""
    pools: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for digit in range(N_DIGITS):
        order = rng.permutation(np.flatnonzero(digits == digit))
        cuts = np.round(np.cumsum(shares[:-1]) * len(order)).astype(int)
        for pool, images in zip(pools, np.split(order, cuts), strict=True):
            pool.append(images)
    return pools


def _compose(
    label_sets: NDArray[np.bool_],
    images: NDArray[np.float64],
    digits: NDArray[np.int64],
    pool: list[NDArray[np.int64]],
    canvas: list[int],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Compose one image per label set: (N, height * width)."""
    height, width = canvas
    columns = width // CELL
    n_cells = (height // CELL) * columns
    composed = np.zeros((len(label_sets), height, width), dtype=np.float32)
    for image, label_set in zip(composed, label_sets, strict=True):
        top = rng.integers(height % CELL + 1)
        left = rng.integers(width % CELL + 1)
        present = np.flatnonzero(label_set)
        for digit, cell in zip(present, rng.permutation(n_cells), strict=False):
            y, x = top + CELL * (cell // columns), left + CELL * (cell % columns)
            image[y : y + CELL, x : x + CELL] = images[rng.choice(pool[digit])]
    return composed.reshape(len(label_sets), -1)
