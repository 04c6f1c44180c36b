"""Image files of every format and mode: whole, damaged, or larger in their header than in truth."""

from __future__ import annotations

import io
import os
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image, TiffImagePlugin

from mlc.config.errors import DataError
from mlc.data import load_data
from tests.torture.inputs import Reader, mangled

HEIGHT, WIDTH = 11, 13  # Odd sizes are found again in a header.
NAMES = (
    "a.png", "naïve ü.PNG", "a\nb.jpg", "\x1b[31m.png", "=1+1.png", "\U0001f4f7.webp", "\udcff.png",
    "a;b.gif", "[x].png", '"q".bmp', "x" * 200 + ".png", " .png", "a.tar.tiff", "--help.jpeg", "CON.png",
    "\u202egnp.png",
)  # fmt: skip
# What a header may claim of an image of a hundred bytes.
CLAIMS = (0, 1, 12, 14, 255, 9_000, 20_000, 65_535, 2**31 - 1, 2**32 - 1)
# How each orientation of a camera lies in the file, by EXIF 2.32, 4.6.4: from upright to stored pixels.
STORED: dict[int, Callable[[Any], Any]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[::-1],
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x.swapaxes(0, 1)[:, ::-1],
}
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "WEBP": {"lossless": True},
}  # fmt: skip
LOSSY: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "JPEG2000": {}, "GIF": {}}


