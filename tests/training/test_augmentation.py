"""Random changes of training batches: each against its definition, and a run's own numbers."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import Config, TrainerOptions
from mlc.data import load_data, sample_rows
from mlc.data.base import SOURCES, Dataset
from mlc.data.images import AUGMENTATIONS
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.heads.base import HEADS
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult
from mlc.training import augmentation
from mlc.training.assembly import build_model, build_training, known_labels
from mlc.training.augmentation import _KINDS, Augmentation, crop, hflip, rotate90, vflip
from mlc.training.loop import Training
from mlc.training.stacked import OPTIMIZERS
from tests.images import clothes
from tests.posed import DEVICE, posing

CPU = torch.device("cpu")
GEOMETRIC = ["hflip", "vflip", "rotate90", "crop"]


def images(n: int = 8, side: int = 6, channels: int = 3) -> Tensor:
    return torch.rand(n, channels, side, side, dtype=torch.float64)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_half_of_the_images_are_mirrored() -> None:
    one = images(2)
    left_right = hflip(one, column(0.49, 0.5)).numpy()
    np.testing.assert_array_equal(left_right[0], one[0].numpy()[:, :, ::-1])
    np.testing.assert_array_equal(left_right[1], one[1].numpy())
    top_bottom = vflip(one, column(0.0, 0.99)).numpy()
    np.testing.assert_array_equal(top_bottom[0], one[0].numpy()[:, ::-1])
    np.testing.assert_array_equal(top_bottom[1], one[1].numpy())


def test_images_are_turned_by_quarters() -> None:
    one = images(4)
    turned = rotate90(one, column(0.1, 0.3, 0.6, 0.9)).numpy()
    for n in range(4):
        np.testing.assert_array_equal(turned[n], np.rot90(one[n].numpy(), n, (1, 2)))


@pytest.mark.parametrize("uniforms", [(1.0, 0.3, 0.8), (0.0, 0.0, 0.0), (0.5, 0.9, 0.1)])
def test_a_crop_samples_its_part_as_a_loop_does(uniforms: tuple[float, ...]) -> None:
    side, (share, right, down) = 6, uniforms
    one = images(1, side)
    result = crop(one, torch.tensor([uniforms], dtype=torch.float64))[0]
    part = (0.7 + 0.3 * share) * side
    left, top = ((side - part) * position for position in (right, down))

    def value(channel: int, y: float, x: float) -> float:
        """The bilinear mean of the pixels around a point; beyond the border, of the border's."""
        total = 0.0
        for row in (int(np.floor(y - 0.5)), int(np.floor(y - 0.5)) + 1):
            for col in (int(np.floor(x - 0.5)), int(np.floor(x - 0.5)) + 1):
                weight = (1 - abs(y - 0.5 - row)) * (1 - abs(x - 0.5 - col))
                inside = np.clip(row, 0, side - 1), np.clip(col, 0, side - 1)
                total += weight * float(one[0, channel, inside[0], inside[1]])
        return total

    for channel, row, col in [(0, 0, 0), (1, 2, 4), (2, 5, 5), (0, 3, 1)]:
        y, x = top + part * (row + 0.5) / side, left + part * (col + 0.5) / side
        assert float(result[channel, row, col]) == pytest.approx(value(channel, y, x), abs=1e-12)


def test_colours_change_as_pillow_changes_them() -> None:
    pytest.importorskip("kornia", reason="kornia is not installed")
    pixels = np.random.default_rng(0).integers(60, 190, size=(5, 4, 3), dtype=np.uint8)
    uniforms = torch.tensor([[0.9, 0.2, 0.7]], dtype=torch.float64)
    factors = (1 + 0.2 * (2 * uniforms[0] - 1)).tolist()
    image = Image.fromarray(pixels)
    for kind, factor in zip(("Brightness", "Contrast", "Color"), factors, strict=True):
        image = getattr(ImageEnhance, kind)(image).enhance(factor)
    one = torch.as_tensor(pixels).permute(2, 0, 1)[None].double() / 255
    result = augmentation.color(one, uniforms)[0].permute(1, 2, 0).numpy()
    # Pillow cuts the fractions off after each of the three changes, and those of the mean grey.
    np.testing.assert_allclose(result * 255, np.asarray(image), atol=3)
    grey = images(2, channels=1)
    assert augmentation.color(grey, torch.full((2, 3), 0.5, dtype=torch.float64)).equal(grey)


