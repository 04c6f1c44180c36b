"""Words and categories are those of a run's training rows; others have no influence on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer

from mlc.backbones.base import BACKBONES
from mlc.config.errors import DataError
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split, split_dataset
from mlc.heads.base import HEADS
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult
from mlc.training.stacked import OPTIMIZERS

N = 60
CPU = torch.device("cpu")


def texts() -> list[str]:
    """Words of which each is rarer than the one before, down to once in all texts."""
    rng = np.random.default_rng(0)
    rates = 1 / np.arange(1, 81)
    drawn = rng.random((N, 80)) < rates
    return [" ".join(f"word{w}" for w in np.flatnonzero(row)) or "word0" for row in drawn]


TEXTS = texts()
LABELS = np.random.default_rng(1).random((N, 2)) < 0.5


def written(folder: Path, bodies: list[str], **more: list[str]) -> Path:
    frame = pd.DataFrame({"body": bodies, **more, "a": LABELS[:, 0] * 1, "b": LABELS[:, 1] * 1})
    path = folder / f"texts{len(list(folder.iterdir()))}.csv"
    frame.to_csv(path, index=False)
    return path


def loaded(path: Path, seed: int, **options: Any) -> tuple[Dataset, Split]:
    stated = SOURCES.options("table", path=str(path), labels=["a", "b"], **options)
    dataset = SOURCES["table"].load(stated)
    return dataset, split_dataset(dataset, stated, seed)


def inputs(dataset: Dataset, splits: list[Split]) -> np.ndarray:
    """What each run's network sees of all rows: (R, N, D)."""
    data = ResidentData(dataset, [fit_scaling(dataset, s.train) for s in splits], CPU)
    return data.batch(torch.arange(dataset.n_samples).expand(len(splits), -1)).features.numpy()


@pytest.mark.parametrize(
    ("min_count", "max_words"), [(1, 20_000), (2, 20_000), (3, 20_000), (2, 5)]
)
def test_inputs_are_those_of_count_vectorizer_on_the_training_rows(
    tmp_path: Path, min_count: int, max_words: int
) -> None:
    path = written(tmp_path, TEXTS)
    options = {"text": "body", "min_count": min_count, "max_words": max_words, "name": "texts"}
    dataset, first = loaded(path, 0, **options)
    splits = [first, loaded(path, 1, **options)[1]]
    seen = inputs(dataset, splits)
    for run, split in enumerate(splits):
        counter = CountVectorizer(min_df=min_count, max_features=max_words)
        counts = counter.fit([TEXTS[row] for row in split.train]).transform(TEXTS).toarray()
        expected = dict(zip(counter.get_feature_names_out(), counts.T, strict=True))
        for word, column in zip(dataset.feature_names, seen[run].T, strict=True):
            np.testing.assert_array_equal(column > 0, expected.pop(word, np.zeros(N)) > 0, word)
        assert not expected, "words that the run ought to use"


def test_categories_are_those_of_the_training_rows(tmp_path: Path) -> None:
    path = written(tmp_path, TEXTS, kind=[f"kind{row % 40}" for row in range(N)])
    dataset, split = loaded(path, 0, ignore=["body"])
    kinds = {f"kind=kind{row % 40}" for row in split.train}
    assert kinds < set(dataset.feature_names)
    seen = inputs(dataset, [split])[0]
    used = {name for name, row in zip(dataset.feature_names, seen.T, strict=True) if row.any()}
    assert used == kinds


def test_no_word_in_the_training_rows_is_told(tmp_path: Path) -> None:
    dataset, split = loaded(written(tmp_path, TEXTS), 0, text="body", min_count=1)
    rare = dataset.with_columns(np.array([dataset.feature_names.index("word79")]))
    with pytest.raises(DataError, match="hold no word or category in at least 1 rows"):
        fit_scaling(rare, np.setdiff1d(split.train, rare.features.nonzero()[0]))


class Kept(Recorder):
    """Keeps what each run of a cohort became."""

    def __init__(self) -> None:
        self.result: dict[int, RunResult] = {}

    def record(self, place: int, result: RunResult) -> str:
        self.result[place] = result
        return "kept"


def trained(path: Path, backbone: str, seeds: list[int], **options: Any) -> dict[int, RunResult]:
    more: dict[str, Any] = {"mlp": {"widths": [4]}, "linear": {}, "embedding_bag": {"width": 4}}
    configs = [
        Config(
            data=SOURCES.options(
                "table", path=str(path), labels=["a", "b"], text="body", name="texts", **options
            ),
            backbone=BACKBONES.options(backbone, **more[backbone]),
            head=HEADS.options("pairwise"),
            optimizer=OPTIMIZERS.options("adamw", lr=0.05),
            trainer=TrainerOptions(max_epochs=2, precision="float64", monitor="loss"),
            rules=["fixed"],
            seed=seed,
            device="cpu",
        )
        for seed in seeds
    ]
    recorder = Kept()
    for outcome in train_cohort(configs, recorder):
        assert not isinstance(outcome, Exception), outcome
    return recorder.judged


@pytest.mark.parametrize("backbone", ["mlp", "linear", "embedding_bag"])
@pytest.mark.parametrize("ngrams", [1, 2])
def test_a_run_is_that_on_texts_without_the_other_words(
    tmp_path: Path, backbone: str, ngrams: int
) -> None:
    """Weights, scores and their number, alone as in a cohort of runs with other vocabularies."""
    path = written(tmp_path, TEXTS)
    options = {"ngrams": ngrams, "buckets": 8, "tokens": "whitespace"}
    together = trained(path, backbone, [0, 1], **options)
    for run, seed in enumerate([0, 1]):
        split = together[run].split
        counter = CountVectorizer(min_df=2).fit([TEXTS[row] for row in split.train])
        words = set(counter.get_feature_names_out())
        only = [" ".join(w for w in text.split() if w in words) for text in TEXTS]
        if ngrams > 1:
            # Pairs are hashed whichever words are used: without the others there would be new ones.
            only = TEXTS
        alone = trained(written(tmp_path, only), backbone, [seed], **options)[0]
        columns = [
            together[run].dataset.feature_names.index(name) for name in alone.dataset.feature_names
        ]
        assert set(alone.dataset.feature_names[: -8 if ngrams == 2 else None]) == words
        np.testing.assert_allclose(
            together[run].evaluation.scores["test"], alone.evaluation.scores["test"], atol=1e-12
        )
        for name, value in alone.model.state_dict().items():
            whole = together[run].model.state_dict()[name][run]
            axes = [axis for axis in range(whole.ndim) if whole.shape[axis] != value[0].shape[axis]]
            for axis in axes:
                whole = whole.index_select(axis, torch.as_tensor(columns))
            torch.testing.assert_close(whole, value[0], atol=1e-12, rtol=0)
        assert together[run].facts["parameters"] == alone.facts["parameters"]
