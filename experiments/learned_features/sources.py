"""GoEmotions, Reuters-21578 and UC Merced with their published splits, read from $MLC_DATA.

Importing this module registers the sources `goemotions`, `reuters` and `ucmerced`:
python -m mlc.train --import experiments.learned_features.sources data=goemotions
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.data.base import DataOptions, Dataset, DataSource, register_source
from mlc.data.cache import cache_folder
from mlc.data.coloured import ColouredDigits, ColouredDigitsOptions
from mlc.data.files import located
from mlc.data.text import TextOptions, count_words

WORDS, FROZEN, TEXTS = "words", "frozen", "texts"
DRAWN = "drawn"


@dataclass(frozen=True)
class Rows:
    """The rows of a data set.

    Attributes:
        inputs: N texts, or N paths of images.
        targets: (N, K), bool.
        labels: K names.
        parts: row indices of "train" and "test", perhaps "val".
    """

    inputs: list[str]
    targets: NDArray[np.bool_]
    labels: tuple[str, ...]
    parts: dict[str, NDArray[np.int64]]

    def with_validation_drawn(self) -> Rows:
        """Return the rows with the published validation part among the training rows."""
        parts = dict(self.parts)
        if "val" in parts:
            parts["train"] = np.union1d(parts["train"], parts.pop("val"))
        return replace(self, parts=parts)

    def without_features(self) -> Dataset:
        """Return a data set of the labels and parts alone."""
        return Dataset(
            name="labels",
            features=np.zeros((len(self.targets), 1), dtype=np.float32),
            targets=self.targets,
            feature_names=("none",),
            label_names=self.labels,
            numeric=np.ones(1, dtype=bool),
            parts=self.parts,
            parts_from="published",
        )


def goemotions(folder: Path) -> Rows:
    """Read the comments of Demszky et al. 2020 in the form of monologg/GoEmotions-pytorch."""
    labels = tuple((folder / "emotions.txt").read_text(encoding="utf-8").split())
    texts, label_sets, sizes = [], [], []
    for part in ("train", "dev", "test"):
        lines = (folder / f"{part}.tsv").read_text(encoding="utf-8").split("\n")
        cells = [line.rstrip("\r").split("\t") for line in lines if line]
        texts += [text for text, _, _ in cells]
        label_sets += [[int(number) for number in numbers.split(",")] for _, numbers, _ in cells]
        sizes.append(len(cells))
    return _rows(texts, label_sets, labels, dict(zip(("train", "val", "test"), sizes, strict=True)))


def reuters(folder: Path) -> Rows:
    """Read the newswire of the ModApte split with the 90 topics that both parts have."""
    labels = tuple((folder / "labels.txt").read_text(encoding="utf-8").split())
    index = {label: number for number, label in enumerate(labels)}
    texts, label_sets, sizes = [], [], {}
    for part in ("train", "test"):
        lines = (folder / f"modapte90_{part}.jsonl").read_text(encoding="utf-8").split("\n")
        documents = [json.loads(line) for line in lines if line.strip()]
        texts += [f"{document['title']}\n{document['text']}" for document in documents]
        label_sets += [[index[label] for label in document["labels"]] for document in documents]
        sizes[part] = len(documents)
    return _rows(texts, label_sets, labels, sizes)


def ucmerced(folder: Path) -> Rows:
    """Read the aerial images of Yang and Newsam 2010, labels of Chaudhuri et al. 2018.

    The class of the scene, by which the images were collected, is not read.
    """
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    labels = tuple(name for name in lines[0] if name not in ("file", "split", "scene_class"))
    targets = np.array([[line[label] == "1" for label in labels] for line in lines])
    split = np.array([line["split"] for line in lines])
    parts = {part: np.flatnonzero(split == part) for part in ("train", "val", "test")}
    return Rows([str(folder / line["file"]) for line in lines], targets, labels, parts)


def _rows(
    texts: list[str],
    label_sets: Sequence[Sequence[int]],
    labels: tuple[str, ...],
    sizes: dict[str, int],
) -> Rows:
    targets = np.zeros((len(texts), len(labels)), dtype=bool)
    for row, label_set in enumerate(label_sets):
        targets[row, label_set] = True
    ends = np.cumsum(list(sizes.values()))
    rows = np.split(np.arange(len(texts)), ends[:-1])
    return Rows(texts, targets, labels, dict(zip(sizes, rows, strict=True)))


# The reader of each data set, and a file in the folder that it reads.
READERS: dict[str, tuple[Callable[[Path], Rows], str]] = {
    "goemotions": (goemotions, "goemotions/emotions.txt"),
    "reuters": (reuters, "reuters21578/labels.txt"),
    "ucmerced": (ucmerced, "ucmerced/labels.csv"),
}
TITLES = {"goemotions": "GoEmotions", "reuters": "Reuters", "ucmerced": "UC Merced"}
# The frozen network that computes the features of a data set.
NETWORKS = {"goemotions": "minilm", "reuters": "minilm", "ucmerced": "efficientnet_lite0_256_views"}


def read(name: str, root: str | None = None) -> Rows:
    """Read the rows of a data set under `root`, which is $MLC_DATA by default.

    Raises:
        DataError: a file is missing.
    """
    reader, file = READERS[name]
    try:
        return reader(located(file, root).parent)
    except FileNotFoundError as error:
        raise DataError(
            f"{error.filename} is missing: put {TITLES[name]} there, or set $MLC_DATA to the folder"
            " that holds it."
        ) from error


def features_file(name: str) -> Path:
    """Return the file of a data set's frozen features, in $MLC_FEATURES or the cache folder."""
    given = os.environ.get("MLC_FEATURES")
    base = Path(given) if given else (cache_folder() or Path("cache")) / "learned_features"
    return base / f"{name}_{NETWORKS[name]}.npy"


