"""Pixels and numbers of tokens: their batches, and a training that never copies them as floats."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlc.backbones.base import BACKBONES, register_backbone
from mlc.config.errors import ConfigError, DataError
from mlc.config.schema import Config, TrainerOptions
from mlc.data import sample_rows
from mlc.data.base import SOURCES, Dataset
from mlc.data.card import describe
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.sample_rows import SampleRows
from mlc.data.splits import Split
from mlc.decisions.base import build_decision
from mlc.evaluation.predictor import Predictor
from mlc.evaluation.yardsticks import judge_yardsticks
from mlc.heads.base import HEADS
from mlc.runs.provenance import fingerprint
from mlc.training.assembly import build_model, build_training, known_labels
from mlc.training.defaults import kind_of
from mlc.training.loop import Training
from mlc.training.stacked import OPTIMIZERS
from tests.registered import forget

CPU = torch.device("cpu")
SHAPE = (3, 5, 4)


def pixels(n: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(n, 60), dtype=np.uint8)


def dataset(features: Any, shape: tuple[int, ...] = SHAPE) -> Dataset:
    n, n_columns = features.shape
    targets = np.random.default_rng(1).random((n, 3)) < 0.5
    return Dataset(
        "made", features, targets, (), tuple("abc"), np.zeros(n_columns, bool), sample_shape=shape
    )


SPLIT = Split(np.arange(24), np.arange(24, 32), np.arange(32, 40))


def trained(data: Dataset, backbone: str, seeds: tuple[int, ...] = (0, 1)) -> Training:
    configs = [
        Config(
            data=SOURCES.options("digits"),
            backbone=BACKBONES.options(backbone),
            head=HEADS.options("sigmoid"),
            optimizer=OPTIMIZERS.options("adamw", lr=0.01),
            trainer=TrainerOptions(max_epochs=2, batch_size=7),
            seed=seed,
        )
        for seed in seeds
    ]
    splits = [SPLIT] * len(seeds)
    scalings = [fit_scaling(data, split.train) for split in splits]
    model = build_model(configs, data.sample_shape, known_labels(data, splits), CPU, scalings)
    training = build_training(configs, model, data, splits, scalings, CPU)
    for _ in training:
        pass
    return training


@pytest.fixture
def off_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sample fits into the device's memory."""
    monkeypatch.setattr(sample_rows, "ON_DEVICE", 0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pixels_become_floats_from_0_to_1_in_the_batch(dtype: torch.dtype) -> None:
    values = pixels()
    rows = SampleRows(values, CPU, dtype)
    assert rows.on_device
    index = torch.tensor([[3, 1, 3], [0, 39, 2]])
    expected = values[index.numpy()].astype(str(dtype).split(".")[1]) / 255
    np.testing.assert_array_equal(rows[index].numpy(), expected)


def test_pixels_on_the_cpu_are_not_copied() -> None:
    values = pixels()
    rows = SampleRows(values, CPU, torch.float32)
    assert rows._samples.data_ptr() == values.ctypes.data


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.int64])
def test_tokens_become_int64(kind: type, off_device: None) -> None:
    values = np.arange(12).reshape(4, 3).astype(kind)
    batch = SampleRows(values, CPU, torch.float32)[torch.tensor([[2, 0]])]
    assert batch.dtype == torch.int64
    assert batch.tolist() == [[[6, 7, 8], [0, 1, 2]]]


