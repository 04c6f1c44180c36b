"""Which images there are and their labels, by a table that names files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import counted, listed, shown
from mlc.data.files import located
from mlc.data.image_files import find_images
from mlc.data.label_cells import MISSING
from mlc.data.label_columns import encode_labels, separated, zero_one_columns
from mlc.data.label_separators import separator_named
from mlc.data.locations import location_of
from mlc.data.table_file import read_frame

# The usual names of the column with the files, and of the parts.
FILE_COLUMNS = ("file", "filename", "file_name", "image", "image_path", "path", "img")
PARTS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
_TABLES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Listing:
    """Images and their labels.

    Attributes:
        files: N paths.
        targets: (N, K), bool.
        names: K names.
        parts: the part of each image; None if no parts are given.
        parts_from: the origin of the parts.
        notes: assumptions, one sentence each.
        known: (N, K), bool, the labels that are known; None if all are.
        soft: (N, K), the labels if they are probabilities.
    """

    files: list[Path]
    targets: NDArray[np.bool_]
    names: tuple[str, ...]
    parts: list[str] | None = None
    parts_from: str = "as given"
    notes: tuple[str, ...] = ()
    known: NDArray[np.bool_] | None = None
    soft: NDArray[np.float32] | None = None


def files_named_in(path: Path, options: Any) -> list[Path]:
    """Return the image files that a table names in its column of files.

    Raises:
        DataError: there is no such table or column, or a row has no file.
    """
    frame = read_frame(path)
    return _files(frame, _file_column(frame, path, options.file), path, options)


def of_table(path: Path, options: Any) -> Listing:
    """Return the images and labels of a table.

    Raises:
        DataError: there is no such file, column or label, or a row names no part.
    """
    frame = read_frame(path)
    column = _file_column(frame, path, options.file)
    if not options.labels:
        binary = zero_one_columns(frame.drop(columns=[column]))
        example = f"[{','.join(binary[:3])}{', ...' if len(binary) > 3 else ''}]"
        raise DataError(
            f"{path}: data=images needs data.labels={example if binary else '[COLUMN]'}, the column that"
            " holds label sets, or several columns of 0 and 1."
        )
    files = _files(frame, column, path, options)
    separator = None if options.separator is None else separator_named(options.separator)
    columns, asides = separated(options.labels, frame.columns)
    labels = encode_labels(
        frame,
        columns,
        separator,
        str(path),
        None,
        options.missing_labels,
        options.soft_labels,
    )
    parts = None if options.split is None else _parts_in(frame, options.split, path)
    notes = [*asides, *labels.notes, *_unnamed(files, path), *_unused_split(frame, options)]
    return Listing(
        files, labels.targets, labels.names, parts,
        f"from the column {options.split!r} of {path.name}", tuple(notes), labels.known,
        labels.soft,
    )  # fmt: skip


def table_in(folder: Path) -> Path:
    """Return the only table of a folder.

    Raises:
        DataError: there is none, or several.
    """
    tables = sorted(file for file in folder.iterdir() if file.suffix.lower() in _TABLES)
    if len(tables) != 1:
        names = listed([file.name for file in tables], 5) or "no table"
        raise DataError(
            f"{folder} holds {names}: name the .csv or .parquet file with the column"
            " of data.labels in data.path."
        )
    return tables[0]


def _file_column(frame: pd.DataFrame, path: Path, name: str | None) -> str:
    candidates = [name] if name is not None else [*FILE_COLUMNS]
    names = [str(column) for column in frame.columns if str(column) in candidates]
    if len(names) != 1:
        columns = listed(list(map(str, frame.columns)), 20)
        none = f"is no column {'of files' if name is None else repr(name)}"
        wrong = f"are {len(names)} columns of files" if names else none
        raise DataError(
            f"{path}: there {wrong}: name the column of the images in data.file, one of {columns}."
        )
    return names[0]


def _files(frame: pd.DataFrame, column: str, path: Path, options: Any) -> list[Path]:
    folder = path.parent if options.folder is None else located(options.folder, options.root)
    rows: dict[str, tuple[int, str]] = {}
    for row, value in enumerate(frame[column]):
        name = "" if value is None or pd.isna(value) else str(value).strip()
        where = location_of(str(path), row)
        if name.lower() in MISSING or "\0" in name:
            raise DataError(f"{path}: {where} names no image in the column {column!r}: add it.")
        # Other spellings and links name the same file.
        file = os.path.realpath(_path_of(folder, name))
        if file in rows:
            first, other = rows[file]
            also = "" if other == name else f" as {other}"
            raise DataError(
                f"{path}: {name} is named in {location_of(str(path), first)}{also} and in {where}: give"
                " each image one row with all its labels."
            )
        rows[file] = (row, name)
    return [_path_of(folder, name) for _, name in rows.values()]


def _path_of(folder: Path, name: str) -> Path:
    """Return the path of a file's name; a table from Windows separates folders by backslashes."""
    path = folder / name
    if "\\" in name and not os.path.lexists(path):
        return folder / name.replace("\\", "/")
    return path


def _parts_in(frame: pd.DataFrame, column: str, path: Path) -> list[str]:
    if column not in frame.columns:
        raise DataError(
            f"{path}: there is no column {column!r}: data.split may be"
            f" {listed(list(map(str, frame.columns)), 20)}."
        )
    parts = [PARTS.get(str(value).strip().lower(), "") for value in frame[column]]
    if "" in parts:
        row = parts.index("")
        raise DataError(
            f"{path}: the column {column!r} is {shown(str(frame[column].iloc[row]))} in"
            f" {location_of(str(path), row)}: write train, val or test."
        )
    require_parts(parts, f"{path}: the column {column!r}")
    return parts


def require_parts(parts: Sequence[str], where: str) -> None:
    """Raise DataError if no image is for training, or none for testing."""
    for part in ("train", "test"):
        if part not in parts:
            raise DataError(
                f"{where} names no {part} rows, only {', '.join(sorted(set(parts)))}: name those to"
                f" {'train' if part == 'train' else 'test'} on {part}."
            )


def _unused_split(frame: pd.DataFrame, options: Any) -> list[str]:
    """Note a column that looks like a split and is not used."""
    if options.split is not None:
        return []
    for name in frame.columns:
        words = {str(value).strip().lower() for value in frame[name].iloc[:1000]}
        if str(name) not in options.labels and words <= set(PARTS) and len(words) > 1:
            return [f"The column {str(name)!r} seems to name parts: data.split={name} uses them."]
    return []


def _unnamed(files: Sequence[Path], table: Path) -> list[str]:
    """Note the images beside those of a table that it does not name."""
    folder = Path(os.path.commonpath([os.path.normpath(file.parent.absolute()) for file in files]))
    if not folder.is_dir():
        return []
    named = set(map(os.path.realpath, files))
    others = [file for file in find_images(folder)[0] if os.path.realpath(file) not in named]
    if not others:
        return []
    are = "is" if len(others) == 1 else "are"
    examples = listed([str(file.relative_to(folder)) for file in others], 3)
    return [
        f"Not used: {counted(len(others), 'image')} in {folder} {are} in no row of {table.name}:"
        f" {examples}."
    ]
