"""Image networks of transformers get what their own processors would give them, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlc.backbones.base import BACKBONES
from mlc.backbones.stage import Stage
from mlc.config.errors import ConfigError
from tests.backbones.pretrained import image_network

transformers = pytest.importorskip("transformers", reason="the extra [pretrained] is not installed")

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 3, 20, 24), dtype=np.uint8)
SIDES = {"height": 16, "width": 16}
# Of the towers of CLIP.
SIZE: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def features(folder: Path, **values: Any) -> np.ndarray:
    options = BACKBONES.options("pretrained", model=str(folder), frozen=True, **values)
    return np.asarray(Stage(options).compute(IMAGES))


def pooled_by_hand(folder: Path) -> np.ndarray:
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    network = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        outputs = network(**processor(list(IMAGES), return_tensors="pt"))
    return np.asarray(outputs.pooler_output.flatten(1).numpy())


@pytest.mark.parametrize(
    "values",
    [
        {},  # Divides by the deviations twice.
        {"include_top": False},
        {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False},
        {"rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False},
    ],
)
def test_the_processor_of_efficientnet_scales_in_ways_of_its_own(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    folder = image_network(tmp_path / "network")
    transformers.EfficientNetImageProcessorPil(size=SIDES, **values).save_pretrained(folder)
    np.testing.assert_allclose(features(folder), pooled_by_hand(folder), rtol=1e-5, atol=2e-5)


def test_a_processor_that_does_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = image_network(tmp_path / "network")
    kind = transformers.ViTImageProcessorPil
    normalize = kind.normalize
    monkeypatch.setattr(kind, "normalize", lambda *args, **kwargs: normalize(*args, **kwargs) ** 2)
    with pytest.raises(ConfigError, match="does more than to resize, crop and scale"):
        features(folder)


def test_a_processor_that_fails_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = image_network(tmp_path / "network")

    def fails(*_: Any, **__: Any) -> None:
        raise ValueError("videos\nonly")

    monkeypatch.setattr(transformers.ViTImageProcessorPil, "resize", fails)
    with pytest.raises(ConfigError, match=r"cannot prepare images \(videos only\): name another"):
        features(folder)


def clip(folder: Path, kind: str) -> Path:
    vision = {**SIZE, "intermediate_size": 16, "image_size": 16, "patch_size": 8}
    if kind == "vision":
        config: Any = transformers.CLIPVisionConfig(**vision)
        network: Any = transformers.CLIPVisionModel(config)
    else:
        text = {**SIZE, "intermediate_size": 16, "vocab_size": 20}
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=4)
        network = transformers.CLIPModel(config)
    network.save_pretrained(folder)
    sides = {"size": {"shortest_edge": 16}, "crop_size": SIDES}
    transformers.CLIPImageProcessorPil(**sides).save_pretrained(folder)
    return folder


def test_auto_is_the_pooled_output_wherever_the_network_has_one(tmp_path: Path) -> None:
    folder = clip(tmp_path / "clip", "vision")
    np.testing.assert_allclose(features(folder), pooled_by_hand(folder), atol=2e-5)


def test_a_network_of_two_inputs_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not take images alone \(.*input_ids\)"):
        features(clip(tmp_path / "clip", "both"))
