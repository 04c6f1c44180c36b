"""What a loaded run takes: each input that holds no rows of its kind is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import Tensor, nn

import mlc
from mlc.backbones.base import BACKBONES, register_backbone
from mlc.config.errors import DataError
from mlc.data.base import SOURCES
from mlc.runs.loaded import LoadedRun
from mlc.train import main
from tests.conftest import exit_status, toy_arff
from tests.images import clothes
from tests.registered import forget

PLAIN = ("report.figures=false", "report.yardsticks=false", "trainer.max_epochs=1")
# Neither rows of numbers, nor texts, nor images.
USELESS: dict[str, Any] = {
    "nothing": [],
    "no object": None,
    "a number": 5,
    "a missing row": [None],
    "a missing row after one": [None, None],
    "rows of two lengths": [[1.0, 2.0], [3.0]],
    "lists of texts": [["good"], ["bad"]],
    "a dictionary": {"text": "good"},
    "a set": {"good"},
    "one row of numbers": [1.0, 2.0],
    "dates": np.array([["2026-01-01"]], dtype="datetime64[D]"),
    "complex numbers": np.zeros((2, 3), dtype=complex),
    "an object": object(),
    "a text among numbers": ["good", 3],
    "an iterator without rows": iter([]),
}


class Sum(nn.Module):
    """The sum of each channel."""

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(2).sum(dim=2)

    @staticmethod
    def fingerprint(options: Any) -> str:
        return "sum"


class Length(nn.Module):
    """The length of a text."""

    def __init__(self, sample_shape: tuple[int, ...], options: Any) -> None:
        super().__init__()

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.float()

    @staticmethod
    def prepare(texts: list[str], options: Any) -> np.ndarray:
        return np.array([[len(text)] for text in texts])

    @staticmethod
    def fingerprint(options: Any) -> str:
        return "length"


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    register_backbone("sum_of_tests")(Sum)
    register_backbone("length_of_tests")(Length)
    yield
    forget(BACKBONES, "sum_of_tests", "length_of_tests")


def start(folder: Path, kind: str) -> None:
    """Train a run of one epoch on columns, words, texts, images or digits."""
    if kind == "columns":
        data: tuple[str, ...] = ("data=arff", f"data.path={toy_arff(folder)}", "backbone=linear")
    elif kind in ("words", "texts"):
        texts = [f"good {'moon' * (i % 2)} {'salt' * (i % 3)}" for i in range(24)]
        tags = ["a;b" if i % 2 else "b" for i in range(24)]
        pd.DataFrame({"text": texts, "tags": tags}).to_csv(folder / "texts.csv", index=False)
        data = ("data=table", f"data.path={folder / 'texts.csv'}", "data.labels=[tags]")
        data += ("data.text=text",)
        network = ("backbone=length_of_tests", "backbone.frozen=true", "backbone.widths=[]")
        data += ("backbone=linear",) if kind == "words" else network
    else:
        data = ("data=images", f"data.path={clothes(folder / 'clothes', 4)}")
        if kind == "features of digits":
            data = ("data=digits", "data.n_train=40", "data.n_test=20")
        network = ("backbone=sum_of_tests", "backbone.frozen=true", "backbone.widths=[]")
        data += ("backbone=linear",) if kind == "images" else network
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        assert exit_status(main, [*PLAIN, *data, f"hydra.run.dir={folder / 'run'}"], patch) == 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedRun]:
    """A run on each kind of input."""
    loaded = {}
    for kind in ("columns", "words", "texts", "images", "features", "features of digits"):
        folder = tmp_path_factory.mktemp(kind.split()[0])
        start(folder, kind)
        loaded[kind] = mlc.load(folder / "run")
    return loaded


@pytest.mark.parametrize("kind", ["columns", "words", "texts", "images", "features"])
def test_an_input_without_rows_of_its_kind_is_one_sentence(
    runs: dict[str, LoadedRun], kind: str
) -> None:
    for X in USELESS.values():
        for method in (runs[kind].predict, runs[kind].scores):
            with pytest.raises(DataError) as caught:
                method(X)
            message = str(caught.value)
            assert message.endswith(".")
            assert "\n" not in message
            assert "None)" not in message


def test_the_sentence_names_the_row_and_what_to_give(runs: dict[str, LoadedRun]) -> None:
    for kind, X, message in (
        ("columns", [None], r"X is None in row 0: give rows of numbers, \(N, \d+\)\."),
        ("columns", [], r"X holds no row: give rows of numbers, \(N, \d+\)\."),
        ("columns", [["a"] * 3], "X is 'a' in row 0, column 0: encode it as numbers"),
        ("words", [None], r"X is None in row 0: give texts, or their features, \(N, \d+\)\."),
        ("texts", [], r"X holds no row: give texts, or their features"),
        ("texts", ["good", 3], "X is 3 in row 1, and texts in others"),
        ("images", ["a.png", None], "X is None in row 1, and a file in others"),
        ("images", ["\ud800.png"], "ud800"),
        ("images", ["a\0.png"], "x00"),
    ):
        with pytest.raises(DataError, match=message):
            runs[kind].predict(X)


def test_rows_in_lists_are_those_of_an_array(runs: dict[str, LoadedRun]) -> None:
    columns = runs["columns"]
    rows = np.random.default_rng(0).normal(size=(3, columns.n_features))
    expected = columns.scores(rows)
    np.testing.assert_array_equal(columns.scores(rows.tolist()), expected)
    np.testing.assert_array_equal(columns.scores(iter(rows.tolist())), expected)
    rows[1, 0] = np.nan
    with_gap = [[None if np.isnan(v) else v for v in row] for row in rows.tolist()]
    np.testing.assert_array_equal(columns.scores(with_gap), columns.scores(rows))
    whole = [[1, 0, *[2] * (columns.n_features - 2)]]
    np.testing.assert_array_equal(columns.scores(whole), columns.scores(np.array(whole, float)))


def test_images_are_on_the_scale_of_the_training(runs: dict[str, LoadedRun]) -> None:
    of_bytes, of_floats = runs["features"], runs["features of digits"]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8)).astype(np.uint8)
    expected = of_bytes.scores(pixels)
    np.testing.assert_allclose(of_bytes.scores((pixels / 255).astype(np.float32)), expected, 1e-5)
    for wrong in (pixels.astype(np.float32), pixels.astype(int), (pixels > 127).astype(int)):
        with pytest.raises(DataError, match=r"those of the training were bytes: give bytes"):
            of_bytes.scores(wrong)
    for wrong in (pixels.astype(np.float32), pixels.astype(int)):
        with pytest.raises(DataError, match="pixels from 0 to 255"):
            runs["images"].scores(wrong)
    digits = SOURCES["digits"].load(SOURCES.options("digits", n_train=40, n_test=20))
    samples = digits.features[:4].reshape(-1, *digits.sample_shape)
    assert samples.dtype == np.float32
    with pytest.raises(DataError, match=r"are bytes \(uint8\), and those of the training were fl"):
        of_floats.scores((255 * samples).astype(np.uint8))
    np.testing.assert_allclose(
        of_floats.scores(samples.astype(np.float64)), of_floats.scores(samples)
    )