@dataclass
class LearnedOptions(TextOptions, DataOptions):
    """Options of the data sets.

    Attributes:
        features: "words" are counts of words, weighted by TF-IDF; "frozen" are those of a pretrained
            network, computed by `python -m experiments.learned_features.features`; "texts" are the texts
            themselves, for backbone=pretrained.
        validation: "published" keeps a published validation part; "drawn" joins it to the training rows,
            of which `val_fraction` is drawn by the seed of a run.
        root: the folder that holds the data; null is $MLC_DATA or the working folder.
    """

    features: str = option(FROZEN, choices=(WORDS, FROZEN, TEXTS))
    validation: str = option("published", choices=("published", DRAWN))
    root: str | None = None


class LearnedSource(DataSource):
    """A data set with its published split, as words or as frozen features."""

    Options = LearnedOptions
    reads: str

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set.

        Raises:
            DataError: a file is missing, or the features belong to other rows.
        """
        key = f"{cls.reads} {options}"
        if key not in _LOADED:
            _LOADED[key] = _load(cls.reads, options)
        return _LOADED[key]


# One process trains many cohorts on one data set, and its forks inherit what it has loaded.
_LOADED: dict[str, Dataset] = {}


def _load(name: str, options: Any) -> Dataset:
    rows = read(name, options.root)
    if options.validation == DRAWN:
        rows = rows.with_validation_drawn()
    common: dict[str, Any] = {
        "name": TITLES[name], "targets": rows.targets, "label_names": rows.labels,
        "parts": rows.parts, "parts_from": "published",
    }  # fmt: skip
    if options.features == WORDS:
        trained_on = [rows.inputs[row] for row in rows.parts["train"]]
        _, words = count_words(trained_on, options, name)
        counts, words = count_words(rows.inputs, options, name, words)
        return Dataset(
            features=counts,
            feature_names=tuple(words),
            numeric=np.ones(len(words), dtype=bool),
            vocabulary=options.vocabulary(len(words)),
            weighting="tfidf",
            **common,
        )
    if options.features == TEXTS:
        return replace(rows.without_features(), name=TITLES[name], texts=tuple(rows.inputs))
    features = _frozen(name, len(rows.inputs))
    return Dataset(
        features=features,
        feature_names=tuple(f"{NETWORKS[name]}_{k}" for k in range(features.shape[1])),
        numeric=np.ones(features.shape[1], dtype=bool),
        **common,
    )


def _frozen(name: str, n_rows: int) -> NDArray[np.float32]:
    path = features_file(name)
    if not path.is_file():
        raise DataError(
            f"{path} is missing: run python -m experiments.learned_features.features {name}."
        )
    features = np.load(path, allow_pickle=False)
    if len(features) != n_rows:
        raise DataError(
            f"{path} has {len(features)} rows, and the data set {n_rows}: delete the file and run"
            f" python -m experiments.learned_features.features {name}."
        )
    return np.asarray(features, dtype=np.float32)


for _name in READERS:
    _kind = type(_name, (LearnedSource,), {"reads": _name, "__doc__": LearnedSource.__doc__})
    register_source(_name)(_kind)


@dataclass
class PartOptions(ColouredDigitsOptions):
    """Options of the coloured digits, and which labels are kept."""

    part: str = option("digits", choices=("digits", "colours", "free"))


@register_source("coloured_digits_part")
class ColouredDigitsPart(DataSource):
    """The coloured digits with some of their labels, for a network of their own."""

    Options = PartOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Compose the images (3, 8, 8) as `coloured_digits` does, and keep the labels of the part."""
        whole = ColouredDigits.load(options)
        labels = _LABELS[options.part]
        return replace(
            whole, targets=whole.targets[:, labels], label_names=whole.label_names[labels]
        )


_LABELS = {"digits": slice(0, 10), "colours": slice(10, 13), "free": slice(13, 15)}
