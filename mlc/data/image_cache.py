"""Images decoded once, into a memory-mapped file of the cache."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.memory import free_bytes, readable
from mlc.data import image_files
from mlc.data.cache import cache_folder, source_version
from mlc.data.files import require_memory
from mlc.data.image_files import BrokenImageError, decode_all, probe, state_of
from mlc.data.image_pool import in_order, workers_for
from mlc.data.sealed import read_sealed, require_file, write_sealed
from mlc.files.writing import temporary_of, write_atomically

log = logging.getLogger(__name__)

_FOLDER = "images"  # In the cache.

_VERSION = f"{source_version(__file__, str(image_files.__file__))} {PIL.__version__}"
# Height and width where images differ in size.
DEFAULT_SIZE = 224
_STALE = 86_400.0  # Seconds after which a temporary file has no writer any more.

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Decoded:
    """Decoded images.

    Attributes:
        pixels: (N, C * H * W), uint8, memory-mapped if they are cached.
        shape: (C, H, W).
        indices: the index among the files of each image, (N,).
        broken: the reason why a file is left out, by its index.
        n_resized: the number of images of another size.
        sizes: the least height and width of these images before, then the largest ones; () if there is
            none.
        digest: a hash of the pixels.
    """

    pixels: NDArray[np.uint8]
    shape: Shape
    indices: NDArray[np.int64]
    broken: dict[int, str]
    n_resized: int
    sizes: tuple[int, ...]
    digest: str


def decoded(
    files: Sequence[Path],
    size: Sequence[int] = (),
    grey: bool | None = None,
    in_memory: bool = False,
) -> Decoded:
    """Return the images' pixels from the cache, or decode the files and cache the pixels.

    An entry belongs to the paths, sizes and times of the files, to the options and to the version of
    mlc and Pillow. An entry that is cut off or changed causes a warning, and the files are decoded
    again. A cache that cannot be written only costs time and memory.

    Args:
        files: the images; a missing file is a broken image.
        size: height and width; () is the common size of all images; if they differ, the largest sides,
            or DEFAULT_SIZE squared if one of these is larger.
        grey: whether there is one channel instead of three; None is true if all images are grey.
        in_memory: whether pixels that take at most a quarter of the free memory are not cached.

    Raises:
        DataError: no image can be decoded, a file cannot be read or is changed meanwhile, or the pixels
            do not fit into memory.
    """
    folder = cache_folder()
    states = [state_of(path) for path in files]
    key = _key(files, states, size, grey)
    if folder is not None:
        entry = folder / _FOLDER / f"{key[:32]}.npy"
        stored = _read(entry, key)
        if stored is not None:
            return stored
    with workers_for(len(files)) as workers:
        plan = _plan(files, size, grey, workers)
        cacheless = folder is None or (in_memory and 4 * plan.n_bytes <= free_bytes())
        result = None if cacheless else _into_file(entry, key, plan, workers)
        result = result or _into_memory(plan, workers)
    for path, state in zip(files, states, strict=True):
        if state_of(path) != state:
            if folder is not None:
                entry.with_suffix(".json").unlink(missing_ok=True)
            raise DataError(f"{path} was changed while the images were decoded: start again.")
    return result


@dataclass(frozen=True)
class _Plan:
    """What is decoded: files that have a header, by index, to one shape; and the other files."""

    files: dict[int, Path]
    shape: Shape
    broken: dict[int, str]
    n_resized: int
    sizes: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return len(self.files) * math.prod(self.shape)


def _plan(
    files: Sequence[Path], size: Sequence[int], grey: bool | None, workers: Executor | None
) -> _Plan:
    broken: dict[int, str] = {}
    headers: dict[int, tuple[int, int, bool]] = {}
    for index, header in enumerate(in_order(_probe_all, (), files, workers, "reading headers")):
        if isinstance(header, str):
            broken[index] = header
        else:
            headers[index] = header
    if not headers:
        reasons = f"{files[0]}: {broken[0]}" if files else "there is none"
        raise DataError(
            f"No image can be decoded ({reasons}): name images, or the data.folder of a table's files."
        )
    sizes = {header[:2] for header in headers.values()}
    height, width = size or _size_of_all(sizes)
    is_grey = all(header[2] for header in headers.values()) if grey is None else grey
    others = sizes - {(height, width)}
    sides = list(zip(*others, strict=True))
    return _Plan(
        {index: files[index] for index in headers},
        (1 if is_grey else 3, height, width),
        broken,
        sum(header[:2] != (height, width) for header in headers.values()),
        (*map(min, sides), *map(max, sides)),
    )


def _size_of_all(sizes: Collection[tuple[int, int]]) -> tuple[int, int]:
    """Return one height and width for images of these sizes; it is at most that of the largest."""
    height, width = (max(sides) for sides in zip(*sizes, strict=True))
    if len(sizes) > 1 and max(height, width) > DEFAULT_SIZE:
        return DEFAULT_SIZE, DEFAULT_SIZE
    return height, width


def _probe_all(paths: Sequence[Path]) -> list[tuple[int, int, bool] | str]:
    headers: list[tuple[int, int, bool] | str] = []
    for path in paths:
        try:
            headers.append(probe(path))
        except BrokenImageError as error:
            headers.append(str(error))
    return headers


def _images(plan: _Plan, workers: Executor | None) -> Iterator[tuple[int, NDArray[np.uint8] | str]]:
    """Yield the index and the pixels of each image, or the reason why it is broken."""
    paths = list(plan.files.values())
    images = in_order(decode_all, plan.shape, paths, workers, "decoding images")
    return zip(plan.files, images, strict=True)


def _into_file(entry: Path, key: str, plan: _Plan, workers: Executor | None) -> Decoded | None:
    """Decode into an entry of the cache; return None if it cannot be written."""
    folder = entry.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        if plan.n_bytes > (free := shutil.disk_usage(folder).free):
            raise OSError(f"{readable(free)} are free and {readable(plan.n_bytes)} are needed")
        with write_atomically(entry) as file:
            facts = _write(file, plan, workers)
        status = entry.stat()
        facts |= {"key": key, "bytes": status.st_size, "time": status.st_mtime_ns}
        write_sealed(entry.with_suffix(".json"), facts)
    except OSError as error:
        log.warning("The decoded images were not cached in %s: %s.", folder, error)
        return None
    return _read(entry, key)


def _write(file: IO[bytes], plan: _Plan, workers: Executor | None) -> dict[str, Any]:
    """Write the pixels as .npy, and return the facts of the entry."""
    width, digest, indices = math.prod(plan.shape), hashlib.sha256(), []
    broken = dict(plan.broken)
    _write_header(file, (len(plan.files), width))
    for index, pixels in _images(plan, workers):
        if isinstance(pixels, str):
            broken[index] = pixels
            continue
        content = pixels.tobytes()
        digest.update(content)
        file.write(content)
        indices.append(index)
    _require_one(indices, broken, plan)
    file.seek(0)
    _write_header(file, (len(indices), width))
    return {
        "shape": plan.shape, "indices": indices, "n_resized": plan.n_resized, "sizes": plan.sizes,
        "broken": {str(index): reason for index, reason in sorted(broken.items())},
        "digest": digest.hexdigest(),
    }  # fmt: skip


def _write_header(file: IO[bytes], shape: tuple[int, int]) -> None:
    # NumPy pads headers so that their length does not depend on the number of rows.
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _into_memory(plan: _Plan, workers: Executor | None) -> Decoded:
    first = next(iter(plan.files.values()))
    require_memory(first.parent, plan.n_bytes, "the decoded images")
    pixels = np.empty((len(plan.files), math.prod(plan.shape)), dtype=np.uint8)
    broken = dict(plan.broken)
    indices: list[int] = []
    for index, image in _images(plan, workers):
        if isinstance(image, str):
            broken[index] = image
        else:
            pixels[len(indices)] = image.ravel()
            indices.append(index)
    _require_one(indices, broken, plan)
    pixels = pixels[: len(indices)]
    rows, digest = np.array(indices, dtype=np.int64), hashlib.sha256(pixels.data).hexdigest()
    return Decoded(pixels, plan.shape, rows, broken, plan.n_resized, plan.sizes, digest)


def _require_one(indices: Sequence[int], broken: dict[int, str], plan: _Plan) -> None:
    if not indices:
        index, path = next(iter(plan.files.items()))
        raise DataError(f"No image can be decoded ({path}: {broken[index]}): repair the files.")


def _read(entry: Path, key: str) -> Decoded | None:
    """Return an entry, or None if it is missing, cut off or changed."""
    sidecar = entry.with_suffix(".json")
    try:
        # A flipped digit in the indices would exchange labels.
        facts = read_sealed(sidecar)
        if facts["key"] != key:
            raise ValueError("it belongs to other images")
        status = require_file(entry)
        if status.st_size != facts["bytes"]:
            raise ValueError(f"it has {status.st_size} bytes instead of {facts['bytes']}")
        pixels = np.load(entry, mmap_mode="r", allow_pickle=False)
        expected = len(facts["indices"]), math.prod(facts["shape"])
        if pixels.shape != expected or pixels.dtype != np.uint8:
            raise ValueError("its array has another shape")
        if status.st_mtime_ns != facts["time"]:
            if hashlib.sha256(pixels.data).hexdigest() != facts["digest"]:
                raise ValueError("its content differs from its hash")
            with contextlib.suppress(OSError):
                write_sealed(sidecar, {**facts, "time": status.st_mtime_ns})
        broken = {int(index): reason for index, reason in facts["broken"].items()}
        return Decoded(
            pixels, tuple(facts["shape"]), np.array(facts["indices"], dtype=np.int64), broken,
            facts["n_resized"], tuple(facts["sizes"]), facts["digest"],
        )  # fmt: skip
    except FileNotFoundError:
        return None
    # Damaged entries cause many kinds of errors.
    except Exception as error:
        log.warning("The cached images %s cannot be used (%s): decoding again.", entry, error)
        return None


def _key(
    files: Sequence[Path], states: Sequence[Any], size: Sequence[int], grey: bool | None
) -> str:
    described = [(str(path.absolute()), state) for path, state in zip(files, states, strict=True)]
    content = repr((_VERSION, tuple(size), grey, described))
    return hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()


def _remove_stale(folder: Path) -> None:
    """Remove temporary files that a killed process has left."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if temporary_of(path.name) and time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
