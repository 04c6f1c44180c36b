"""Label sets that were predicted for test rows, packed and compressed, for bootstraps over rows."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import read_array, write_array
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import cause
from mlc.files.writing import write_atomically

FOLDER = "decisions"
TARGETS = "targets"
_BITS, _SHAPE = "|bits.npy", "|shape.npy"
_DAMAGES = (
    OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, lzma.LZMAError,
    zlib.error,
)  # fmt: skip
# By "HEAD/NUMBER/RULE": (seeds, N, K), bool; TARGETS: (1, N, K).
Decisions = dict[str, NDArray[np.bool_]]


def path_of(folder: Path, data: str) -> Path:
    """Return the file of a data set in the folder of the results."""
    return folder / FOLDER / f"{data}.npz"


def pack(decisions: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """Pack (seeds, N, K) to bits; each seed but the first as its difference from the one before.

    Seeds differ in few bits, and the rows of one label are neighbours, so that the bits compress well.
    """
    changes = decisions.copy()
    changes[1:] ^= decisions[:-1]
    bits = np.packbits(changes.transpose(0, 2, 1), axis=-1)
    return {"bits": bits, "shape": np.array(decisions.shape, dtype=np.int32)}


def unpack(bits: NDArray[np.uint8], shape: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return (seeds, N, K) from what `pack` returned."""
    decided = np.bitwise_xor.accumulate(bits, axis=0)
    return np.unpackbits(decided, axis=-1, count=int(shape[1])).view(np.bool_).transpose(0, 2, 1)


def read(path: Path, names: Collection[str] | None = None) -> Decisions:
    """Return the decisions of a data set with these names, or all; none if there is no file.

    Raises:
        DataError: the file is damaged, or is not what `add` writes.
    """
    if not path.exists():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            stored = [name.removesuffix(_BITS) for name in members if name.endswith(_BITS)]
            unknown = set(members) - {f"{name}{end}" for name in stored for end in (_BITS, _SHAPE)}
            if unknown:
                raise KeyError(f"it holds {min(unknown)!r}")
            wanted = [name for name in stored if names is None or name in names]
            return {
                name: unpack(*(_array(archive, f"{name}{end}") for end in (_BITS, _SHAPE)))
                for name in wanted
            }
    except _DAMAGES as error:
        raise DataError(
            f"{path} cannot be read as stored decisions ({cause(error)}): restore it, or delete it and"
            " measure its data set again."
        ) from error


def _array(archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    with archive.open(member) as file:
        array: NDArray[Any] = read_array(file, allow_pickle=False)
        return array


def add(path: Path, decisions: Mapping[str, NDArray[np.bool_]]) -> None:
    """Add decisions to those of a data set; the file is replaced when the new one is complete."""
    stream = io.BytesIO()
    # A quarter less than NumPy's own compression, and NumPy reads it.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as archive:
        for name, each in {**read(path), **decisions}.items():
            for kind, values in pack(each).items():
                member = zipfile.ZipInfo(f"{name}|{kind}.npy")
                member.compress_type = zipfile.ZIP_LZMA
                with archive.open(member, "w") as file:
                    write_array(file, values, allow_pickle=False)
    with write_atomically(path) as file:
        file.write(stream.getvalue())
