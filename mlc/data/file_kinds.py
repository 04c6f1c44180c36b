"""The kinds of files, by their endings and their first bytes, and how each kind is used."""

from __future__ import annotations

import re
from pathlib import Path

from mlc.config.errors import DataError

# The source of each ending.
ENDINGS = {
    ".csv": "table", ".tsv": "table", ".txt": "table", ".tab": "table", ".psv": "table",
    ".dat": "table", ".data": "table", ".parquet": "table", ".arff": "arff",
    # Labelled texts of fastText, as its tutorial names them.
    ".ft": "table", ".train": "table", ".valid": "table",
    ".npz": "arrays", ".npy": "arrays", ".safetensors": "arrays", ".svm": "libsvm",
    ".libsvm": "libsvm", ".svmlight": "libsvm",
}  # fmt: skip
_EXCEL = "an Excel workbook: save its sheet as CSV (UTF-8), which data=table reads"
_SHEET = "a spreadsheet: save its sheet as CSV (UTF-8), which data=table reads"
_FRAME = (
    "a table of another program: read it by pandas, and write it by to_parquet(NEW), which data=table"
    " reads"
)
_PICKLE = (
    "a pickle, which is never loaded: write its rows as CSV or Parquet, which data=table reads, or its"
    " arrays by numpy.savez, which data=arrays reads"
)
_JSON = (
    "a JSON file: write it as CSV, as pandas.read_json(FILE).to_csv(NEW, index=False) does, with"
    " lines=True for JSON lines; data=table reads that"
)
_OTHERS = {
    ".xlsx": _EXCEL, ".xlsm": _EXCEL, ".xls": _EXCEL, ".ods": _SHEET, ".numbers": _SHEET,
    ".feather": _FRAME, ".arrow": _FRAME, ".orc": _FRAME, ".sav": _FRAME, ".dta": _FRAME,
    ".json": _JSON, ".jsonl": _JSON, ".ndjson": _JSON, ".pkl": _PICKLE, ".pickle": _PICKLE,
}  # fmt: skip
_ZIP = b"PK\x03\x04"
# What only the archives of LibreOffice and of Numbers hold, not compressed.
_SHEETS = b"application/vnd.oasis.opendocument.spreadsheet", b"Index/Document.iwa"
_STARTS = {
    b"\xd0\xcf\x11\xe0": _EXCEL,
    b"\x80\x02": _PICKLE,
    b"\x80\x03": _PICKLE,
    b"\x80\x04": _PICKLE,
    b"\x80\x05": _PICKLE,
    b"\x1f\x8b": "packed by gzip: let its name end in .gz",
    b"BZh91AY&SY": "packed by bzip2: let its name end in .bz2",
    b"\xfd7zXZ": "packed by xz: let its name end in .xz",
}
_LONGEST_HEADER = 10**9  # Bytes of the header of a safetensors file, at most.


def refuse_other_kind(path: Path, content: bytes) -> None:
    """Raise DataError if the content of what is read as a text file is that of another kind."""
    kind = next((kind for start, kind in _STARTS.items() if content.startswith(start)), None)
    ending = None
    if content.startswith(b"\x93NUMPY"):
        ending = ".npy"
    elif content.startswith(b"PAR1"):
        ending = ".parquet"
    elif content[8:10] == b'{"' and int.from_bytes(content[:8], "little") < _LONGEST_HEADER:
        ending = ".safetensors"
    elif content.startswith(_ZIP) and b"[Content_Types].xml" in content and b"xl/" in content:
        kind = _EXCEL
    elif content.startswith(_ZIP) and any(part in content for part in _SHEETS):
        kind = _SHEET
    elif content.startswith(_ZIP):
        ending = ".npz" if b".npy" in content else None
        kind = "a zip archive: unpack it, and name the file in it"
    elif _is_json(content):
        kind = _JSON
    if ending is not None:
        named = "" if path.suffix.lower() == ending else f", where its name ends in {ending}"
        kind = f"a {ending} file: data={ENDINGS[ending]} reads it{named}"
    if kind is not None:
        raise DataError(f"{path} is {kind}.")


def _is_json(content: bytes) -> bool:
    """Whether the first line is an object of JSON, or begins a list of them."""
    first = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    return re.match(rb'\[?\s*\{\s*"(?:[^"\\]|\\.)*"\s*:', first) is not None


def not_read(path: Path, forms: str) -> DataError:
    """Build the error for a file that ends in none of the forms of a source, as in ".csv or .tsv"."""
    endings = [end.lower() for end in reversed(path.suffixes)]
    ending = next((end for end in endings if end in ENDINGS or end in _OTHERS), "")
    if ending in _OTHERS:
        return DataError(f"{path} is {_OTHERS[ending]}.")
    if ending in ENDINGS:
        return DataError(f"{path} is no {forms} file: data={ENDINGS[ending]} reads it.")
    return DataError(f"{path} is no {forms} file: name one.")


def is_of_other_kind(path: Path) -> bool:
    """Whether a name without the ending of ARFF is that of a file, or has an ending of another kind."""
    return path.suffix.lower() in ENDINGS | _OTHERS or path.is_file()


def how_to_use(name: str) -> str | None:
    """Say what a file of an ending that no source reads is, and what to do; None for other names."""
    kind = _OTHERS.get(Path(name).suffix.lower())
    return None if kind is None else f"{name} is {kind}."
