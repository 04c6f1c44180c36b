"""The export of a fitted estimator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlc.backbones.stage import Stage
from mlc.data.text_input import TextInput
from mlc.evaluation.predictor import Predictor
from mlc.exporting.inputs import metadata_of, rows_of, rows_of_stage, texts_of
from mlc.exporting.writing import format_of, write_predictor


def export_classifier(
    path: Path,
    predictor: Predictor,
    texts: TextInput,
    stage: Stage | None,
    sample_shape: Sequence[int],
    one_class: bool,
) -> None:
    """Write a fitted classifier; the ending of the path chooses the format.

    Args:
        path: FILE.onnx, FILE.pt2, or a folder, which must not exist.
        predictor: the networks and the rule.
        texts: how texts become counts.
        stage: what the backbone does before the training, if anything.
        sample_shape: the shape of a sample before it.
        one_class: whether exactly one label is predicted.

    Raises:
        ConfigError: the ending is unknown, the path exists, or a part cannot be exported.
    """
    to = format_of(None, path)
    rows, frozen = rows_of(predictor), None
    if stage is not None and stage.frozen:
        shape = () if texts.is_fitted else sample_shape
        rows, frozen = rows_of_stage(stage, shape, len(shape) == 3)
    metadata = metadata_of(predictor, rows)
    if texts.is_fitted and rows.holds == "counts":
        metadata["texts"] = texts_of(texts.options)
    write_predictor(predictor, path, to, rows, metadata, frozen, one_class)
