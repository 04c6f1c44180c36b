"""What no data set may be, wherever it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.config.errors import DataError
from mlc.data.base import SOURCES


def test_a_label_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n")
    options = SOURCES.options("table", path=str(tmp_path / "t.csv"), labels=["y", "y"])
    with pytest.raises(DataError, match="two labels 'y': name each label once"):
        SOURCES["table"].load(options)
