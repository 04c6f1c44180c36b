"""Words and categories are those of a run's training rows; others have no influence on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix, save_npz
from scipy.sparse import random as sparse_random
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

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
    data = ResidentData(
        dataset.features, dataset.targets, [fit_scaling(dataset, s.train) for s in splits], CPU
    )
    return data.batch(torch.arange(dataset.n_samples).expand(len(splits), -1)).features.numpy()


@pytest.mark.parametrize(
    ("min_df", "max_df", "max_features"),
    [(1, 1.0, None), (3, 1.0, None), (2, 0.5, 4), (0.1, 12, None)],
)
@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2)])
def test_inputs_are_those_of_tfidf_vectorizer_on_the_training_rows(
    tmp_path: Path,
    min_df: float,
    max_df: float,
    max_features: int | None,
    ngram_range: tuple[int, int],
) -> None:
    path = written(tmp_path, TEXTS)
    chosen = {"min_df": min_df, "max_df": max_df, "max_features": max_features}
    options = {"text": "body", "ngram_range": list(ngram_range), "title": "texts", **chosen}
    dataset, first = loaded(path, 0, **options)
    splits = [first, loaded(path, 1, **options)[1]]
    seen = inputs(dataset, splits)
    for run, split in enumerate(splits):
        vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=ngram_range, **chosen)
        rows = vectorizer.fit([TEXTS[row] for row in split.train]).transform(TEXTS).toarray()
        expected = dict(zip(vectorizer.get_feature_names_out(), rows.T, strict=True))
        applied = fit_scaling(dataset, split.train).apply(dataset.features).toarray()
        np.testing.assert_allclose(applied, seen[run], atol=1e-6)
        for word, column in zip(dataset.feature_names, seen[run].T, strict=True):
            right = expected.pop(word, np.zeros(N))
            np.testing.assert_allclose(column, right, atol=1e-6, err_msg=word)
        assert not expected, "words that the run ought to use"


@pytest.mark.parametrize(
    ("weighting", "expected"), [("binary", lambda counts, most: counts > 0), ("counts", np.divide)]
)
def test_words_enter_as_counts_or_as_zeros_and_ones(
    tmp_path: Path, weighting: str, expected: Any
) -> None:
    """Counts are divided by the largest among the training rows."""
    twice = [f"{text} {text} word1" for text in TEXTS]
    options = {"text": "body", "min_df": 1, "weighting": weighting}
    dataset, split = loaded(written(tmp_path, twice), 0, **options)
    counter = CountVectorizer(vocabulary=dataset.feature_names)
    counts = counter.transform(twice).toarray()
    most = counts[split.train].max(axis=0)
    used = most > 0
    assert counts.max() == 3
    np.testing.assert_allclose(
        inputs(dataset, [split])[0][:, used], expected(counts[:, used], most[used]), rtol=1e-6
    )


def test_sparse_files_of_counts_enter_as_tfidf_and_others_as_they_are(tmp_path: Path) -> None:
    counts = sparse_random(N, 9, 0.3, random_state=0, data_rvs=lambda n: np.arange(n) % 4 + 1)
    np.save(tmp_path / "y.npy", LABELS)
    seen = {}
    for name, rows in (("counts", counts), ("ones", counts > 0), ("reals", counts / 2)):
        save_npz(tmp_path / f"{name}.npz", csr_matrix(rows, dtype=np.float32))
        labels = str(tmp_path / "y.npy")
        stated = SOURCES.options("arrays", path=str(tmp_path / f"{name}.npz"), labels_path=labels)
        dataset = SOURCES["arrays"].load(stated)
        split = split_dataset(dataset, stated, 0)
        scaling = fit_scaling(dataset, split.train)
        seen[name] = dataset.weighting, scaling.apply(dataset.features).toarray()
    tfidf = TfidfTransformer(sublinear_tf=True).fit(counts.tocsr()[split.train])
    np.testing.assert_allclose(seen["counts"][1], tfidf.transform(counts).toarray(), atol=1e-6)
    assert [own for own, _ in seen.values()] == ["tfidf", None, None]
    np.testing.assert_array_equal(seen["ones"][1], counts.toarray() > 0)
    stated.weighting = "tfidf"
    with pytest.raises(DataError, match=r"data.weighting=tfidf needs counts, and a feature is"):
        SOURCES["arrays"].load(stated)


def test_categories_are_those_of_the_training_rows(tmp_path: Path) -> None:
    path = written(tmp_path, TEXTS, kind=[f"kind{row % 40}" for row in range(N)])
    dataset, split = loaded(path, 0, ignore=["body"])
    kinds = {f"kind=kind{row % 40}" for row in split.train}
    assert kinds < set(dataset.feature_names)
    seen = inputs(dataset, [split])[0]
    used = {name for name, row in zip(dataset.feature_names, seen.T, strict=True) if row.any()}
    assert used == kinds


def test_no_word_in_the_training_rows_is_told(tmp_path: Path) -> None:
    dataset, split = loaded(written(tmp_path, TEXTS), 0, text="body", min_df=1)
    rare = dataset.with_columns(np.array([dataset.feature_names.index("word79")]))
    with pytest.raises(DataError, match="hold no word or category in at least 1 and at"):
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
                "table", path=str(path), labels=["a", "b"], text="body", title="texts", **options
            ),
            backbone=BACKBONES.options(backbone, **more[backbone]),
            head=HEADS.options("pairwise"),
            optimizer=OPTIMIZERS.options("adamw", lr=0.05),
            trainer=TrainerOptions(max_epochs=2, precision="float64", monitor="loss"),
            decisions=["fixed"],
            seed=seed,
            device="cpu",
        )
        for seed in seeds
    ]
    recorder = Kept()
    for outcome in train_cohort(configs, recorder):
        assert not isinstance(outcome, Exception), outcome
    return recorder.result


@pytest.mark.parametrize("backbone", ["mlp", "linear", "embedding_bag"])
@pytest.mark.parametrize("longest", [1, 2])
def test_a_run_is_that_on_texts_without_the_other_words(
    tmp_path: Path, backbone: str, longest: int
) -> None:
    """Weights, scores and their number, alone as in a cohort of runs with other vocabularies."""
    path = written(tmp_path, TEXTS)
    options = {"ngram_range": [1, longest], "buckets": 8, "tokens": "whitespace"}
    together = trained(path, backbone, [0, 1], **options)
    for run, seed in enumerate([0, 1]):
        split = together[run].split
        counter = CountVectorizer(min_df=2).fit([TEXTS[row] for row in split.train])
        words = set(counter.get_feature_names_out())
        only = [" ".join(w for w in text.split() if w in words) for text in TEXTS]
        if longest > 1:
            # Pairs are hashed whichever words are used: without the others there would be new ones.
            only = TEXTS
        alone = trained(written(tmp_path, only), backbone, [seed], **options)[0]
        columns = [
            together[run].dataset.feature_names.index(name) for name in alone.dataset.feature_names
        ]
        assert set(alone.dataset.feature_names[: -8 if longest == 2 else None]) == words
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