def test_every_name_has_a_change() -> None:
    assert tuple(_KINDS) == AUGMENTATIONS


def test_the_numbers_of_a_sample_depend_on_seed_and_position_alone() -> None:
    def changed(seed: int, sizes: list[int]) -> Tensor:
        own = Augmentation(["hflip", "crop"], (3, 6, 6), seed, CPU, torch.float64)
        torch.rand(seed + 3)
        rows = images(8).view(1, 8, -1)
        torch.manual_seed(len(sizes))
        epochs = []
        for _ in range(2):
            own.begin_epoch(8)
            epochs.append(torch.cat([own(part) for part in rows.split(sizes, dim=1)], dim=1))
        return torch.stack(epochs)

    torch.manual_seed(0)
    first = changed(4, [8])
    torch.manual_seed(0)
    assert changed(4, [3, 5]).equal(first)
    torch.manual_seed(0)
    assert not changed(5, [8]).equal(first)
    assert not first[0].equal(first[1])


def config(seed: int = 0, backbone: str = "cnn", **data: Any) -> Config:
    return Config(
        data=SOURCES.options("images", **{"path": "unused", "augment": GEOMETRIC, **data}),
        backbone=BACKBONES.options(backbone),
        head=HEADS.options("sigmoid"),
        optimizer=OPTIMIZERS.options("adamw", lr=0.01),
        trainer=TrainerOptions(max_epochs=2, batch_size=7),
        seed=seed,
    )


SPLIT = Split(np.arange(20), np.arange(20, 26), np.arange(26, 30))


def dataset(features: np.ndarray | None = None) -> Dataset:
    draw = np.random.default_rng(0)
    pixels = draw.integers(256, size=(30, 108), dtype=np.uint8)
    targets = draw.random((30, 2)) < 0.5
    return Dataset(
        "made", pixels if features is None else features, targets, (), ("a", "b"),
        np.zeros(108, bool), sample_shape=(3, 6, 6),
    )  # fmt: skip


def training_of(config: Config, data: Dataset) -> Training:
    scalings = [fit_scaling(data, SPLIT.train)]
    known = known_labels(data, [SPLIT])
    model = build_model([config], data.sample_shape, known, CPU, scalings)
    return build_training([config], model, data, [SPLIT], scalings, CPU)


def test_training_batches_alone_are_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_of(config(), dataset())
    shown: dict[bool, list[Tensor]] = {True: [], False: []}
    network = training.model.backbone

    def keep(module: Any, inputs: tuple[Tensor, ...]) -> None:
        shown[module.training].append(inputs[0][0])

    network.register_forward_pre_hook(keep)
    for _ in training:
        pass
    pixels = torch.as_tensor(dataset().features).float() / 255
    trained, validated = torch.cat(shown[True]), torch.cat(shown[False])
    assert len(trained) == 40
    assert validated.equal(pixels[SPLIT.val].repeat(2, 1))
    is_known = (trained[:, None] == pixels).all(dim=2).any(dim=1)
    assert not is_known.any()
    assert trained.min() >= 0
    assert trained.max() <= 1


def weights(training: Training) -> list[Tensor]:
    for _ in training:
        pass
    return list(training.model.state_dict().values())


