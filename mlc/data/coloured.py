"""Coloured handwritten digits, with mutually exclusive labels and free ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlc.config.options import option
from mlc.data.base import DataOptions, Dataset, DataSource, register_source
from mlc.data.digits import CELL, HIGHEST_INK, N_DIGITS, disjoint_pools

COLOURS = ("red", "green", "blue")
FREE = ("framed", "dim")


@dataclass
class ColouredDigitsOptions(DataOptions):
    """Options of the coloured digits.

    Attributes:
        title: name of the data set in tables.
        noise: standard deviation of the noise added to each pixel of each channel.
        n_train: number of training and validation images.
        n_test: number of test images.
        seed: seed of the images, independent of the runs' seeds.
    """

    title: str = "coloured_digits"
    noise: float = option(0.25, at_least=0)
    n_train: int = option(4000, at_least=50)
    n_test: int = option(2000, at_least=1)
    seed: int = option(0, at_least=0)


@register_source("coloured_digits")
class ColouredDigits(DataSource):
    """scikit-learn's `load_digits` in red, green or blue, perhaps framed, perhaps dim.

    Each image has exactly one of the first ten labels, the digits, and one of the next three, the
    colours; the last two labels are free. Training, validation and test share no source image.
    """

    Options = ColouredDigitsOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Compose the images (3, 8, 8), K = 15."""
        rng = np.random.default_rng([options.seed, 0xC0109])
        # Imports scipy.io too, which no other source needs.
        from sklearn.datasets import load_digits

        images, digits = load_digits(return_X_y=True)
        n_val = max(1, round(options.val_fraction * options.n_train))
        counts = {"train": options.n_train - n_val, "val": n_val, "test": options.n_test}
        n, n_colours = sum(counts.values()), len(COLOURS)
        digit, colour = rng.integers(N_DIGITS, size=n), rng.integers(n_colours, size=n)
        free = rng.random((n, len(FREE))) < 0.5
        parts, image_of, first = {}, np.empty(n, dtype=np.int64), 0
        pools = disjoint_pools(digits, rng, shares=(0.6, 0.2, 0.2))
        for (part, count), pool in zip(counts.items(), pools, strict=True):
            parts[part] = np.arange(first, first + count)
            image_of[parts[part]] = [rng.choice(pool[d]) for d in digit[parts[part]]]
            first += count
        drawn = images[image_of].reshape(n, CELL, CELL) / HIGHEST_INK
        framed, dim = free.T
        drawn[framed, 0] = drawn[framed, -1] = drawn[framed, :, 0] = drawn[framed, :, -1] = 1
        drawn[dim] /= 2
        pixels = rng.normal(scale=options.noise, size=(n, n_colours, CELL, CELL))
        pixels[np.arange(n), colour] += drawn
        targets = np.hstack([np.eye(N_DIGITS)[digit], np.eye(n_colours)[colour], free]) > 0
        return Dataset(
            name=options.title,
            features=pixels.reshape(n, -1).astype(np.float32),
            targets=targets,
            feature_names=tuple(
                f"{c}_{y}_{x}" for c in COLOURS for y in range(CELL) for x in range(CELL)
            ),
            label_names=(*(str(d) for d in range(N_DIGITS)), *COLOURS, *FREE),
            numeric=np.ones(n_colours * CELL * CELL, dtype=bool),
            parts=parts,
            parts_from=f"composed of images of their own (data.seed={options.seed})",
            sample_shape=(n_colours, CELL, CELL),
        )
