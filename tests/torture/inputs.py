"""Malformed files and configs by the thousand: each is read rightly or refused in a sentence."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import random
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from scipy.sparse import issparse

from mlc.backbones.base import BACKBONES
from mlc.config.errors import MlcError
from mlc.config.schema import Config
from mlc.data import arff, table
from mlc.data.base import SOURCES, Dataset
from mlc.data.cache import cached
from mlc.heads.base import HEADS
from mlc.runs.loading import config_of
from mlc.runs.provenance import flatten
from mlc.training.stacked import OPTIMIZERS

# A disk takes ten times as long to make and remove small files.
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
LONGEST = 10.0  # Seconds, of a file of a kilobyte.
_SPECIAL = (
    b"'", b'"', b"\\", b",", b"{", b"}", b"%", b"@", b"@data", b"@attribute", b"@relation", b"\n",
    b"\r\n", b"\r", b"\t", b" ", b"?", b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1", b";",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "é".encode(), "\u2028".encode(), b"numeric", b"{0,1}",
    b"-C 99", b"-C -1", b"999999999999", b"=", b"<", b"&amp;", b"string", b"date",
)  # fmt: skip

ARFF = (
    b"@relation 'toy: -C 2'\n@attribute 'a b' {0,1}\n@attribute large {0,1}\n@attribute x numeric\n"
    b"@attribute kind {red,'dark blue'}\n@data\n1,0,1.5,red\n0,1,?,'dark blue'\n1,1,-2e3,red\n",
    b"@relation 'sparse: -C 1'\n@attribute y {0,1}\n@attribute w1 numeric\n@attribute w2 {0,1}\n"
    b"@data\n{0 1,1 3}\n{2 1}\n{}\n% done\n{1 0.5, 2 1}\n",
    b"% a comment\n@RELATION plain\n@ATTRIBUTE x REAL\n@ATTRIBUTE caf\xc3\xa9 {no,yes}\n\n@DATA\n"
    b"1,yes\n2,no\n",
)
OVERRIDES = (
    b"head=sigmoid,powerset", b"optimizer.lr=0.1", b"rules=[fixed,global]", b"seed=range(5)",
    b"+data.name='a b'", b"~report", b"data.path=${oc.env:HOME}/x",
)  # fmt: skip
XML = (
    b'<?xml version="1.0"?><labels xmlns="http://mulan.sourceforge.net/labels">'
    b'<label name="caf\xc3\xa9"/></labels>'
)
CSV = (
    b'size,colour,round,red\n1.5,blue,1,0\n2,"dark, red",0,1\n,red,1,1\n',
    b"body,tags\r\nsalt oven,cooking\r\ngoal,sport;league\r\nmoon,\r\n",
    b"x,y\n1,0\n2,1\n",
    b'a;b;tags\n1,5;x;["wet", \'cold\']\n2.234,5;y;["warm"]\n;z;[]\n',
    b"__label__wet __label__cold rain on hill\n__label__warm sun\nfog\n",
    b"1\twet cold\train on hill\n2\twarm\tsun on hill\n3\t\tfog on road\n",
    "a|tags\n1|na\u00df, k\u00fchl\n2|k\u00fchl\n3|na\u00df\n".encode("cp1252"),
    "a,tags\n1,[1 0 1]\n2,[0 1 0]\n".encode("utf-16-le"),
)
CSV_LABELS = (["round", "red"], ["tags"], ["y"], ["tags"], [], [], ["tags"], ["tags"])


Case = Callable[[random.Random, Path], Any]


@dataclass
class Fuzzed:
    """How many inputs were tried, and what came of them.

    Attributes:
        read: inputs that gave data.
        refused: inputs that an error of ours refused.
        faults: what neither was: an input, and what happened.
    """

    read: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def fuzz(n: int, seed: int, case: Case) -> Fuzzed:
    """`case` n times; it returns what it read, or raises."""
    found = Fuzzed()
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY) as folder:
        for number in range(n):
            draw = random.Random(f"{seed}/{number}")
            try:
                with _at_most(LONGEST):
                    case(draw, Path(folder))
                found.read += 1
            except MlcError as error:
                found.refused += 1
                if "\n" in str(error) or not str(error):
                    found.faults.append(f"input {number}: no sentence: {error!r}")
            except Exception:
                found.faults.append(f"input {number}: {traceback.format_exc(limit=-3)}")
    return found


def mangled(content: bytes, draw: random.Random) -> bytes:
    """Bytes changed, removed, doubled, moved, or special ones put in, a few times."""
    for _ in range(draw.randint(1, 3)):
        if not content:
            return draw.choice(_SPECIAL)
        at, width = draw.randrange(len(content)), draw.randint(1, 12)
        kind = draw.choices(range(6), (5, 5, 5, 5, 1, 5))[0]
        piece = content[at : at + width]
        if kind == 0:
            content = content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]
        elif kind == 1:
            content = content[:at] + content[at + width :]
        elif kind == 2:
            content = content[:at] + piece * draw.randint(2, 4) + content[at:]
        elif kind == 3:
            content = content[:at] + draw.choice(_SPECIAL) + content[at:]
        elif kind == 4:
            content = content[:at]
        else:
            to = draw.randrange(len(content))
            content = content[:to] + piece + content[to:]
    return content


def arff_case(draw: random.Random, folder: Path) -> None:
    """An ARFF file, perhaps with its XML, one of them mangled."""
    kind = draw.randrange(len(ARFF))
    path, xml = folder / "toy.arff", folder / "toy.xml"
    break_xml = kind == 2 and draw.random() < 0.3
    path.write_bytes(ARFF[kind] if break_xml else mangled(ARFF[kind], draw))
    xml.unlink(missing_ok=True)
    if kind == 2:
        xml.write_bytes(mangled(XML, draw) if break_xml else XML)
    files = arff.find_files(folder / "toy")
    parsed = arff.read_arff(path)
    n_rows, n_columns = parsed.columns.shape
    assert n_columns == len(parsed.attributes), "as many columns as attributes"
    arrays = arff._parse(files)
    assert len(arrays["targets"]) == n_rows, "as many label sets as rows"
    assert arrays["targets"].shape[1] == len(arrays["label_names"]), "a column for each label"
    features = arrays["features"]
    assert np.isfinite(features[~np.isnan(features)]).all(), "finite or missing"
    if "indptr" in arrays:
        assert len(arrays["indptr"]) == n_rows + 1, "a start for each sparse row"
        inside = arrays["indices"] < len(arrays["feature_names"])
        assert inside.all(), "columns that have names"
    else:
        assert features.shape == (n_rows, len(arrays["feature_names"])), "a name for each column"


def cache_case(draw: random.Random, folder: Path) -> None:
    """A cache entry that is mangled, or another's, or no file; or a file replaced while it is read."""
    path, mine = folder / "cached.arff", folder / "mine"
    kind = draw.randrange(2)
    content, other = ARFF[kind], ARFF[kind].replace(b"1.5", b"2.5").replace(b"{2 1}", b"{1 9}")
    path.write_bytes(content)
    mine.write_bytes(b"the user's")
    cache = folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    with patch.dict(os.environ, XDG_CACHE_HOME=str(cache)):
        if draw.random() < 0.2:
            before = _replaced_while_read(path, other)
        else:
            before = _cached(path)
            (entry,) = (cache / "mlc").iterdir()
            _spoil(entry, mine, other, draw)
        after = _cached(path)
    assert mine.read_bytes() == b"the user's", "nothing is written through a link"
    assert path.read_bytes() == content
    expected = arff._parse({"all": path})
    for found in (before, after):
        assert found.keys() == expected.keys(), "the arrays of the file"
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array, name)