def written(draw: random.Random) -> tuple[bytes, Any]:
    """A whole image and its pixels (H, W, 3) over white; None for a format that loses some."""
    numbers = np.random.default_rng(draw.randrange(2**32))
    rgb = numbers.integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    kind = draw.choice(list(FORMS))
    return FORMS[kind](rgb, draw)


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _colours(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    form = draw.choice(list(LOSSLESS))
    return _saved(Image.fromarray(rgb), form, **LOSSLESS[form]), rgb


def _grey(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    form = draw.choice(["PNG", "BMP", "TIFF", "PPM"])
    grey = rgb[:, :, 0]
    return _saved(Image.fromarray(grey), form), np.repeat(grey[:, :, None], 3, axis=2)


def _sixteen_bits(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    values = rgb[:, :, 0].astype(np.uint16) * 256 + rgb[:, :, 1]
    grey = ((values.astype(np.int64) + 128) // 257).astype(np.uint8)
    content = _saved(Image.fromarray(values), draw.choice(["PNG", "TIFF"]))
    return content, np.repeat(grey[:, :, None], 3, axis=2)


def _bits(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    bits = rgb[:, :, 0] > 127
    content = _saved(Image.fromarray(bits), draw.choice(["PNG", "BMP", "TIFF", "PPM", "GIF"]))
    return content, np.repeat(bits[:, :, None] * np.uint8(255), 3, axis=2)


def _palette(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    indices = rgb[:, :, 0] % 16
    image = Image.fromarray(indices).convert("P")
    colours = rgb.reshape(-1, 3)[:16]
    image.putpalette(colours.ravel().tolist())
    return _saved(image, draw.choice(["PNG", "BMP", "TIFF", "GIF"])), colours[indices]


def _transparent(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    alpha = np.where(rgb[:, :, :1] > 127, 255, 0).astype(np.uint8)
    form = draw.choice(["PNG", "TIFF", "WEBP"])
    options: dict[str, Any] = {"lossless": True, "exact": True} if form == "WEBP" else {}
    content = _saved(Image.fromarray(np.concatenate([rgb, alpha], axis=2)), form, **options)
    return content, np.where(alpha > 0, rgb, 255)


def _inks(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    """Cyan, magenta and yellow without black, of which each takes its complement from white."""
    inks = np.concatenate([rgb, np.zeros_like(rgb[:, :, :1])], axis=2)
    return _saved(Image.fromarray(inks, mode="CMYK"), "TIFF"), 255 - rgb


def _turned(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    orientation, exif = draw.randint(1, 8), Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](rgb)))
    form = draw.choice(["PNG", "TIFF", "WEBP"])
    return _saved(stored, form, **LOSSLESS[form], exif=exif), rgb


def _frames(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    more = [Image.fromarray(rgb[::-1].copy()), Image.fromarray(rgb[:, ::-1].copy())]
    form = draw.choice(["PNG", "WEBP", "TIFF"])
    frames = {"save_all": True, "append_images": more}
    return _saved(Image.fromarray(rgb), form, **LOSSLESS[form], **frames), rgb


def _lossy(rgb: Any, draw: random.Random) -> tuple[bytes, Any]:
    form = draw.choice(list(LOSSY))
    return _saved(Image.fromarray(rgb), form, **LOSSY[form]), None


FORMS: dict[str, Callable[[Any, random.Random], tuple[bytes, Any]]] = {
    "colours": _colours, "grey": _grey, "16 bits": _sixteen_bits, "bits": _bits, "palette": _palette,
    "transparent": _transparent, "inks": _inks, "turned": _turned, "frames": _frames, "lossy": _lossy,
}  # fmt: skip


def claimed(content: bytes, draw: random.Random) -> bytes:
    """An image whose header claims another height or width."""
    pack = draw.choice(["<I", ">I", "<H", ">H"])
    largest = 2 ** (8 * struct.calcsize(pack)) - 1
    for side in (HEIGHT, WIDTH):
        if draw.random() < 0.7:
            claim = min(draw.choice(CLAIMS), largest)
            content = content.replace(struct.pack(pack, side), struct.pack(pack, claim), 1)
            if content[:2] in (b"P4", b"P5", b"P6"):
                content = content.replace(b"%d" % side, b"%d" % draw.choice(CLAIMS), 1)
    if content[:4] == b"\x89PNG":
        # With the checksum of the header that is claimed.
        content = content[:29] + struct.pack(">I", zlib.crc32(content[12:29])) + content[33:]
    return content


@cache
def _bombs() -> list[bytes]:
    """Images of many pixels in few bytes; the first two are as large as one that is decoded may be."""
    packed = {"compression": "tiff_adobe_deflate"}
    return [
        _saved(Image.new("L", (9000, 9000)), "PNG"),
        _saved(Image.new("1", (9000, 9000)), "TIFF", **packed),
        _saved(Image.new("1", (40_000, 40_000)), "PNG"),
        _saved(Image.new("L", (9500, 9500)), "TIFF", **packed),
        _saved(Image.new("L", (9500, 9500)), "GIF"),
        _saved(Image.new("L", (60_000, 1)), "PNG"),
    ]


def spoilt(draw: random.Random) -> bytes:
    """A damaged or hostile image."""
    kind = draw.random()
    if kind < 0.01:
        return draw.choice(_bombs())
    content, _ = written(draw)
    if kind < 0.25:
        return claimed(content, draw)
    if kind < 0.45:
        return content[: draw.randrange(len(content))]
    if kind < 0.5:
        strange = TiffImagePlugin.ImageFileDirectory_v2()
        tag, claim = (
            draw.choice([254, 258, 262, 273, 277, 278, 317]),
            min(draw.choice(CLAIMS), 65_535),
        )
        # Pillow's writer divides by the rows of a strip.
        strange[tag] = max(claim, 1) if tag == TiffImagePlugin.ROWSPERSTRIP else claim
        colours = Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8))
        return _saved(colours, "TIFF", tiffinfo=strange)
    return mangled(content, draw)


def image_case(draw: random.Random, folder: Path) -> None:
    """Folders of images, one of which is odd or has an odd name: the others stay as they are."""
    root = folder / "toy"
    shutil.rmtree(root, ignore_errors=True)
    images = []
    for number, label in enumerate(("wet", "cold", "wet_cold")):
        content, pixels = written(draw)
        images.append((root / label / f"{number}.png", content, pixels))
    is_odd = draw.random() < 0.7
    content, pixels = (spoilt(draw), None) if is_odd else written(draw)
    odd = root / "wet" / draw.choice(NAMES)
    images.append((odd, content, pixels))
    for path, content, _ in images:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    options = {"path": str(root), "size": [HEIGHT, WIDTH], "grey": False}
    # A cache of its own, so that no entry of another case is read.
    with patch.dict(os.environ, XDG_CACHE_HOME=str(folder / "cache")):
        try:
            _compare(images, odd, load_data("images", broken="skip", **options))
            load_data("images", **options)
        except DataError as error:
            if not is_odd:
                raise AssertionError("whole images are refused") from error
            raise
        finally:
            shutil.rmtree(folder / "cache", ignore_errors=True)


def _compare(images: list[tuple[Path, bytes, Any]], odd: Path, dataset: Any) -> None:
    """Each image has its pixels and its labels; the odd one may be left out."""
    assert dataset.sample_shape == (3, HEIGHT, WIDTH)
    assert dataset.label_names == ("cold", "wet")
    ordered = sorted(images)
    if dataset.n_samples < len(images):
        ordered = [image for image in ordered if image[0] != odd]
    assert dataset.n_samples == len(ordered), "an image that is whole is left out"
    rows = dataset.features.reshape(-1, 3, HEIGHT, WIDTH).transpose(0, 2, 3, 1)
    for row, (path, _, pixels) in enumerate(ordered):
        named = {"cold", "wet"} & set(path.parent.name.split("_"))
        assert dataset.targets[row].tolist() == ["cold" in named, "wet" in named], path.name
        if pixels is not None:
            np.testing.assert_array_equal(rows[row], pixels, path.name)


READERS = {"images": Reader(image_case, 0.03)}
