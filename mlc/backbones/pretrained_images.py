"""Images as the inputs of a network of transformers, by its own image processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlc.config.errors import ConfigError, DataError

# Leaves bytes; the network scales them.
_RAW: dict[str, Any] = {"do_rescale": False, "do_normalize": False}
# Of EfficientNet: pixels from -1 to 1, and a second division by the deviations.
_OFFSET, _TWICE = "rescale_offset", "include_top"
# A byte is off by half a unit at most where it is rounded.
_ROUNDING = 0.51


def as_bytes(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return images (N, C, H, W), bytes or numbers in [0, 1], as bytes of three channels.

    Raises:
        ConfigError: a sample is no image.
        DataError: a number is outside [0, 1].
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ConfigError(
            f"backbone=pretrained takes texts, or images of 1 or 3 channels, and a sample has the shape"
            f" {images.shape[1:]}: name other data, or for texts data=table data.text=COLUMN."
        )
    if images.dtype != np.uint8:
        if len(images) and not (images.min() >= 0 and images.max() <= 1):
            raise DataError("A pixel is outside [0, 1]: give images in [0, 1], or bytes (uint8).")
        images = np.rint(images * 255).astype(np.uint8)
    return images.repeat(3, axis=1) if images.shape[1] == 1 else images


def resized(images: NDArray[np.uint8], processor: Any, model: str) -> NDArray[np.uint8]:
    """Return images (N, 3, H, W) in the size of the network, as bytes.

    Raises:
        ConfigError: the processor does more than to resize, crop, and scale as `normalisation` says.
    """
    rows = list(images.transpose(0, 2, 3, 1))
    raw = _RAW | {key: False for key in (_OFFSET, _TWICE) if hasattr(processor, key)}
    values = _processed(rows, processor, model, **raw)
    pixels: NDArray[np.uint8] = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if rows:
        _require_the_same(pixels[0], rows[0], processor, model)
    return pixels


def normalisation(processor: Any) -> dict[str, Tensor]:
    """Return the factors and shifts of the channels for pixels in [0, 1]: (C,) each."""
    factor = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    offset = 1.0 if processor.do_rescale and getattr(processor, _OFFSET, False) else 0.0
    mean, std = ([0.0] * 3, [1.0] * 3)
    if processor.do_normalize:
        mean, std = processor.image_mean, processor.image_std
    centre, deviation = torch.tensor(mean).double(), torch.tensor(std).double()
    scale, shift = factor / deviation, -(centre + offset) / deviation
    if getattr(processor, _TWICE, False):
        again = torch.tensor(processor.image_std).double()
        scale, shift = scale / again, shift / again
    return {"scale": scale.float(), "shift": shift.float()}


def _processed(
    rows: list[NDArray[np.uint8]], processor: Any, model: str, **arguments: Any
) -> NDArray[Any]:
    try:
        values = processor(
            images=rows, input_data_format="channels_last", return_tensors="np", **arguments
        )["pixel_values"]
    except (ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ConfigError(
            f"backbone.model={model}: its {type(processor).__name__} cannot prepare images ({reason}):"
            " name another network, or register this one with a method prepare"
            " (docs/pretrained.md)."
        ) from error
    return np.asarray(values)


def _require_the_same(
    pixels: NDArray[np.uint8], row: NDArray[np.uint8], processor: Any, model: str
) -> None:
    """Require that the network gets what the processor would give it, by one image."""
    whole = _processed([row], processor, model)[0]
    scale, shift = (value.view(-1, 1, 1).numpy() for value in normalisation(processor).values())
    given = pixels / np.float32(255) * scale + shift
    bound = np.abs(scale) * _ROUNDING / 255 + 1e-4 * (1 + np.abs(shift))
    if whole.shape != given.shape or not (np.abs(whole - given) <= bound).all():
        raise ConfigError(
            f"backbone.model={model}: its {type(processor).__name__} does more than to resize, crop and"
            " scale the channels: name another network, or register this one with a method prepare"
            " (docs/pretrained.md)."
        )
