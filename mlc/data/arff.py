"""Data sets in the ARFF format of Mulan or MEKA."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import defusedxml.ElementTree
import numpy as np
from defusedxml.common import DefusedXmlException
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse, vstack

from mlc.config.errors import DataError
from mlc.config.texts import cause
from mlc.data import arff_file, arff_grammar, arff_rows, label_bits
from mlc.data.arff_file import FORMAT_VERSION, ArffFile, read_arff
from mlc.data.base import Dataset, DataSource, SplitOptions, register_source
from mlc.data.cache import Arrays, cached, source_version
from mlc.data.file_kinds import is_of_other_kind, not_read
from mlc.data.files import Read, as_given, located, read_bytes, unreadable
from mlc.data.missing_labels import CHOICES, SOFT_NOTE, SoftLabelOptions, unknown_handled
from mlc.data.precision import narrowed
from mlc.data.weighting import weighting_of

# The version of cache entries: a hash of the parser's code.
_MODULES = (arff_file, arff_grammar, arff_rows, label_bits)
_VERSION = f"{FORMAT_VERSION} {source_version(__file__, *(str(m.__file__) for m in _MODULES))}"
_PACKED = (".arff", ".arff.gz", ".arff.bz2")


@dataclass
class ArffOptions(SoftLabelOptions, SplitOptions):
    """Options of ARFF files.

    Attributes:
        path: folder and name without ending: FOLDER/NAME finds NAME.arff, or NAME-train.arff and
            NAME-test.arff (-train-sparse and -test-sparse too), or their .gz or .bz2, and NAME.xml.
        root: folder of a relative path; null is $MLC_DATA or the working folder.
        title: name of the data set in tables and paths; null is the last part of the path.
        obtain: how to get the files, for the message that they are missing.
    """

    path: str | None = None
    root: str | None = None
    title: str | None = None
    obtain: str | None = None


@register_source("arff")
class Arff(DataSource):
    """Mulan (NAME.arff beside NAME.xml, which lists the labels) or MEKA (`-C n` in @relation)."""

    Options = ArffOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set; -train and -test files are its published split."""
        if options.path is None:
            raise DataError(
                "data=arff needs data.path=FOLDER/NAME, the files without their ending."
            )
        base = _base(options)
        files = find_files(base, options.obtain)
        soft = options.soft_labels
        version = f"{_VERSION} soft" if soft else _VERSION
        arrays = cached(tuple(files.values()), version, lambda read: _parse(files, read, soft))
        features: Any = arrays["features"]
        if "indptr" in arrays:
            shape = (len(arrays["targets"]), len(arrays["feature_names"]))
            features = csr_matrix((features, arrays["indices"], arrays["indptr"]), shape=shape)
        n_train = int(arrays["n_train"])
        rows = np.arange(len(arrays["targets"]))
        known, notes = _known(arrays, files, options.missing_labels)
        return Dataset(
            name=options.title or base.name,
            features=features,
            targets=arrays["targets"],
            feature_names=tuple(map(str, arrays["feature_names"])),
            label_names=tuple(map(str, arrays["label_names"])),
            numeric=arrays["numeric"],
            known=known,
            soft=arrays.get("soft"),
            notes=(SOFT_NOTE, *notes) if soft else notes,
            weighting=weighting_of(features, options.weighting, str(base)),
            parts={"train": rows[:n_train], "test": rows[n_train:]} if n_train else {},
            parts_from=f"from {files['test'].name}" if n_train else "",
        )


