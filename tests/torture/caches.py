"""Caches that are cut off, damaged, stale, or on a full disk: what is read is what would be computed."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from torch import Tensor, nn

from mlc.backbones import stage as stages
from mlc.backbones.base import BACKBONES, register_backbone
from mlc.backbones.stage import Stage
from mlc.data.image_cache import decoded
from mlc.data.vectors import read_vectors
from tests.images import random_image, write_image
from tests.registered import forget
from tests.torture.inputs import Reader, mangled
from tests.torture.run_folders import VALUES

# Seconds by which a clock is wrong: of a summer, of an empty battery, of a misread year.
JUMPS = (-3600, -(10**8), -1_500_000_000, 10**8, 4 * 10**9)


@contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """Files can grow to this size, and then writing fails, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def spoil(entries: Sequence[Path], mine: Path, draw: random.Random) -> None:
    """Cut off, mangle or replace an entry, or put something else in its place."""
    entry = draw.choice(entries)
    content = entry.read_bytes()
    kind = draw.choice(
        ["cut", "cut", "mangled", "mangled", "value", "folder", "link", "pipe", "none", "other"]
    )
    if kind == "value" and entry.suffix != ".json":
        kind = "mangled"
    if kind in ("cut", "mangled"):
        entry.write_bytes(
            content[: draw.randrange(len(content))] if kind == "cut" else mangled(content, draw)
        )
        # A disk changes no time; a program does, if its clock is fine enough.
        later(entry, draw.choice((1, *JUMPS)))
    elif kind == "value":
        _replace_value(entry, draw)
    elif kind == "other":
        entry.write_bytes(draw.choice(entries).read_bytes())
        later(entry, 1)
    else:
        entry.unlink()
        if kind == "folder":
            entry.mkdir()
        elif kind == "link":
            entry.symlink_to(mine)
        elif kind == "pipe":
            os.mkfifo(entry)


def _replace_value(entry: Path, draw: random.Random) -> None:
    """Another value of a key in the description of an entry, or of one of its numbers."""
    content = json.loads(entry.read_text(encoding="utf-8"))
    key = draw.choice(list(content))
    if isinstance(content[key], list) and content[key] and draw.random() < 0.7:
        content[key][draw.randrange(len(content[key]))] = draw.choice((*VALUES, 1, 2, 5))
    else:
        content[key] = draw.choice((*VALUES, 1, 12, 360))
    entry.write_text(json.dumps(content), encoding="utf-8")


def later(path: Path, seconds: int) -> None:
    """Give a file another time."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, max(0, status.st_mtime_ns + seconds * 10**9)))


def cached_case(
    draw: random.Random, folder: Path, compute: Callable[[], Any], change: Callable[[], None]
) -> None:
    """Compute into a cache, then spoil it, or change its source, or write it on a full disk.

    Args:
        draw: of the damage.
        folder: of the cache.
        compute: what the cache is of; returns arrays by name.
        change: changes the source.
    """
    store, mine = folder / "cache", folder / "mine"
    shutil.rmtree(store, ignore_errors=True)
    mine.write_bytes(b"the user's")
    kind = draw.choice(["spoilt", "spoilt", "stale", "full disk", "full disk"])
    with patch.dict(os.environ, XDG_CACHE_HOME=str(store)):
        with full_disk(draw.randrange(1500)) if kind == "full disk" else nullcontext():
            compute()
        entries = sorted(path for path in store.rglob("*") if path.is_file())
        assert not [path for path in entries if path.name.endswith(".mlc-part")], "a temporary"
        if kind == "spoilt":
            spoil(entries, mine, draw)
        elif kind == "stale":
            change()
        found = [compute(), compute()]
    with patch.dict(os.environ, XDG_CACHE_HOME=str(folder / "empty")):
        expected = compute()
    shutil.rmtree(folder / "empty", ignore_errors=True)
    assert mine.read_bytes() == b"the user's", "nothing is written through a link"
    for again in found:
        for name, array in expected.items():
            np.testing.assert_array_equal(again[name], array, name)


def image_cache_case(draw: random.Random, folder: Path) -> None:
    """The cache of decoded images."""
    root = folder / "images"
    shutil.rmtree(root, ignore_errors=True)
    files = [write_image(root / f"{number}.png", draw.randrange(99)) for number in range(4)]
    if draw.random() < 0.5:
        files[draw.randrange(4)].write_bytes(b"no image")

    def compute() -> dict[str, Any]:
        images = decoded(files)
        return {
            "pixels": images.pixels, "indices": images.indices, "shape": images.shape,
            "broken": sorted(images.broken.items()), "resized": images.n_resized,
            "sizes": images.sizes, "digest": images.digest,
        }  # fmt: skip

    def change() -> None:
        """Another image, of as many bytes or not, with the time of the one before."""
        path = draw.choice(files)
        before = path.stat()
        write_image(path, random_image(draw.randrange(100, 999)))
        content = path.read_bytes()
        if draw.random() < 0.5:
            path.write_bytes(content.ljust(before.st_size, b"\0")[: max(before.st_size, 1)])
        _as_old(path, before)

    cached_case(draw, folder, compute, change)


def _as_old(path: Path, before: os.stat_result) -> None:
    """Give a file the times that it had, as a copy with times has them."""
    # A file system may count time in steps of milliseconds.
    while True:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        if path.stat().st_ctime_ns != before.st_ctime_ns:
            return


class _Linear(nn.Module):
    """A small network whose features are cached."""

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(int(np.prod(sample_shape)), 3)

    def forward(self, samples: Tensor) -> Tensor:
        outputs: Tensor = self.layer(samples.flatten(1))
        return outputs

    @staticmethod
    def prepare(samples: Any, options: Any) -> Any:
        return 2 * samples


@contextmanager
def _stage() -> Iterator[Stage]:
    register_backbone("torture")(_Linear)
    try:
        yield Stage(BACKBONES.options("torture", frozen=True))
    finally:
        forget(BACKBONES, "torture")


def feature_cache_case(draw: random.Random, folder: Path) -> None:
    """The cache of features of a frozen network, in several parts."""
    values = np.random.default_rng(draw.randrange(999)).random((7, 2), dtype=np.float32)

    def compute() -> dict[str, Any]:
        with patch.object(stages, "ROWS_OF_PART", 3), _stage() as stage:
            features, digest = stage.apply(values)
        return {"features": features, "digest": digest}

    def change() -> None:
        values[draw.randrange(7), draw.randrange(2)] += 1

    cached_case(draw, folder, compute, change)


def vector_cache_case(draw: random.Random, folder: Path) -> None:
    """The cache of word vectors."""
    path, words = folder / "vectors.txt", ["rain", "sun"]

    def write() -> None:
        lines = [f"{word} {draw.random():.3f} {draw.random():.3f}" for word in words]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def compute() -> dict[str, Any]:
        found = read_vectors(path, words)
        return {"vectors": found.vectors, "known": found.known}

    def change() -> None:
        before = path.stat()
        write()
        _as_old(path, before)

    write()
    cached_case(draw, folder, compute, change)


READERS = {
    "cache of images": Reader(image_cache_case, 0.01),
    "cache of features": Reader(feature_cache_case, 0.005),
    "cache of word vectors": Reader(vector_cache_case, 0.005),
}
