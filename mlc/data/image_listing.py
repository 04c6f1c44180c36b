"""Which images there are and their labels: a table that names files, or folders that name labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import MultiLabelBinarizer

from mlc.config.errors import DataError
from mlc.config.texts import counted, listed, shown
from mlc.data.files import IMAGE_ENDINGS, located
from mlc.data.image_files import find_images
from mlc.data.label_cells import MISSING
from mlc.data.label_columns import encode_labels, separated, zero_one_columns
from mlc.data.label_separators import separator_named, split_cell
from mlc.data.locations import location_of
from mlc.data.table_file import read_frame

# The usual names of the column with the files, and of the parts.
FILE_COLUMNS = ("file", "filename", "file_name", "image", "image_path", "path", "img")
_PARTS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
_TABLES = (".csv", ".tsv", ".parquet")
_SEPARATOR = "_"


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


def list_images(path: Path, options: Any) -> Listing:
    """Return the images and labels of a table or folder.

    Raises:
        DataError: there is no such file, column or label, or a row names no part.
    """
    if not path.is_dir():
        return _of_table(path, options)
    if options.labels:
        return _of_table(_table_in(path), options)
    return _of_folders(path, options)


def files_named_in(path: Path, options: Any) -> list[Path]:
    """Return the image files that a table names in its column of files.

    Raises:
        DataError: there is no such table or column, or a row has no file.
    """
    frame = read_frame(path)
    return _files(frame, _file_column(frame, path, options.file), path, options)


def _of_table(path: Path, options: Any) -> Listing:
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


def _table_in(folder: Path) -> Path:
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
        file = os.path.realpath(folder / name)
        if file in rows:
            first, other = rows[file]
            also = "" if other == name else f" as {other}"
            raise DataError(
                f"{path}: {name} is named in {location_of(str(path), first)}{also} and in {where}: give"
                " each image one row with all its labels."
            )
        rows[file] = (row, name)
    return [folder / name for _, name in rows.values()]


def _parts_in(frame: pd.DataFrame, column: str, path: Path) -> list[str]:
    if column not in frame.columns:
        raise DataError(
            f"{path}: there is no column {column!r}: data.split may be"
            f" {listed(list(map(str, frame.columns)), 20)}."
        )
    parts = [_PARTS.get(str(value).strip().lower(), "") for value in frame[column]]
    if "" in parts:
        row = parts.index("")
        raise DataError(
            f"{path}: the column {column!r} is {shown(str(frame[column].iloc[row]))} in"
            f" {location_of(str(path), row)}: write train, val or test."
        )
    _require_parts(parts, f"{path}: the column {column!r}")
    return parts


def _require_parts(parts: Sequence[str], where: str) -> None:
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
        if str(name) not in options.labels and words <= set(_PARTS) and len(words) > 1:
            return [f"The column {str(name)!r} seems to name parts: data.split={name} uses them."]
    return []


def _unnamed(files: Sequence[Path], table: Path) -> list[str]:
    """Note the images beside those of a table that it does not name."""
    folder = Path(os.path.commonpath([os.path.normpath(file.parent.absolute()) for file in files]))
    if not folder.is_dir():
        return []
    named = set(map(os.path.realpath, files))
    others = [file for file in find_images(folder) if os.path.realpath(file) not in named]
    if not others:
        return []
    are = "is" if len(others) == 1 else "are"
    examples = listed([str(file.relative_to(folder)) for file in others], 3)
    return [
        f"Not used: {counted(len(others), 'image')} in {folder} {are} in no row of {table.name}:"
        f" {examples}."
    ]


def _of_folders(root: Path, options: Any) -> Listing:
    if options.soft_labels:
        raise DataError(
            f"{root}: folders name labels and hold no probabilities, so data.soft_labels=true needs a"
            " table in data.path with columns of numbers from 0 to 1, which data.labels names."
        )
    files = find_images(root)
    if not files:
        raise DataError(f"{root} holds no image ({', '.join(IMAGE_ENDINGS)}): name another folder.")
    folders = [file.relative_to(root).parts[:-1] for file in files]
    parts = _parts_of(folders, root)
    if parts is not None:
        folders = [levels[1:] for levels in folders]
    if () in folders:
        tables = sorted(
            path for path in root.iterdir() if path.suffix in (".csv", ".tsv", ".parquet")
        )
        table = tables[0] if len(tables) == 1 else "a table with its labels"
        raise DataError(
            f"{files[folders.index(())]} lies in no folder that names its labels: move it into one, or"
            f" name {table} in data.path, and the column with the labels in data.labels."
        )
    classes = set(folders)
    missing = [name for name in options.no_label if not any(name in levels for levels in classes)]
    if missing:
        raise DataError(f"{root}: there is no folder {missing[0]!r}, which data.no_label names.")
    if len(classes) == 1:
        raise DataError(
            f"All images of {root} lie in the folder {'/'.join(next(iter(classes)))}, so all have the"
            " same labels: name the folder above the labels in data.path."
        )
    separator = _SEPARATOR if options.separator is None else options.separator
    sign = None if separator == "none" else separator_named(separator)
    named = [[level for level in levels if level not in options.no_label] for levels in folders]
    sets = [[label for level in levels for label in split_cell(level, sign)] for levels in named]
    files, sets, parts, linked = _merged(files, sets, parts)
    encoder = MultiLabelBinarizer().fit(sets)
    if len(encoder.classes_) == 0:
        raise DataError(f"{root}: no folder names a label: name fewer in data.no_label.")
    note = (
        "A label is the name of a folder; data.separator splits names."
        if sign is None
        else f"Labels are the names of folders, split at {sign!r}; data.separator states another."
    )
    return Listing(
        files, encoder.transform(sets).astype(bool), tuple(map(str, encoder.classes_)), parts,
        "from the folders", (note, *linked),
    )  # fmt: skip


def _merged(
    files: list[Path], sets: list[list[str]], parts: list[str] | None
) -> tuple[list[Path], list[list[str]], list[str] | None, list[str]]:
    """Give a file that links put into several folders the labels of all of them; with a note on it.

    Raises:
        DataError: a file is in several parts.
    """
    first: dict[str, int] = {}
    labels: dict[int, list[str]] = {}
    for row, file in enumerate(files):
        index = first.setdefault(os.path.realpath(file), row)
        labels[index] = [*labels.get(index, ()), *sets[row]]
        if parts is not None and parts[row] != parts[index]:
            raise DataError(
                f"{files[index]} and {file} are links to one image in two parts: remove one of them."
            )
    n_linked = len(files) - len(labels)
    notes = [
        f"{n_linked:,} links lead to images that the folders hold already: such an image counts once and"
        " has the labels of all its folders."
    ]
    return (
        [files[row] for row in labels],
        [list(dict.fromkeys(names)) for names in labels.values()],
        None if parts is None else [parts[row] for row in labels],
        notes if n_linked else [],
    )


def _parts_of(folders: Sequence[tuple[str, ...]], root: Path) -> list[str] | None:
    """Return the part of each image if the first folders are named train, val and test."""
    parts = [_PARTS.get(levels[0].lower(), "") if levels else "" for levels in folders]
    if "" in parts or len(set(parts)) < 2:
        return None
    _require_parts(parts, str(root))
    return parts