def _cached(path: Path) -> dict[str, np.ndarray]:
    return cached([path], "torture", lambda read: arff._parse({"all": path}, read))


def _replaced_while_read(path: Path, other: bytes) -> dict[str, np.ndarray]:
    """Cache what another file in its place holds; the arrays are those of the file again."""
    content = path.read_bytes()

    def parse(read: Any) -> dict[str, np.ndarray]:
        path.write_bytes(other)
        parsed = arff._parse({"all": path}, read)
        path.write_bytes(content)
        return parsed

    cached([path], "torture", parse)
    return _cached(path)


def _spoil(entry: Path, mine: Path, other: bytes, draw: random.Random) -> None:
    kind, whole = draw.randrange(6), entry.read_bytes()
    if kind < 3:
        entry.write_bytes(mangled(whole, draw))
    elif kind == 3:
        beside = entry.with_name("beside.arff")
        beside.write_bytes(other)
        _cached(beside)
        (made,) = set(entry.parent.glob("*")) - {entry, beside}
        made.replace(entry)
    else:
        entry.unlink()
        if kind == 4:
            entry.mkdir()
        else:
            entry.symlink_to(mine)


def csv_case(draw: random.Random, folder: Path) -> None:
    """A CSV file, mangled, of numbers or of texts."""
    kind = draw.randrange(len(CSV))
    path = folder / "toy.csv"
    path.write_bytes(mangled(CSV[kind], draw))
    text = "body" if kind == 1 and draw.random() < 0.7 else None
    options = SOURCES.options(
        "table", path=str(path), labels=CSV_LABELS[kind], text=text, min_count=1
    )
    _check(table.Table.load(options))


