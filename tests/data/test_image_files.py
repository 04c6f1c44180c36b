"""Decoding of image files, against Pillow by hand."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps, PngImagePlugin

from mlc.config.errors import DataError
from mlc.data.image_files import BrokenImageError, decode, find_images, probe
from tests.images import random_image, write_image


def channels_first(image: Image.Image) -> np.ndarray:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@pytest.mark.parametrize("ending", ["png", "bmp", "jpg", "webp", "tiff", "ppm", "gif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_pillow(ending: str, channels: int, tmp_path: Path) -> None:
    path = write_image(tmp_path / f"a.{ending}", random_image(0, 7, 4, channels))
    with Image.open(path) as image:
        expected = channels_first(image.convert("L" if channels == 1 else "RGB"))
    result = decode(path, channels, 7, 4)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected)
    assert probe(path)[:2] == (7, 4)


def test_another_size_is_cropped_around_the_centre_and_resized(tmp_path: Path) -> None:
    source = random_image(0, 40, 20)
    path = write_image(tmp_path / "a.png", source)
    # 20 x 20 of the 40 x 20 pixels, from row 10 on.
    expected = source.resize((8, 8), Image.Resampling.BILINEAR, box=(0, 10, 20, 30))
    np.testing.assert_array_equal(decode(path, 3, 8, 8), channels_first(expected))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_the_orientation_of_a_camera_is_applied(
    orientation: int, ending: str, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write_image(tmp_path / f"a.{ending}", random_image(0, 16, 8), exif=exif.tobytes())
    stored = np.asarray(Image.open(path))
    # Of each EXIF orientation, in the words of its standard.
    turned = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.transpose(1, 0, 2), 6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(stored),
    }[orientation]  # fmt: skip
    assert probe(path)[:2] == turned.shape[:2]
    result = decode(path, 3, *turned.shape[:2])
    np.testing.assert_array_equal(result, turned.transpose(2, 0, 1))


def _with_chunk_behind_pixels(path: Path, chunk: bytes) -> None:
    content = path.read_bytes()
    crc = struct.pack(">I", zlib.crc32(chunk))
    # The last chunk, IEND, takes 12 bytes.
    path.write_bytes(
        content[:-12] + struct.pack(">I", len(chunk) - 4) + chunk + crc + content[-12:]
    )


@pytest.mark.parametrize(
    "kind", ["tif", "tif lzw", "webp", "jpg", "png", "png xmp", "png late", "png late xmp"]
)
def test_the_size_of_an_image_is_that_after_its_orientation(kind: str, tmp_path: Path) -> None:
    ending, _, where = kind.partition(" ")
    exif = Image.Exif()
    exif[0x0112] = 6
    xmp = b'<x:xmpmeta tiff:Orientation="6"/>'
    text = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + xmp
    chunk = {"late": b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0"), "late xmp": text}.get(
        where
    )
    options = {"exif": exif.tobytes()} if where in ("", "lzw") else {}
    if where == "lzw":
        options["compression"] = "tiff_lzw"
    if where == "xmp":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options["pnginfo"] = info
    path = write_image(tmp_path / f"a.{ending}", random_image(0, 16, 8), **options)
    if chunk is not None:
        _with_chunk_behind_pixels(path, chunk)
    with Image.open(path) as image:
        expected = channels_first(ImageOps.exif_transpose(image))
    assert probe(path)[:2] == expected.shape[1:] == (8, 16)
    np.testing.assert_array_equal(decode(path, 3, 8, 16), expected)


def test_transparent_pixels_lie_over_white(tmp_path: Path) -> None:
    alpha = np.array([[0, 255, 51]], dtype=np.uint8)
    rgba = np.dstack([np.full((1, 3), 100, np.uint8)] * 3 + [alpha])
    path = write_image(tmp_path / "a.png", Image.fromarray(rgba))
    # 51 / 255 of 100 and 4 / 5 of 255.
    np.testing.assert_array_equal(decode(path, 3, 1, 3)[0], [[255, 100, 224]])
    grey = Image.fromarray(np.array([[7, 9]], dtype=np.uint8))
    write_image(tmp_path / "b.png", grey, transparency=7)
    np.testing.assert_array_equal(decode(tmp_path / "b.png", 1, 1, 2)[0], [[255, 9]])
    assert probe(tmp_path / "b.png") == (1, 2, True)


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1, 1]], dtype=np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    path = write_image(tmp_path / "a.png", image)
    np.testing.assert_array_equal(
        decode(path, 3, 1, 3)[:, 0], [[255, 0, 0], [0, 0, 0], [0, 255, 255]]
    )
    write_image(tmp_path / "b.png", image, transparency=1)
    np.testing.assert_array_equal(decode(tmp_path / "b.png", 3, 1, 3)[1, 0], [0, 255, 255])


@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_grey_values_of_16_bits_keep_their_brightness(ending: str, tmp_path: Path) -> None:
    values = np.array([[0, 257, 514, 65535, 40000]], dtype=np.uint16)
    path = write_image(tmp_path / f"a.{ending}", Image.fromarray(values))
    # 40000 / 257 = 155.6
    np.testing.assert_array_equal(decode(path, 1, 1, 5)[0], [[0, 1, 2, 255, 156]])
    assert decode(path, 3, 1, 5)[:, 0, 3].tolist() == [255, 255, 255]


def test_cmyk_and_black_and_white(tmp_path: Path) -> None:
    cmyk = random_image(0, 16, 16).convert("CMYK")
    path = write_image(tmp_path / "a.tiff", cmyk)
    np.testing.assert_array_equal(decode(path, 3, 16, 16), channels_first(cmyk.convert("RGB")))
    bits = Image.fromarray(np.array([[True, False]])).convert("1")
    np.testing.assert_array_equal(
        decode(write_image(tmp_path / "b.png", bits), 1, 1, 2)[0], [[255, 0]]
    )


def test_the_first_of_several_frames_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), value) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (decode(tmp_path / "a.gif", 1, 2, 2) == 10).all()


def png_of(width: int, height: int) -> bytes:
    """A PNG file whose header states a size, without pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def jpeg() -> bytes:
    file = io.BytesIO()
    random_image(0, 64, 64).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no image of a known format"),
        (b"not an image", "no image of a known format"),
        (jpeg()[:300], "[Tt]runcated"),
        (jpeg()[:-200], "truncated"),
        (png_of(20_000, 20_000), "more than 89,478,485 pixels|at most 89,478,485"),
        (png_of(10_000, 9_000), "10,000 x 9,000 pixels, and at most 89,478,485 are decoded"),
        (png_of(64, 64), "truncated|broken"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image of a known format"),
    ],
)  # fmt: skip
def test_broken_images_are_refused_with_a_reason(
    content: bytes, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A program may allow truncated images for its own use.
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(BrokenImageError, match=reason) as caught:
        decode(path, 3, 8, 8)
    assert "\n" not in str(caught.value)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_floating_point_numbers_and_large_integers_are_refused(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.tiff", Image.fromarray(np.ones((2, 2), np.float32)))
    with pytest.raises(BrokenImageError, match="floating-point"):
        decode(path, 1, 2, 2)
    path = write_image(tmp_path / "b.tiff", Image.fromarray(np.full((2, 2), 70_000, np.int32)))
    with pytest.raises(BrokenImageError, match="more than 16 bits"):
        decode(path, 1, 2, 2)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenImageError, match="does not exist"):
        probe(tmp_path / "none.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BrokenImageError, match=r"[Dd]irectory"):
        probe(tmp_path / "folder.png")


def test_a_system_error_is_no_property_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_image(tmp_path / "a.png")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(DataError, match=r"a\.png cannot be read \(Permission denied\)"):
            decode(path, 3, 6, 5)

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageOps, "exif_transpose", exhausted)
    with pytest.raises(DataError, match=r"a\.png does not fit into the free memory"):
        decode(path, 3, 6, 5)


def test_an_extreme_shape_is_cropped_before_it_is_resized(tmp_path: Path) -> None:
    # Resized to 224 rows first, it would have 224 x 224 x 60,000 pixels.
    path = write_image(tmp_path / "a.png", Image.new("L", (60_000, 1), 9))
    assert (decode(path, 1, 224, 224) == 9).all()


def test_images_are_found_below_links_once_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("b/2.PNG", "a/1.jpg", "a/.hidden.png", ".cache/3.png", "a/deep/4.webp"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "root" / "a" / "notes.txt").touch()
    write_image(tmp_path / "elsewhere" / "5.png")
    (tmp_path / "root" / "c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    names = [str(path.relative_to(tmp_path / "root")) for path in find_images(tmp_path / "root")[0]]
    assert names == ["a/1.jpg", "a/deep/4.webp", "b/2.PNG", "c/5.png"]


def test_resizing_is_that_of_pillow(tmp_path: Path) -> None:
    source = random_image(3, 50, 31)
    path = write_image(tmp_path / "a.png", source)
    expected = ImageOps.fit(source, (16, 12), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(decode(path, 3, 12, 16), channels_first(expected))


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "bmp", "webp", "tiff"])
def test_damaged_files_decode_or_are_broken_and_nothing_else(ending: str, tmp_path: Path) -> None:
    whole = write_image(tmp_path / f"a.{ending}", random_image(0, 24, 20)).read_bytes()
    draw, reasons = np.random.default_rng(0), []
    for trial in range(40):
        content = bytearray(whole)
        for place in draw.integers(len(content), size=1 + trial % 4):
            content[place] = draw.integers(256)
        if trial % 5 == 0:
            del content[int(draw.integers(len(content))) :]
        (tmp_path / "b").write_bytes(content)
        try:
            assert decode(tmp_path / "b", 3, 24, 20).shape == (3, 24, 20)
        except BrokenImageError as error:
            reasons.append(str(error))
    assert reasons
    assert all(0 < len(reason) < 500 for reason in reasons)
