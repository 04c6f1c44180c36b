"""One handwritten digit in one colour: labels that exclude each other, and some that do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from mlc.config.options import option
from mlc.data.base import DataOptions, Dataset, DataSource, register_source
from mlc.data.digits import CELL, HIGHEST_INK, N_DIGITS, disjoint_pools

COLOURS = ("red", "green", "blue")
FREE = ("framed", "dim")


@dataclass
class ColouredDigitsOptions(DataOptions):
    """How the images are made.

    Attributes:
        title: what tables call the data.
        noise: standard deviation of what is added to each pixel of each channel.
        n_train: images to train and validate on.
        n_test: images to test on.
        seed: of the images, apart from the runs' seed.
    """

    title: str = "coloured_digits"
    noise: float = option(0.25, at_least=0)
    n_train: int = option(4000, at_least=50)
    n_test: int = option(2000, at_least=1)
    seed: int = option(0, at_least=0)


@register_source("coloured_digits")
class ColouredDigits(DataSource):
    """scikit-learn's `load_digits` in red, green or blue, perhaps framed, perhaps dim.

    The first ten labels are the digits and the next three the colours, of each of which an image has
    exactly one; the last two are free. Train, validation and test share no source image.
    """

    Options = ColouredDigitsOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Images (3, 8, 8), K = 15."""
        rng = np.random.default_rng([options.seed, 0xC0109])
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