@pytest.mark.parametrize("order", ["announced", "other", "twice"])
def test_batches_gathered_ahead_are_those_of_memory(
    order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = pixels()
    np.save(tmp_path / "pixels.npy", values)
    in_memory = SampleRows(values, CPU, torch.float32)
    monkeypatch.setattr(sample_rows, "ON_DEVICE", 0.0)
    mapped = SampleRows(np.load(tmp_path / "pixels.npy", mmap_mode="r"), CPU, torch.float32)
    assert not mapped.on_device
    batches = torch.randperm(40).view(1, 40).split(7, dim=1)
    for _ in range(2 if order == "twice" else 1):
        mapped.prefetch(batches)
        for batch in batches if order != "other" else reversed(batches):
            assert torch.equal(mapped[batch], in_memory[batch])


@pytest.mark.parametrize("backbone", ["mlp", "linear", "cnn"])
def test_training_on_bytes_is_training_on_their_quotients(backbone: str) -> None:
    seeds = (0, 1) if backbone != "cnn" else (0,)
    by_bytes = trained(dataset(pixels()), backbone, seeds)
    by_floats = trained(dataset((pixels() / np.float32(255)).astype(np.float32)), backbone, seeds)
    expected = by_floats.model.state_dict()
    for name, value in by_bytes.model.state_dict().items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("backbone", ["mlp", "cnn"])
def test_training_from_a_mapped_file_is_training_in_memory(
    backbone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(dataset(pixels()), backbone, (3,)).model.state_dict()
    np.save(tmp_path / "pixels.npy", pixels())
    monkeypatch.setattr(sample_rows, "ON_DEVICE", 0.0)
    mapped = trained(dataset(np.load(tmp_path / "pixels.npy", mmap_mode="r")), backbone, (3,))
    assert not mapped.data.fixed_shapes
    for name, value in mapped.model.state_dict().items():
        assert torch.equal(value, expected[name]), name


class Tokens(nn.Module):
    """The mean embedding of a sequence."""

    takes_tokens = True

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()
        self.vectors = nn.Embedding(50, 4)

    def forward(self, samples: Tensor) -> Tensor:
        assert samples.dtype == torch.int64
        vectors: Tensor = self.vectors(samples)
        return vectors.mean(dim=1)


@pytest.fixture
def of_tokens() -> Iterator[str]:
    register_backbone("of_tokens")(Tokens)
    yield "of_tokens"
    forget(BACKBONES, "of_tokens")


def test_tokens_reach_a_backbone_that_takes_them(of_tokens: str) -> None:
    tokens = np.random.default_rng(0).integers(50, size=(40, 6), dtype=np.int32)
    data = dataset(tokens, (6,))
    training = trained(data, of_tokens, (0,))
    scaling = fit_scaling(data, SPLIT.train)
    predictor = Predictor(
        training.model, [scaling], build_decision("fixed", threshold=0.5), "abc", samples="tokens"
    )
    assert predictor.predict(tokens).shape == (40, 3)
    with pytest.raises(
        DataError, match=r"of the type float64, .* on numbers of tokens: give these"
    ):
        predictor.predict(tokens / 2)
    with pytest.raises(ConfigError, match="'made' holds numbers of tokens, and backbone=mlp"):
        trained(data, "mlp")
    with pytest.raises(ConfigError, match="backbone=of_tokens needs numbers of tokens, and 'made'"):
        trained(dataset(pixels().astype(np.float32) / 255, (60,)), of_tokens, (0,))


def test_a_model_of_pixels_predicts_from_bytes_alone() -> None:
    data = dataset(pixels())
    training = trained(data, "cnn", (0,))
    scaling, rule = fit_scaling(data, SPLIT.train), build_decision("fixed", threshold=0.5)
    predictor = Predictor(training.model, [scaling], rule, "abc", (), SHAPE, "pixels")
    scores = predictor.scores(pixels())
    np.testing.assert_array_equal(predictor.scores(pixels().reshape(40, *SHAPE)), scores)
    with pytest.raises(DataError, match=r"of the type float32, .* on pixels from 0 to 255"):
        predictor.scores(pixels().astype(np.float32))


def test_the_card_names_the_size_of_images() -> None:
    card = describe(dataset(pixels()), SPLIT)
    text = "images of 5 x 4 pixels (colour), a byte each, divided by 255: 2.4 kB in all"
    assert card.features == text
    assert describe(dataset(pixels(), (60,)), SPLIT).features.startswith("60 pixels from 0 to 255")
    tokens = dataset(pixels().astype(np.int32), (60,))
    assert describe(tokens, SPLIT).features == "sequences of 60 numbers of tokens"


def test_a_fingerprint_changes_with_a_pixel_a_shape_and_a_given_digest() -> None:
    data, other = dataset(pixels()), pixels()
    other[-1, -1] ^= 1
    assert fingerprint(data) == fingerprint(dataset(pixels()))
    changed = [
        dataset(other), dataset(pixels(), (3, 4, 5)), dataclasses.replace(data, digest="a"),
        dataclasses.replace(data, digest="b"),
    ]  # fmt: skip
    assert len({fingerprint(one) for one in [data, *changed]}) == 5


def test_linear_models_are_not_tuned_on_pixels() -> None:
    values = judge_yardsticks(dataset(pixels()), SPLIT, "jaccard_samples", "fingerprint")
    assert all(list(one) == ["train/values"] for one in values.values())


def test_data_larger_than_memory_are_not_read_before_a_batch_is(tmp_path: Path) -> None:
    # 100 GB of zeros, of which the file system stores none.
    n_rows, n_columns = 100_000, 10**6
    with (tmp_path / "large").open("wb") as file:
        file.truncate(n_rows * n_columns)
    features = np.memmap(tmp_path / "large", np.uint8, "r", shape=(n_rows, n_columns))
    targets = np.arange(n_rows)[:, None] % 3 == np.arange(2)
    data = Dataset(
        "large", features, targets, (), ("a", "b"), np.zeros(n_columns, bool),
        sample_shape=(1, 1000, 1000), digest="zeros",
    )  # fmt: skip
    rows = np.arange(n_rows)
    split = Split(rows[:60_000], rows[60_000:80_000], rows[80_000:])
    scaling = fit_scaling(data, split.train)
    assert "images of 1000 x 1000 pixels (grey)" in describe(data, split, scaling=scaling).features
    assert kind_of(data, split.train).n_rows == 60_000
    assert fingerprint(data)
    resident = ResidentData(data.features, data.targets, [scaling], CPU)
    assert not resident.fixed_shapes
    assert resident.batch(torch.tensor([[99_999, 5]])).features.abs().sum() == 0


def test_nothing_is_shifted_or_scaled() -> None:
    scaling = fit_scaling(dataset(pixels()), SPLIT.train)
    expected = Scaling(np.zeros(60, np.float32), np.ones(60, np.float32))
    np.testing.assert_array_equal(scaling.shift, expected.shift)
    np.testing.assert_array_equal(scaling.scale, expected.scale)
