"""What no data set may be, wherever it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.config.errors import DataError
from mlc.data.base import SOURCES, Dataset


def test_a_label_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n")
    options = SOURCES.options("table", path=str(tmp_path / "t.csv"), labels=["y", "y"])
    with pytest.raises(DataError, match="two labels 'y': name each label once"):
        SOURCES["table"].load(options)


def test_a_sample_is_flat_unless_its_shape_is_stated() -> None:
    features, targets = np.zeros((2, 6), dtype=np.float32), np.ones((2, 1), dtype=bool)
    rest: Any = (features, targets, tuple("abcdef"), ("y",), np.ones(6, dtype=bool))
    assert Dataset("flat", *rest).sample_shape == (6,)
    images = Dataset("images", *rest, sample_shape=(1, 2, 3))
    assert images.sample_shape == (1, 2, 3)
    assert images.with_columns(np.array([0, 4])).sample_shape == (2,)
    with pytest.raises(DataError, match=r"6 features, which do not form samples of shape \(2, 2\)"):
        Dataset("wrong", *rest, sample_shape=(2, 2))