def _known(
    arrays: Arrays, files: Mapping[str, Path], choice: str
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Return the mask of known labels, or None, and a note."""
    if "known" not in arrays:
        return None, ()
    n_train = int(arrays["n_train"])

    def refusal(row: int, column: int) -> str:
        in_test = 0 < n_train <= row
        path = files["test" if in_test else "train" if n_train else "all"]
        return (
            f"{path}: the label {str(arrays['label_names'][column])!r} is missing in data row"
            f" {row + 1 - n_train * in_test}: {CHOICES.format('data.')}."
        )

    return unknown_handled(choice, np.asarray(arrays["known"]), refusal)


def find_files(base: Path, obtain: str | None = None) -> dict[str, Path]:
    """Return the files of a data set by part: "all", or "train" and "test"; and "xml" if it exists.

    The case of file names is ignored, because archives differ in it.

    Raises:
        DataError: there is no file, or one of another kind, or only one of -train and -test.
    """
    try:
        by_name = {
            file.name.lower(): file for file in sorted(base.parent.iterdir()) if file.is_file()
        }
    except (FileNotFoundError, NotADirectoryError):
        by_name = {}
    except OSError as error:
        raise unreadable(base.parent, error) from error

    def first(stem: str) -> Path | None:
        names = [f"{base.name}{stem}{middle}{end}" for middle in ("", "-sparse") for end in _PACKED]
        return next((by_name[name.lower()] for name in names if name.lower() in by_name), None)

    candidates = {"train": first("-train"), "test": first("-test"), "all": first("")}
    if candidates["train"] and candidates["test"]:
        files = {"train": candidates["train"], "test": candidates["test"]}
    elif candidates["all"]:
        files = {"all": candidates["all"]}
    elif candidates["train"] or candidates["test"]:
        present, missing = ("train", "test") if candidates["train"] else ("test", "train")
        raise DataError(
            f"{candidates[present]} is there and {base.name}-{missing}.arff is not: add it, or name"
            f" the one file {base.name}.arff."
        )
    elif is_of_other_kind(base):
        raise not_read(base, ".arff")
    else:
        raise DataError(
            f"There is no {base}.arff, nor {base.name}-train.arff and {base.name}-test.arff"
            f" (plain, .gz or .bz2){as_given(base)}:"
            f" {obtain or 'correct data.path, or data.root where it starts'}."
        )
    xml = by_name.get(f"{base.name}.xml".lower())
    return {**files, "xml": xml} if xml else files


def _base(options: Any) -> Path:
    path = Path(options.path).expanduser()
    if path.name.endswith(_PACKED):
        path = path.with_name(path.name[: path.name.lower().rindex(".arff")])
    return located(str(path), options.root)


def _parse(files: dict[str, Path], read: Read = read_bytes, soft: bool = False) -> Arrays:
    parsed = {part: read_arff(path, read) for part, path in files.items() if part != "xml"}
    first = next(iter(parsed.values()))
    for other in parsed.values():
        _check_same_attributes(first, other)
    label_names = _xml_labels(files["xml"], read) if "xml" in files else first.meka_labels()
    if label_names is None:
        raise DataError(
            f"{first.path} does not say which attributes are labels: put a .xml with their names"
            " beside it (Mulan), or end its @relation in '-C n' (MEKA)."
        )
    label_names = tuple(map(first.named, label_names))
    repeated = [name for index, name in enumerate(label_names) if name in label_names[:index]]
    if repeated:
        raise DataError(
            f"{files['xml']} names the label {repeated[0]!r} twice: remove one of them."
        )
    blocks = [file.features(label_names) for file in parsed.values()]
    matrices = [matrix for matrix, _, _ in blocks]
    _, feature_names, numeric = blocks[0]
    labels = [file.targets(label_names, soft) for file in parsed.values()]
    targets, probabilities, known = zip(*labels, strict=True)
    all_known = np.concatenate(known)
    arrays = {
        **({} if all_known.all() else {"known": all_known}),
        **({"soft": np.concatenate(probabilities)} if soft else {}),
        "targets": np.concatenate(targets),
        "feature_names": np.array(feature_names),
        "label_names": np.array(label_names),
        "numeric": numeric,
        "n_train": np.array(matrices[0].shape[0] if "train" in files else 0),
    }
    if issparse(matrices[0]):
        joined = vstack(matrices, format="csr")
        return {
            **arrays,
            "features": joined.data,
            "indices": joined.indices,
            "indptr": joined.indptr,
        }
    return {**arrays, "features": narrowed(np.concatenate(matrices))}


def _check_same_attributes(first: ArffFile, other: ArffFile) -> None:
    same_form = issparse(first.columns) == issparse(other.columns)
    if first.attributes == other.attributes and same_form:
        return
    if not same_form:
        raise DataError(
            f"{first.path} and {other.path} must both be sparse or both be dense: convert one."
        )
    pairs = zip(first.attributes, other.attributes, strict=False)
    differing = next((a.name for a, b in pairs if a != b), "the number of attributes")
    raise DataError(
        f"{first.path} and {other.path} must have the same attributes and differ in"
        f" {differing!r}: they are not parts of one data set."
    )


def _xml_labels(path: Path, read: Read) -> tuple[str, ...]:
    try:
        tree = defusedxml.ElementTree.parse(io.BytesIO(read(path)))
    except (ParseError, DefusedXmlException) as error:
        raise DataError(
            f"{path} is not valid XML ({cause(error)}): fetch it again, or delete it if the .arff is in"
            " MEKA's form."
        ) from error
    names = tuple(
        element.attrib["name"]
        for element in tree.iter()
        if element.tag.rpartition("}")[2] == "label" and "name" in element.attrib
    )
    if not names:
        raise DataError(f"{path} has no label: it must hold <label name=...> elements.")
    return names
