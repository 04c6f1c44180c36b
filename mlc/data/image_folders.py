"""Which images there are and their labels, by folders that name labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlc.config.errors import DataError
from mlc.config.texts import counted, listed, readable
from mlc.data.files import IMAGE_ENDINGS
from mlc.data.image_files import find_images
from mlc.data.image_listing import PARTS, Listing, require_parts
from mlc.data.label_separators import separator_named, split_cell

_SEPARATOR = "_"


def of_folders(root: Path, options: Any) -> Listing:
    """Return the images and labels of a folder whose folders name the labels.

    Raises:
        DataError: there is no image, its folders name no labels, or only some of them name parts.
    """
    if options.soft_labels:
        raise DataError(
            f"{root}: folders name labels and hold no probabilities, so data.soft_labels=true needs a"
            " table in data.path with columns of numbers from 0 to 1, which data.labels names."
        )
    files, others = find_images(root)
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
    # scikit-learn takes a second to import, and mlc-predict does not need it.
    from sklearn.preprocessing import MultiLabelBinarizer

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
        "from the folders", (note, *linked, *_of_other_kinds(others, root)),
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


def _of_other_kinds(others: Sequence[Path], root: Path) -> list[str]:
    """Note the files in folders of labels that do not end as images do."""
    names = [file.relative_to(root) for file in others if file.parent != root]
    return [] if (note := note_on_others(names)) is None else [note]


def note_on_others(names: Sequence[Path]) -> str | None:
    """Return a note on files in a folder of images that do not end as images do; None without any."""
    if not names:
        return None
    endings = listed(sorted({name.suffix.lower() or "no ending" for name in names}), 5)
    return (
        f"Not used: {counted(len(names), 'file')} that {'ends' if len(names) == 1 else 'end'} otherwise"
        f" than images do ({endings}), such as {readable(str(names[0]))}."
    )


def _parts_of(folders: Sequence[tuple[str, ...]], root: Path) -> list[str] | None:
    """Return the part of each image if the first folders are named train, val and test.

    Raises:
        DataError: only some of them are parts, or all are one part, which would become labels.
    """
    parts = [PARTS.get(levels[0].lower(), "") if levels else "" for levels in folders]
    firsts = list(dict.fromkeys(levels[0] for levels in folders if levels))
    kinds = set(parts) - {""}
    if len(firsts) == 1 and kinds and "" not in parts:
        raise DataError(
            f"All images of {root} lie in the folder {firsts[0]}, which is the name of a part: name"
            f" {root / firsts[0]} in data.path."
        )
    others = [first for first in firsts if first.lower() not in PARTS]
    if len(kinds) > 1 and others:
        named = listed([first for first in firsts if first not in others], 5)
        raise DataError(
            f"{root}: the folders {named} are parts, and {others[0]} is none, so all of them would be"
            f" labels: move {others[0]} out of {root.name}, or name it train, val or test."
        )
    if "" in parts or len(kinds) < 2:
        return None
    require_parts(parts, str(root))
    return parts
