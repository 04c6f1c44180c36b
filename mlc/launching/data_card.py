"""The data set that mlc-data and mlc-compare are asked about, and its card."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from mlc.config.errors import ConfigError, DataError
from mlc.config.option_types import declared_types
from mlc.config.options import check
from mlc.config.quoting import quoted, setting
from mlc.config.schema import GROUPS, Config, config_folder, register_configs
from mlc.data.arff import find_files
from mlc.data.base import SOURCES
from mlc.data.card import Card, describe
from mlc.data.file_kinds import ENDINGS, how_to_use
from mlc.data.files import IMAGE_ENDINGS, located, unpacked_bytes
from mlc.data.splits import split_dataset
from mlc.data.table_file import read_frame
from mlc.data.vectors import with_coverage
from mlc.launching.composing import composed
from mlc.launching.overrides import fitted

# The bytes and rows of a table in which names of images are looked for.
_HEAD, _FIRST_ROWS = 65_536, 20
_KEY = re.compile(r"\+{0,2}(\w+)((?:\.\w+)*)=(.*)", re.DOTALL)


def overrides(arguments: argparse.Namespace) -> list[str]:
    """Convert the command line to Hydra overrides.

    Raises:
        ConfigError: there is neither such a file nor such a data set, or a word is no setting.
        DataError: the file is of a kind that no source reads.
    """
    name = arguments.data.removeprefix("data=")
    path = Path(name)
    ending = next((s.lower() for s in reversed(path.suffixes) if s.lower() in ENDINGS), None)
    image = arguments.image
    if image is None and ENDINGS.get(ending or "") == "table":
        image = _named_images(arguments, name)
    published = {file.stem for file in (config_folder() / "data").glob("*.yaml")}
    generated = {name for name in SOURCES if not hasattr(SOURCES[name].Options(), "path")}
    known = sorted(published | generated)
    with_path = any(each.lstrip("+").startswith("data.path=") for each in arguments.settings)
    if name in known or (name in SOURCES and with_path):
        chosen = [f"data={name}"]
    elif (kind := how_to_use(name)) is not None:
        raise DataError(kind)
    elif image is not None and ending is not None:
        chosen = ["data=images", f"data.path={quoted(name)}", f"data.file={quoted(image)}"]
    elif ending is not None:
        chosen = [f"data={ENDINGS[ending]}", f"data.path={quoted(name)}"]
    elif _is_arff(name):
        chosen = ["data=arff", f"data.path={quoted(name)}"]
    elif located(name, None).is_dir():
        chosen = ["data=images", f"data.path={quoted(name)}"]
    elif name in SOURCES:
        # Its source refuses it where no setting names its file.
        chosen = [f"data={name}"]
    else:
        others = ", ".join(sorted(set(SOURCES) - generated))
        raise ConfigError(
            f"There is no data set {name!r}: name a file that ends in {', '.join(ENDINGS)},"
            f" FOLDER/NAME of ARFF files, a folder of images, one of {', '.join(known)}; or, for a file"
            f" of another ending, one of {others} and data.path=FILE."
        )
    # argparse assigns settings that follow --labels to it.
    settings = [name for name in arguments.labels or () if _is_setting(name)]
    labels = [name for name in arguments.labels or () if name not in settings]
    for word in arguments.settings:
        if "=" not in word and not word.startswith("~"):
            raise ConfigError(
                f"{word!r} is no setting, as in data.separator=;: name one file or data set, label"
                " columns behind --labels, one column behind --text, and a source's file by"
                f" data.path={word}."
            )
    if labels:
        chosen.append(f"data.labels=[{','.join(map(quoted, labels))}]")
    if arguments.text is not None:
        chosen.append(f"data.text={quoted(arguments.text)}")
    return [*chosen, *(fitted(setting, False) for setting in [*settings, *arguments.settings])]


def _is_setting(word: str) -> bool:
    """Whether a word behind --labels is a setting of the config, as no name of a column would be.

    A key without a dot needs the name of a part, as in backbone=linear, because a column may be called
    seed=1.
    """
    found = _KEY.fullmatch(word)
    if found is None:
        return False
    first, others, value = found.groups()
    if others:
        return first in declared_types(Config)
    return first in GROUPS and value in GROUPS[first]


def _named_images(arguments: argparse.Namespace, name: str) -> str | None:
    """The column of a table that names existing images, if it is the only one; standard error says so.

    A text, or a setting that names or leaves out columns, says what the features are.
    """
    settings = [*(arguments.labels or ()), *arguments.settings]
    decided = ("data.text=", "data.ignore=", "data.file=", "data.name=", "data=")
    path = located(name, None)
    if arguments.text is not None or not path.is_file():
        return None
    if any(setting.lstrip("+").startswith(decided) for setting in settings):
        return None
    columns = _image_columns(path, arguments.labels or ())
    if len(columns) != 1:
        return None
    (column,) = columns
    print(
        f"The column {column!r} names images, which are taken as the features (--image {column});"
        f" {setting('data.ignore', [column])} takes the other columns instead.",
        file=sys.stderr,
    )
    return column


def _image_columns(path: Path, others: Collection[str] = ()) -> list[str]:
    """Return the columns of a table whose first rows name image files, each of which is there.

    Args:
        path: the table; its folder is that of the names.
        others: columns that hold something else.

    """
    head = unpacked_bytes(path)[:_HEAD].lower()
    if not any(ending.encode() in head for ending in IMAGE_ENDINGS):
        return []
    try:
        frame = read_frame(path).iloc[:_FIRST_ROWS]
    except DataError:
        # Labelled texts, or a table that its source refuses in its own words.
        return []
    return [
        str(name)
        for name in frame.columns
        if str(name) not in others and len(frame) and all(_is_image(v, path) for v in frame[name])
    ]


def _is_image(value: object, table: Path) -> bool:
    name = str(value).strip()
    return (
        name.lower().endswith(IMAGE_ENDINGS)
        and "\0" not in name
        and (table.parent / name).is_file()
    )


def read_card(chosen: list[str], seed: int, vectors: Path | None = None) -> tuple[Card, Any]:
    """Load the data set that the overrides choose; return its card and its targets (N, K).

    With a file of word vectors, a note of the card says how many words have one.

    Raises:
        MlcError: the data set cannot be read, or an override is invalid.
    """
    register_configs()
    config = composed(chosen)
    options = OmegaConf.to_object(config.data)
    check(options, "data.")
    dataset = SOURCES[config.data.name].load(options)
    if vectors is not None:
        dataset = with_coverage(dataset, vectors)
    split = split_dataset(dataset, options, seed)
    return describe(dataset, split, options, seed), dataset.targets


def _is_arff(name: str) -> bool:
    try:
        return bool(find_files(located(name, None)))
    except DataError:
        return False
