"""The rows that an exported predictor takes, and the metadata that describe them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mlc.backbones.stage import Samples, Stage, stage_of
from mlc.data.text import TextOptions, token_kind
from mlc.evaluation.predictor import Predictor
from mlc.exporting.module import Rows
from mlc.runs.loaded import LoadedRun
from mlc.runs.provenance import versions

_HOLDS = {
    "columns": "numbers, NaN for a missing value",
    "counts": "counts of words or of other things, dense",
    "pixels": "pixels from 0 to 255, channels first",
    "tokens": "numbers of tokens, -1 after the end of a text",
}


def rows_of(predictor: Predictor) -> Rows:
    """Return the rows that a predictor takes after what its backbone does before the training."""
    if predictor.samples != "columns":
        return Rows(predictor.samples, predictor.sample_shape)
    counts = predictor.scalings[0].weighting is not None or predictor.model.backbone.takes_bags
    is_fine = any(scaling.fine.any() for scaling in predictor.scalings)
    return Rows("counts" if counts else "columns", predictor.sample_shape, is_fine)


def rows_of_run(run: LoadedRun) -> tuple[Rows, nn.Module | None]:
    """Return the rows that a run takes, and the frozen network that computes its features, if any.

    Raises:
        RunFolderError: the backbone has other weights than in the training.
    """
    stage = stage_of(run.config.backbone)
    if run.raw is None or stage is None or not stage.frozen:
        return rows_of(run), None
    dtype = np.uint8 if run.image_shape else np.float32
    inputs, network = run.frozen_network(_sample(run.raw.shape, dtype))
    return _rows_like(inputs), network


def rows_of_stage(stage: Stage, shape: Sequence[int], is_bytes: bool) -> tuple[Rows, nn.Module]:
    """Return the rows that a frozen network takes, and that network.

    Args:
        stage: of the frozen network.
        shape: of a sample; () for texts.
        is_bytes: whether samples are pixels of uint8.
    """
    inputs = stage.prepared(_sample(shape, np.uint8 if is_bytes else np.float32))
    return _rows_like(inputs), stage.network(inputs.shape[1:])


def _sample(shape: Sequence[int], dtype: type) -> Samples:
    return np.zeros((1, *shape), dtype=dtype) if shape else ["a"]


def _rows_like(inputs: NDArray[Any]) -> Rows:
    kinds = {"u": "pixels", "i": "tokens"}
    return Rows(kinds.get(inputs.dtype.kind, "columns"), inputs.shape[1:])


def metadata_of(predictor: Predictor, rows: Rows) -> dict[str, Any]:
    """Describe a predictor for whoever uses its file: labels, rows, texts, head and rule."""
    names = list(map(str, predictor.feature_names))
    is_named = rows.holds in ("columns", "counts") and len(names) == predictor.n_features
    return {
        "format": "mlc-export 1",
        "labels": list(map(str, predictor.label_names)),
        "rows": {
            "shape": list(rows.shape),
            "dtype": str(rows.dtype).removeprefix("torch."),
            "holds": _HOLDS[rows.holds],
            "columns": names if is_named and rows.shape == (len(names),) else None,
        },
        "texts": None,
        "head": predictor.model.head.name,
        "rule": repr(predictor.rule),
        "versions": versions(),
    }


def metadata_of_run(run: LoadedRun, rows: Rows) -> dict[str, Any]:
    """Return the metadata of a run's predictor, with its data set, and how texts become counts."""
    options = run.config.data
    counted = run.raw is None and isinstance(options, TextOptions) and rows.holds == "counts"
    status = {key: run.status.get(key) for key in ("run", "data", "seed")}
    return {**metadata_of(run, rows), "texts": texts_of(options) if counted else None, **status}


def before_rows(run: LoadedRun, rows: Rows) -> str:
    """Return what a run does with its data before the rows, which neither file nor check contains."""
    if run.image_shape:
        return "decoding and resizing images"
    if rows.holds == "tokens":
        return "making tokens of texts"
    texts = metadata_of_run(run, rows)["texts"]
    if texts is not None:
        where = "docs/export.md says how" if texts["buckets"] else "the model card has the code"
        return f"counting words ({where})"
    return "reading a table, where a category becomes columns of 0 and 1"


def texts_of(options: TextOptions) -> dict[str, Any]:
    """Describe how texts become counts, in the words of scikit-learn's CountVectorizer."""
    n_buckets = options.n_buckets()
    return {
        **token_kind(options),
        "ngram_range": [1, 1] if n_buckets else list(options.ngram_range),
        "buckets": n_buckets,
        "bucket_ngram_range": [2, options.ngram_range[1]] if n_buckets else None,
    }


def described(rows: Rows) -> str:
    """Return the shape and the content of rows in words."""
    shape = ", ".join(map(str, rows.shape))
    dtype = str(rows.dtype).removeprefix("torch.")
    return f"(N, {shape}) of {dtype}: {_HOLDS[rows.holds]}"
