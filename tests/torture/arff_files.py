"""Malformed ARFF files in the usual form and in Weka's others, and entries of the cache."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from mlc.data import arff
from mlc.data.cache import cached
from tests.torture.inputs import Reader, mangled

ARFF = (
    b"@relation 'toy: -C 2'\n@attribute 'a b' {0,1}\n@attribute large {0,1}\n@attribute x numeric\n"
    b"@attribute kind {red,'dark blue'}\n@data\n1,0,1.5,red\n0,1,?,'dark blue'\n1,1,-2e3,red\n",
    b"@relation 'sparse: -C 1'\n@attribute y {0,1}\n@attribute w1 numeric\n@attribute w2 {0,1}\n"
    b"@data\n{0 1,1 3}\n{2 1}\n{}\n% done\n{1 0.5, 2 1}\n",
    b"% a comment\n@RELATION plain\n@ATTRIBUTE x REAL\n@ATTRIBUTE caf\xc3\xa9 {no,yes}\n\n@DATA\n"
    b"1,yes\n2,no\n",
)
XML = (
    b'<?xml version="1.0"?><labels xmlns="http://mulan.sourceforge.net/labels">'
    b'<label name="caf\xc3\xa9"/></labels>'
)

DIALECTS = (
    b"@relation 'toy: -C -2' % two\r\n@attribute x real [0, 9.5]\r\n"
    b'@attribute\tkind{a \'b c\' "d\\"e"}\r\n@attribute y1 {0,1} % last but one\r\n'
    b"@attribute y2{NO\tYES}\r\n@data\r\n1.5\ta 0\tYES\r\n? , 'b c' , 1 , NO % done\r\n"
    b'{1 "d\\"e", 2 1} {1}\r\n',
    b"@relation 'toy: -C 1'\r@attribute y {0 1}\r@attribute w INTEGER 0..9\r@attribute v numeric\r"
    b"@data\r{0 1 1 3}\r{1\t.5e1 , 2 2}\r{}\r",
)


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


def dialect_case(draw: random.Random, folder: Path) -> None:
    """An ARFF file in Weka's other ways to write one, mangled."""
    path = folder / "toy.arff"
    path.write_bytes(mangled(draw.choice(DIALECTS), draw))
    arrays = arff._parse({"all": path})
    assert np.isfinite(arrays["features"][~np.isnan(arrays["features"])]).all(), "finite or missing"
    assert arrays["targets"].dtype == bool, "labels of 0 and 1"


READERS = {
    "ARFF and XML": Reader(arff_case, 0.1),
    "ARFF, other dialects": Reader(dialect_case, 0.12),
    # A damaged entry is no reason to refuse the file.
    "cache entries": Reader(cache_case, 0.01),
}
