"""Image files for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# The colour of each label in the folders below.
COLOURS = {"black": (30, 30, 30), "blue": (40, 40, 200), "red": (200, 40, 40)}


def random_image(seed: int, height: int = 6, width: int = 5, channels: int = 3) -> Image.Image:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return Image.fromarray(np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8))


def write_image(path: Path, image: Image.Image | int = 0, **options: Any) -> Path:
    """Write an image, or a random one of a seed, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = random_image(image) if isinstance(image, int) else image
    image.save(path, **options)
    return path


def clothes(folder: Path, n: int = 8, size: int = 8) -> Path:
    """Folders such as black_jeans: jeans are two vertical stripes, shirts a filled square."""
    draw = np.random.default_rng(0)
    for colour, rgb in COLOURS.items():
        for cloth in ("jeans", "shirt"):
            for number in range(n):
                pixels = np.full((size, size, 3), 255)
                inside = slice(1, size - 1)
                pixels[inside, inside] = rgb
                if cloth == "jeans":
                    pixels[:, size // 2 - 1 : size // 2 + 1] = 255
                noisy = np.clip(pixels + draw.normal(scale=12, size=pixels.shape), 0, 255)
                write_image(
                    folder / f"{colour}_{cloth}" / f"{number:03}.png",
                    Image.fromarray(noisy.astype(np.uint8)),
                )
    return folder
