"""A head that options or data make another head says so, once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc import MultiLabelClassifier
from mlc.data.notices import forget_notices
from mlc.train import main
from tests.conftest import Command

X = np.random.default_rng(0).normal(size=(20, 3))
Y = (X[:, :2] > 0).astype(int)


@pytest.mark.parametrize(
    ("head", "options", "said"),
    [
        (
            "grouped",
            {},
            "head=grouped has no groups and trains as head=sigmoid: give lists of label",
        ),
        ("grouped", {"groups": [[0, 1]]}, None),
        (
            "assume_negative",
            {},
            "head=assume_negative trains as head=sigmoid, for no label is miss",
        ),
        ("assume_negative", {"smoothing": 0.1}, None),
        ("sigmoid", {}, None),
    ],
)
def test_a_head_that_trains_as_sigmoid_is_said_once(
    head: str, options: dict[str, Any], said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    forget_notices()
    for _ in range(2):
        MultiLabelClassifier(
            head, head_options=options, decision="fixed", widths=4, max_epochs=1
        ).fit(X, Y)
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(found) == (said is not None)
    assert all(text.startswith(str(said)) for text in found)


def test_missing_labels_make_assume_negative_a_head_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    forget_notices()
    y = np.where(np.arange(40).reshape(20, 2) % 7 == 0, np.nan, Y)
    MultiLabelClassifier(
        "assume_negative", decision="global", missing_labels="mask", widths=4, max_epochs=1
    ).fit(X, y)
    assert "trains as" not in caplog.text


def test_a_sweep_says_it_once_for_all_runs(
    command: Command, write_arff: Callable[..., Path]
) -> None:
    ended = command(
        main, "-m", "trainer.max_epochs=1", "backbone.widths=[4],[6]", "report.figures=false",
        "report.yardsticks=false", "data=arff", f"data.path={write_arff()}", "head=grouped",
        "decisions=[fixed]", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    assert (ended.out + ended.error).count("head=grouped has no groups") == 1
