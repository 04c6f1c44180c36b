"""Image files: which there are, their sizes, and their pixels."""

from __future__ import annotations

import errno
import os
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from mlc.config.errors import DataError
from mlc.config.texts import readable
from mlc.data.files import IMAGE_ENDINGS, unreadable

# Pillow reads more formats; some of them start other programs.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000")
# Pillow's own limit: a small file can hold an image that fills the memory.
MOST_PIXELS = 89_478_485
_GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_TIFF_SIZE = 256, 257  # The tags of width and height.
# Of PNG: the bytes before the first chunk, and the texts that hold an orientation.
_PNG_START, _PNG_KEY = 8, 21
_PNG_TEXTS, _PNG_EXIF = (
    (b"tEXt", b"zTXt", b"iTXt"),
    (b"Raw profile type exif", b"XML:com.adobe.xmp"),
)
_NAMED = 5  # Broken images in a message.


# Other system errors, such as a lack of permission, are none of the image's. Pillow's have no number.
_OF_THE_FILE = (None, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)


class BrokenImageError(Exception):
    """An image cannot be decoded; the message is the reason."""


def find_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the images below a folder, and the other files, both sorted.

    Images are known by their endings. Names that begin with a dot are passed over.

    A folder to which several links lead is read by each, but not within itself.

    Raises:
        DataError: a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise unreadable(Path(error.filename or folder), error) from error

    files: list[Path] = []
    # The device and inode of each folder and of those above it.
    lines: dict[Path, set[tuple[int, int]]] = {}
    for name, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        status = Path(name).stat()
        identity = (status.st_dev, status.st_ino)
        above = lines.get(Path(name).parent, set())
        if identity in above:
            # A link leads back to a folder.
            folders.clear()
            continue
        lines[Path(name)] = above | {identity}
        folders[:] = [one for one in folders if not one.startswith(".")]
        files += [Path(name, one) for one in names if not one.startswith(".")]
    images: list[Path] = []
    others: list[Path] = []
    for file in sorted(files):
        (images if file.name.lower().endswith(IMAGE_ENDINGS) else others).append(file)
    return images, others


def probe(path: Path) -> tuple[int, int, bool]:
    """Return an upright image's height and width, and whether it is grey, from the file's header.

    Raises:
        BrokenImageError: the file is no image, or too large.
        DataError: the file cannot be read.
    """
    with _opened(path) as image:
        width, height = _upright_size(image)
        return height, width, image.mode in _GREY


def decode(path: Path, channels: int, height: int, width: int) -> NDArray[np.uint8]:
    """Decode an image to (channels, height, width), with 1 channel for grey and 3 for colour.

    The EXIF orientation is applied. Transparent pixels lie over white. Grey values of 16 bits are
    divided by 257. Of several frames, the first is taken. Colour profiles are ignored. An image of
    another size is cropped around its centre to the sides' ratio, and resized (bilinear, with
    antialiasing).

    Raises:
        BrokenImageError: the file is no image, cut off or too large.
        DataError: the file cannot be read.
    """
    with _opened(path) as image:
        upright = _in_mode(ImageOps.exif_transpose(image), "L" if channels == 1 else "RGB")
        if upright.size != (width, height):
            upright = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(upright).reshape(height, width, channels)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decode_all(
    paths: Sequence[Path], channels: int, height: int, width: int
) -> list[NDArray[np.uint8] | str]:
    """Return the pixels of each image, or the reason why it cannot be decoded."""
    results: list[NDArray[np.uint8] | str] = []
    for path in paths:
        try:
            results.append(decode(path, channels, height, width))
        except BrokenImageError as error:
            results.append(str(error))
    return results


def broken_text(broken: Mapping[int, str], files: Sequence[Path]) -> str:
    """Name the first broken images with the reasons.

    Args:
        broken: the reasons, by the index among the files.
        files: all images.
    """
    names = [f"{files[index]} ({reason})" for index, reason in sorted(broken.items())]
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(readable(name) for name in names[:_NAMED]) + more


def refuse_broken(broken: Mapping[int, str], files: Sequence[Path], cure: str) -> None:
    """Raise DataError if an image is broken; `cure` is an alternative to repairing them."""
    if broken:
        raise DataError(
            f"{len(broken):,} of {len(files):,} images cannot be used: {broken_text(broken, files)}:"
            f" repair or remove them{cure}."
        )


def _upright_size(image: Any) -> tuple[int, int]:
    """Return the width and height that `ImageOps.exif_transpose` will give an image."""
    width, height = image.size
    if image.format == "TIFF":
        # Versions of Pillow differ in whether the size of a TIFF file is upright already.
        width, height = (int(image.tag_v2[tag]) for tag in _TIFF_SIZE)
    if image.format == "PNG" and not _has_late_orientation(image.fp):
        # That of PNG files would decode the image.
        exif = Image.Image.getexif(image)
    else:
        exif = image.getexif()
    return (height, width) if exif.get(_ORIENTATION) in _SIDEWAYS else (width, height)


def _has_late_orientation(file: IO[bytes]) -> bool:
    """Whether a chunk behind the pixels of a PNG file may hold the orientation."""
    before = file.tell()
    behind = False
    try:
        file.seek(_PNG_START)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            start = file.tell()
            if behind and kind in _PNG_TEXTS and file.read(_PNG_KEY).startswith(_PNG_EXIF):
                return True
            if behind and kind == b"eXIf":
                return True
            behind = behind or kind == b"IDAT"
            file.seek(start + length + 4)
        return False
    finally:
        file.seek(before)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;"):
        image = _of_16_bits(image)
    elif image.mode == "F":
        raise BrokenImageError("it holds floating-point numbers")
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _of_16_bits(image: Image.Image) -> Image.Image:
    # Pillow would cut values above 255 off.
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BrokenImageError("it holds numbers of more than 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; errors in the block are reasons why it is broken."""
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            # Of damaged metadata, and of sizes that are checked below.
            warnings.simplefilter("ignore")
            # It reads several formats only after this.
            Image.init()
            with _whole_images(), Image.open(file, formats=_FORMATS) as image:
                if image.size[0] * image.size[1] > MOST_PIXELS:
                    raise BrokenImageError(_too_large(image.size))
                yield image
    except BrokenImageError:
        raise
    except Image.DecompressionBombError as error:
        raise BrokenImageError(f"it has more than {MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise BrokenImageError("it is no image of a known format") from error
    except FileNotFoundError as error:
        raise BrokenImageError("it does not exist") from error
    except MemoryError as error:
        raise DataError(f"{path} does not fit into the free memory: free some.") from error
    # For damaged files, Pillow's decoders raise many kinds of errors.
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _OF_THE_FILE:
            raise unreadable(path, error) from error
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BrokenImageError(" ".join(reason.split()).rstrip(".")) from error


@contextmanager
def _whole_images() -> Iterator[None]:
    """Refuse truncated images, whatever the program around has chosen."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _too_large(size: tuple[int, int]) -> str:
    return f"it has {size[0]:,} x {size[1]:,} pixels, and at most {MOST_PIXELS:,} are decoded"


def state_of(path: Path) -> tuple[Any, ...] | None:
    """Return what changes with a file's content: its size and times; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