def config_case(draw: random.Random, folder: Path) -> None:
    """A stored config with values, keys or whole parts replaced."""
    stored = copy.deepcopy(_stored())
    flat = list(flatten(stored))
    for _ in range(draw.randint(1, 3)):
        *path, last = draw.choice(flat).split(".")
        part: Any = stored
        for key in path:
            part = part[key] if isinstance(part, dict) and key in part else {}
        value = draw.choice(
            [None, -1, 0, 1e308, float("nan"), "", "os.system", [], [None], {}, {"_target_": "os.abort"},
             True, "${oc.env:HOME}", 2**70, [[1]], "x" * 5000]
        )  # fmt: skip
        kind = draw.randrange(4)
        if not isinstance(part, dict):
            continue
        if kind == 0:
            part[last] = value
        elif kind == 1:
            part.pop(last, None)
        elif kind == 2:
            part["_target_"] = "os.abort"
        elif path:
            stored[path[0]] = value
    config_of(json.loads(json.dumps(stored)))


def override_case(draw: random.Random, folder: Path) -> None:
    """A command line's override, mangled."""
    valid = draw.choice(
        [b"head=sigmoid,powerset", b"optimizer.lr=0.1", b"rules=[fixed,global]", b"seed=range(5)"]
    )
    text = mangled(valid, draw).decode("utf-8", "replace")
    try:
        override = OverridesParser.create().parse_override(text)
        if override.is_sweep_override() and override.is_choice_sweep():
            list(override.sweep_iterator())
    except HydraException as error:
        raise MlcError(" ".join(str(error).split())) from error


def _check(dataset: Dataset) -> None:
    n_samples, n_features = dataset.features.shape
    assert dataset.targets.shape == (n_samples, len(dataset.label_names)), "a label for each column"
    assert dataset.targets.dtype == bool, "labels of 0 and 1"
    assert len(dataset.feature_names) == len(dataset.numeric) == n_features, (
        "a name for each column"
    )
    values = dataset.features.data if issparse(dataset.features) else dataset.features
    assert np.isfinite(values[~np.isnan(values)]).all(), "finite or missing"


def _stored() -> dict[str, Any]:
    config = Config(
        data=SOURCES.options("digits"),
        backbone=BACKBONES.options("mlp"),
        head=HEADS.options("focal"),
        optimizer=OPTIMIZERS.options("adamw"),
    )
    return json.loads(json.dumps(dataclasses.asdict(config)))


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# A damaged cache entry is no reason to refuse the file.
NEVER_REFUSED = ("cache entries",)
# By what is read: a case, and its share of the inputs.
READERS: dict[str, tuple[Case, float]] = {
    "ARFF and XML": (arff_case, 0.5),
    "CSV": (csv_case, 0.35),
    "cache entries": (cache_case, 0.02),
    "overrides": (override_case, 0.1),
    "stored configs": (config_case, 0.05),
}
