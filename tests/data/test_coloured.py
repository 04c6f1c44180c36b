from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mlc.data.base import SOURCES, Dataset


def load(**options: float) -> Dataset:
    options = {"n_train": 200, "n_test": 100, **options}
    return SOURCES["coloured_digits"].load(SOURCES.options("coloured_digits", **options))


def test_an_image_has_one_digit_and_one_colour() -> None:
    targets = load().targets
    assert targets.shape == (300, 15)
    assert (targets[:, :10].sum(axis=1) == 1).all()
    assert (targets[:, 10:13].sum(axis=1) == 1).all()
    assert targets[:, 13:].mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.12)


def test_the_labels_are_what_is_drawn() -> None:
    data = load(noise=0.0)
    assert data.sample_shape == (3, 8, 8)
    images, digits = load_digits(return_X_y=True)
    inner = {image.reshape(8, 8)[1:-1, 1:-1].tobytes(): i for i, image in enumerate(images)}
    used: dict[str, set[int]] = {}
    for part, rows in data.parts.items():
        found = set()
        for row in rows:
            target, channels = data.targets[row], data.features[row].reshape(data.sample_shape)
            (colour,) = np.flatnonzero(channels.any(axis=(1, 2)))
            assert target[10 + colour]
            image = channels[colour].astype(np.float64) * 16 * (1 + target[14])
            source = inner[np.ascontiguousarray(image[1:-1, 1:-1]).tobytes()]
            assert target[digits[source]]
            border = image[0]
            assert (border == 16).all() == target[13]
            found.add(source)
        used[part] = found
    assert not used["train"] & used["test"]


def test_noise_is_what_was_asked_for() -> None:
    clean, noisy = load(noise=0.0), load(noise=0.5)
    assert np.array_equal(clean.targets, noisy.targets)
    assert (noisy.features - clean.features).std() == pytest.approx(0.5, abs=0.01)