def test_a_training_can_be_repeated_and_differs_from_one_without_changes() -> None:
    first = weights(training_of(config(), dataset()))
    torch.manual_seed(77)
    again = weights(training_of(config(), dataset()))
    assert all(one.equal(other) for one, other in zip(first, again, strict=True))
    without = weights(training_of(config(augment=[]), dataset()))
    assert not all(one.equal(other) for one, other in zip(first, without, strict=True))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"backbone": "mlp"}, "needs a backbone that takes images and trains one run at a time"),
        ({"features": np.ones((30, 108), np.float32)}, r"needs images, and a sample has the shape"),
    ],
)
def test_what_cannot_be_changed_is_refused(changes: dict[str, Any], sentence: str) -> None:
    features = changes.pop("features", None)
    with pytest.raises(ConfigError, match=sentence):
        training_of(config(**changes), dataset(features))


def test_images_that_do_not_suit_a_change_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"rotate90 needs square images, and these have 4 x 6"):
        Augmentation(["rotate90"], (3, 4, 6), 0, CPU, torch.float32)
    with pytest.raises(ConfigError, match=r"color needs images with 1 or 3 channels, .* have 2"):
        Augmentation(["color"], (2, 4, 6), 0, CPU, torch.float32)
    with pytest.raises(ConfigError, match="is out of range: did you mean hflip"):
        config(augment=["hlip"])
    original = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "kornia":
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"color needs kornia: pip install 'mlc\[images\]'"):
        Augmentation(["color"], (3, 6, 6), 0, CPU, torch.float32)
    Augmentation(GEOMETRIC, (3, 6, 6), 0, CPU, torch.float32)


class Kept(Recorder):
    """Keeps the scores of each run."""

    def __init__(self) -> None:
        self.scores: dict[int, np.ndarray] = {}

    def record(self, index: int, result: RunResult) -> str:
        self.scores[index] = result.evaluation.scores["test"]
        return "kept"


def test_a_run_is_the_same_in_any_cohort(tmp_path: Path) -> None:
    clothes(tmp_path, 6)
    assert load_data("images", path=str(tmp_path)).sample_shape == (3, 8, 8)
    alone, together = Kept(), Kept()
    own = config(1, path=str(tmp_path))
    assert all(isinstance(one, float) for one in train_cohort([own], alone))
    train_cohort([config(0, path=str(tmp_path)), own], together)
    np.testing.assert_array_equal(alone.scores[0], together.scores[1])


def test_a_batch_of_data_is_never_changed_in_place() -> None:
    data = dataset()
    resident = ResidentData(
        data.features, data.targets, [fit_scaling(data, SPLIT.train)], CPU, torch.float32
    )
    before = data.features.copy()
    own = Augmentation(GEOMETRIC, (3, 6, 6), 0, CPU, torch.float32)
    own.begin_epoch(20)
    own(resident.batch(torch.arange(20)[None]).features)  # type: ignore[arg-type]
    np.testing.assert_array_equal(data.features, before)


@pytest.mark.parametrize("on_device", [True, False])
def test_a_device_changes_images_as_the_cpu_does(
    on_device: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("kornia", reason="kornia is not installed")
    if not on_device:
        monkeypatch.setattr(sample_rows, "ON_DEVICE", 0.0)
    data = dataset()

    def batches(device: torch.device) -> list[Tensor]:
        resident = ResidentData(
            data.features, data.targets, [fit_scaling(data, SPLIT.train)], device, torch.float64
        )
        own = Augmentation(AUGMENTATIONS, (3, 6, 6), 0, device, torch.float64)
        own.begin_epoch(20)
        rows = resident.rows([np.arange(20)]).split(7, dim=1)
        resident.prefetch(rows)
        return [own(resident.batch(index).features) for index in rows]  # type: ignore[arg-type]

    expected = batches(CPU)
    with posing() as device:
        results = batches(DEVICE)
        # The data, the rows and the uniform numbers; the order, and a copy of each of three batches.
        assert device.waits == ["aten._to_copy.default"] * (4 if on_device else 7)
        for result, other in zip(results, expected, strict=True):
            torch.testing.assert_close(result.cpu(), other, rtol=1e-12, atol=1e-12)
