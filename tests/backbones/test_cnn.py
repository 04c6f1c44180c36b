"""The convolutional network at the sizes that images have."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlc.backbones.base import BACKBONES
from mlc.backbones.cnn import CNN, CNNOptions
from mlc.config.errors import ConfigError


def products_of(network: nn.Module, image: torch.Tensor) -> int:
    """The multiplications of all convolutions of one image."""
    total = 0

    def count(layer: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    network(image)
    return total


@pytest.mark.parametrize(
    ("shape", "channels", "last"),
    [
        ((1, 1, 1), [32, 64], (1, 1)),
        ((3, 8, 8), [32, 64], (2, 2)),
        ((1, 16, 24), [32, 64], (4, 6)),
        ((3, 32, 32), [32, 64], (8, 8)),
        ((3, 64, 64), [32, 64, 128], (8, 8)),
        # A stride of 4, then of 2 three times.
        ((3, 224, 224), [32, 64, 128], (7, 7)),
        ((3, 256, 256), [32, 64, 128], (8, 8)),
        ((1, 100, 700), [32, 64, 128], (1, 6)),
    ],
)
def test_blocks_and_stride_follow_the_size(
    shape: tuple[int, ...], channels: list[int], last: tuple[int, int]
) -> None:
    network = CNN(shape, CNNOptions()).eval()
    widths = [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    stem = [32] if max(shape[1:]) > 64 else []
    assert widths == [*stem, *(width for width in channels for _ in range(2))]
    pool = next(layer for layer in network.modules() if isinstance(layer, nn.AdaptiveMaxPool2d))
    sizes: list[torch.Size] = []
    pool.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[2:]))
    assert network(torch.rand(2, *shape)).shape == (2, channels[-1] * 4)
    assert tuple(sizes[0]) == last


def test_the_work_does_not_grow_with_the_size_of_photographs() -> None:
    work = {
        side: products_of(CNN((3, side, side), CNNOptions()).eval(), torch.rand(1, 3, side, side))
        for side in (64, 256, 512)
    }
    assert max(work.values()) < 2 * work[64]
    assert max(work.values()) < 3e8


def test_the_input_is_standardised_by_what_training_saw() -> None:
    torch.manual_seed(0)
    network = CNN((3, 8, 8), CNNOptions(dropout=0.0)).double().train()
    images = torch.rand(64, 3, 8, 8, dtype=torch.float64)
    # Batch statistics make the outputs of a training batch the same whatever scale the pixels have.
    for scaled in (images * 255, images * 1e-2 + 7):
        torch.testing.assert_close(network(scaled), network(images), rtol=1e-2, atol=1e-2)


def test_given_channels_are_taken() -> None:
    network = CNN((3, 64, 64), CNNOptions(channels=[4, 6, 8, 10], pooled=3))
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 10 * 9)


def test_flat_samples_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"does not fit samples of shape \(7,\) \(it takes images"
    ):
        BACKBONES["cnn"].for_samples((7,), [BACKBONES.options("cnn")], [0], 1)
