"""Random changes of images in training batches, on the batch's device."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from mlc.config.errors import ConfigError
from mlc.layers import Streams

# Images (B, C, H, W) in [0, 1] and uniform numbers (B, n), to images of the same shape.
Change = Callable[[Tensor, Tensor], Tensor]

# The least share of a side that a crop keeps, and the largest change of a colour factor.
_CROP, _COLOUR = 0.7, 0.2


def hflip(images: Tensor, uniforms: Tensor) -> Tensor:
    """Mirror half of the images, left to right."""
    return torch.where(_of_images(uniforms[:, 0] < 0.5), images.flip(-1), images)


def vflip(images: Tensor, uniforms: Tensor) -> Tensor:
    """Mirror half of the images, top to bottom."""
    return torch.where(_of_images(uniforms[:, 0] < 0.5), images.flip(-2), images)


def rotate90(images: Tensor, uniforms: Tensor) -> Tensor:
    """Turn square images by 0, 90, 180 or 270 degrees."""
    turns, turned = (4 * uniforms[:, 0]).floor(), images
    for n in (1, 2, 3):
        turned = torch.where(_of_images(turns == n), images.rot90(n, (2, 3)), turned)
    return turned


def crop(images: Tensor, uniforms: Tensor) -> Tensor:
    """Enlarge a random part with 0.7 to 1 of both sides to the size of the image (bilinear)."""
    share = _CROP + (1 - _CROP) * uniforms[:, 0]
    # Of the part's centre, where the image reaches from -1 to 1.
    x, y = ((1 - share) * (2 * uniforms[:, axis] - 1) for axis in (1, 2))
    zero = torch.zeros_like(share)
    maps = torch.stack([share, zero, x, zero, share, y], dim=1).view(-1, 2, 3)
    grid = affine_grid(maps, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def color(images: Tensor, uniforms: Tensor) -> Tensor:
    """Multiply brightness, contrast and, in colour images, saturation by 0.8 to 1.2, as Pillow does."""
    from kornia import enhance

    factors = 1 + _COLOUR * (2 * uniforms - 1)
    images = enhance.adjust_brightness_accumulative(images, factors[:, 0])
    images = enhance.adjust_contrast_with_mean_subtraction(images, factors[:, 1])
    if images.shape[1] == 3:
        images = enhance.adjust_saturation_with_gray_subtraction(images, factors[:, 2])
    return images


@dataclass(frozen=True)
class _Kind:
    change: Change
    n_uniforms: int


_KINDS: Mapping[str, _Kind] = {
    "hflip": _Kind(hflip, 1),
    "vflip": _Kind(vflip, 1),
    "rotate90": _Kind(rotate90, 1),
    "crop": _Kind(crop, 3),
    "color": _Kind(color, 3),
}


class Augmentation:
    """The changes of a run's training batches.

    Each sample of an epoch gets its numbers from the run's stream, so that they depend neither on other
    runs nor on the device. Nothing waits for the device.

    Args:
        names: of the changes, in their order.
        sample_shape: (C, H, W).
        seed: the run's seed.
        device: device of the batches.
        dtype: dtype of the batches.

    Raises:
        ConfigError: a change does not suit the images, or its package is missing.
    """

    def __init__(
        self,
        names: Sequence[str],
        sample_shape: Sequence[int],
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        require_augmentation(names, sample_shape)
        self._kinds = [_KINDS[name] for name in names]
        self._shape, self._device, self._dtype = tuple(sample_shape), device, dtype
        self._stream = Streams([seed], "augmentation")
        self._uniforms = torch.empty(0)
        self._first = 0

    def begin_epoch(self, n_rows: int) -> None:
        """Draw the numbers of an epoch."""
        n_uniforms = sum(kind.n_uniforms for kind in self._kinds)
        uniforms = self._stream.uniform(n_rows, n_uniforms)[0]
        self._uniforms, self._first = uniforms.to(self._device, self._dtype), 0

    def __call__(self, features: Tensor) -> Tensor:
        """Change the epoch's next samples (1, B, C * H * W)."""
        images = features.view(-1, *self._shape)
        last = self._first + len(images)
        uniforms, first = self._uniforms[self._first : last], 0
        self._first = last
        for kind in self._kinds:
            images = kind.change(images, uniforms[:, first : first + kind.n_uniforms])
            first += kind.n_uniforms
        return images.reshape(features.shape)


def require_augmentation(names: Sequence[str], sample_shape: Sequence[int]) -> None:
    """Check that the changes suit the images and can be computed.

    Raises:
        ConfigError: they do not, or cannot.
    """
    if len(sample_shape) != 3:
        raise ConfigError(
            f"data.augment={list(names)} needs images, and a sample has the shape"
            f" {tuple(sample_shape)}: leave it out."
        )
    channels, height, width = sample_shape
    if "rotate90" in names and height != width:
        raise ConfigError(
            f"data.augment=rotate90 needs square images, and these have {height} x {width} pixels: set"
            f" data.size={min(height, width)}, or leave it out."
        )
    if "color" not in names:
        return
    if channels not in (1, 3):
        raise ConfigError(
            f"data.augment=color needs images with 1 or 3 channels, and these have {channels}: leave it"
            " out."
        )
    try:
        import kornia  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "data.augment=color needs kornia: pip install 'mlc[images]', or leave it out."
        ) from error


def _of_images(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)


def augmentation_of(
    config: Any, sample_shape: Sequence[int], is_pixels: bool, stacked: bool, **to: Any
) -> Augmentation | None:
    """Return the augmentation that a config names; None if it names none.

    Raises:
        ConfigError: the samples are no images, or the backbone trains several runs at once.
    """
    names = getattr(config.data, "augment", None)
    if not names:
        return None
    if getattr(config.backbone, "frozen", False):
        raise ConfigError(
            f"data.augment={names} changes images in each epoch, and backbone.frozen=true computes their"
            " features once: leave one of them out."
        )
    if stacked:
        raise ConfigError(
            f"data.augment={names} needs a backbone that takes images and trains one run at a time, such"
            f" as cnn: backbone={config.backbone.name} gathers flat rows for many runs at once."
        )
    shape = sample_shape if is_pixels else (math.prod(sample_shape),)
    return Augmentation(names, shape, config.seed, **to)
