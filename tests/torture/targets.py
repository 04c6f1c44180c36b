"""Label sets and settings as the estimator's users write them, with an odd value among them or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.sparse import csc_matrix, csr_matrix, issparse

from mlc.config.classifier import configs_of
from mlc.config.errors import DataError
from mlc.data.missing_labels import MISSING_LABELS
from mlc.data.targets import encode
from mlc.estimator import MultiLabelClassifier
from tests.torture.inputs import Reader, check_gaps

LABELS = ("wet", "cold", "naß", "New York")
Sets = list[list[str]]
# By form, y of zeros and ones (N, K).
BINARY: dict[str, Callable[[Any], Any]] = {
    "array": lambda y: y,
    "bool": lambda y: y.astype(bool),
    "float": lambda y: y.astype(np.float32),
    "objects": lambda y: y.astype(object),
    "lists": lambda y: y.tolist(),
    "tuples": lambda y: [tuple(row) for row in y.tolist()],
    "frame": lambda y: pd.DataFrame(y, columns=list(LABELS)),
    "nullable": lambda y: pd.DataFrame(y, columns=list(LABELS)).astype("Int64"),
    "nullable bool": lambda y: pd.DataFrame(y.astype(bool)).astype("boolean"),
    "frame of objects": lambda y: pd.DataFrame(y.astype(object)),
    "CSR": csr_matrix,
    "CSC": csc_matrix,
    "tensor": torch.tensor,
    "half tensor": lambda y: torch.tensor(y, dtype=torch.bfloat16),
    "series of arrays": lambda y: pd.Series(list(y)),
}
# By form, y of label sets.
SETS: dict[str, Callable[[Sets], Any]] = {
    "lists": list,
    "tuples": lambda sets: [tuple(own) for own in sets],
    "sets": lambda sets: [set(own) for own in sets],
    "series of lists": pd.Series,
    "series of tuples": lambda sets: pd.Series([tuple(own) for own in sets]),
    "series of arrays": lambda sets: pd.Series([np.array(own, dtype=object) for own in sets]),
    "arrays of text": lambda sets: [np.array(own, dtype=np.str_) for own in sets],
    "frame": lambda sets: pd.DataFrame({"tags": sets}),
}
# Texts for no value among zeros and ones.
GAPS = ("", "?", "nan")
ODD = (
    None, float("nan"), pd.NA, pd.NaT, np.nan, "x", *GAPS, 2, -1, 0.5, [1], [], {}, {1}, (1, 0),
    object(), 10**400, 10**5000, float("inf"), np.datetime64("2020-01-01"), b"x", 1j, Decimal("0.5"),
    "1", "\x1b[31m", "x" * 5000, np.array([1, 0]), np.array(3), int, "\ud800", "wet",
)  # fmt: skip
# Settings and what they mean; and values that cannot be meant.
MEANT: dict[str, tuple[tuple[Any, Any], ...]] = {
    "n_seeds": ((np.int64(2), 2), (2.0, 2), (np.array(2), 2)),
    "max_epochs": ((np.int32(3), 3), (3.0, 3), (np.float64(3), 3)),
    "batch_size": ((np.uint8(64), 64), (64.0, 64)),
    "lr": ((np.float32(0.5), 0.5), (1, 1.0), (np.int64(1), 1.0)),
    "dropout": ((np.float64(0.25), 0.25), (0, 0.0)),
    "widths": ((np.array([8, 4]), [8, 4]), ((8, np.int64(4)), [8, 4]), (8, [8]), ([8.0], [8])),
    "patience": ((None, None), (np.int64(2), 2)),
    "device": ((torch.device("cpu"), "cpu"), ("cpu", "cpu")),
}


def targets_case(draw: random.Random, folder: Path) -> None:
    """y in any form, perhaps with an odd value: read as written, or a ValueError says what is odd."""
    n = draw.randint(2, 6)
    y = np.array([[int(draw.random() < 0.5) for _ in LABELS] for _ in range(n)])
    y[0], y[1] = 1, [1, 0, 0, 0]
    sets = [[LABELS[place] for place in np.flatnonzero(row)] for row in y]
    odd = draw.randrange(n) if draw.random() < 0.7 else -1
    is_binary = draw.random() < 0.5
    form = draw.choice(list(BINARY if is_binary else SETS))
    written = BINARY[form](y) if is_binary else SETS[form](sets)
    written = written if odd < 0 else _spoilt(written, odd, draw)
    missing = draw.choice(MISSING_LABELS)
    try:
        found = encode(written, missing)
    except ValueError as error:
        if odd < 0:
            raise AssertionError(f"{form} is refused") from error
        raise DataError(str(error)) from error
    assert found.form == ("multi_hot" if is_binary else "lists"), f"{form} read as {found.form}"
    assert len(found.multi_hot) == n, "as many rows"
    if is_binary and isinstance(written, (np.ndarray, pd.DataFrame)):
        cells = pd.DataFrame(written)
        # A text for nothing is a gap, as in files.
        gaps = (cells.isna() | cells.map(_is_gap)).to_numpy(dtype=bool)
        check_gaps(gaps, missing, found.multi_hot, found.known)
    for row in set(range(n)) - {odd}:
        own = found.multi_hot[row]
        if is_binary:
            np.testing.assert_array_equal(own, y[row], form)
        else:
            assert {*found.labels[own].tolist()} == {*sets[row]}, f"row {row} of {form}"


def _is_gap(value: Any) -> bool:
    return isinstance(value, str) and value in GAPS


def _spoilt(written: Any, row: int, draw: random.Random) -> Any:
    """One value of the row, or the whole row, is an odd one."""
    value = draw.choice(ODD)
    if issparse(written) or isinstance(written, torch.Tensor):
        number = draw.choice([2, -1, 0.5, float("nan"), float("inf")])
        spoilt = written.toarray() if issparse(written) else written.clone()
        spoilt = spoilt.astype(float) if issparse(written) else spoilt.double()
        spoilt[row, 0] = number
        return type(written)(spoilt) if issparse(written) else spoilt
    if isinstance(written, pd.DataFrame):
        spoilt = written.astype(object)
        # A list would be taken for several values.
        spoilt.iat[row, draw.randrange(spoilt.shape[1])] = value
        return spoilt
    if isinstance(written, np.ndarray):
        spoilt = written.astype(object)
        spoilt[row, draw.randrange(spoilt.shape[1])] = value
        return spoilt
    rows = list(written)
    if draw.random() < 0.3:
        rows[row] = value
    else:
        own = list(rows[row])
        if own and draw.random() < 0.5:
            own[draw.randrange(len(own))] = value
        else:
            own.insert(draw.randint(0, len(own)), value)
        kind = type(rows[row])
        rows[row] = kind(own) if kind in (list, tuple) else own
    return pd.Series(rows, dtype=object) if isinstance(written, pd.Series) else rows


def settings_case(draw: random.Random, folder: Path) -> None:
    """An estimator's settings, one of them of another type: as meant, or refused by name."""
    name = draw.choice(list(MEANT))
    given, meant = draw.choice(MEANT[name])
    odd = draw.random() < 0.6
    given = draw.choice(ODD) if odd else given
    try:
        config = configs_of(MultiLabelClassifier(random_state=0, **{name: given}))
    except ValueError as error:
        if not odd:
            raise AssertionError(f"{name}={given!r} is refused") from error
        raise DataError(str(error)) from error
    if not odd:
        held = {
            "n_seeds": len(config), "device": config[0].device, **vars(config[0].trainer),
            **vars(config[0].backbone), **vars(config[0].optimizer),
        }  # fmt: skip
        assert held[name] == meant, f"{name}={given!r} is {held[name]!r}"
        assert type(held[name]) is type(meant), f"{name}={given!r} is a {type(held[name])}"


READERS = {
    "the estimator's y": Reader(targets_case, 0.12, r"(?i)\by\b.*\brow\b|\brow\b.*\by\b"),
    "the estimator's settings": Reader(settings_case, 0.01, "|".join(MEANT)),
}
