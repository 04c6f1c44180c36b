"""One run's TensorBoard events and its history as CSV."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from mlc.evaluation import Evaluation
from mlc.storage import write_text
from mlc.tracking.figures import cardinality_figure, threshold_figure
from mlc.training import Epoch

HISTORY = "history.csv"
# More precision-recall curves than these nobody looks at, and each costs disk space.
MOST_PR_CURVES = 20


class RunLog:
    """Scalars at each epoch, figures and hyperparameters at the end; closes when left.

    Args:
        folder: of the run.
        place: of the run in its cohort.
    """

    def __init__(self, folder: Path, place: int) -> None:
        self._folder, self._place = folder, place
        # An interrupt between the writer's queue and its thread leaves closing to wait for a flush.
        self._writer = SummaryWriter(str(folder), flush_secs=2)
        self._events = Path(self._writer._get_file_writer().event_writer._file_name)
        self._history: list[dict[str, float]] = []
        self._last_epoch = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._writer.close()
        else:
            # The run may be tried again in other company: its curves must not begin twice.
            self.discard()

    def discard(self) -> None:
        """Close, and remove the events that were written here; those of other processes stay."""
        self._writer.close()
        self._events.unlink(missing_ok=True)

    def epoch(self, epoch: Epoch) -> None:
        """Write an epoch's values, if the run was still in training."""
        if not epoch.active[self._place]:
            return
        self._last_epoch = epoch.number
        values = {name: float(value[self._place]) for name, value in epoch.values.items()}
        self._history.append({"epoch": epoch.number, **values})
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch.number)

    def finish(
        self,
        evaluation: Evaluation,
        label_names: Sequence[str],
        curves: tuple[str, ...],
        hyperparameters: Mapping[str, Any],
    ) -> None:
        """Write the history, the figures, the final metrics and the hyperparameters.

        `curves` are the metrics of the threshold figure; without any there is no figure at all.
        """
        write_text(self._folder / HISTORY, pd.DataFrame(self._history).to_csv(index=False))
        if curves:
            self._draw(evaluation, label_names, curves)
        final = {name: v for name, v in evaluation.metrics.items() if not name.startswith("val/")}
        for name, value in final.items():
            self._writer.add_scalar(name, value, self._last_epoch)
        # The session lies in the run itself; add_hparams would make a run of its own for it.
        _, start, end = hparams(dict(hyperparameters), final)
        _add(self._writer, start)
        _add(self._writer, end)

    def _draw(
        self, evaluation: Evaluation, label_names: Sequence[str], curves: tuple[str, ...]
    ) -> None:
        step = self._last_epoch
        thresholds = {
            rule: fitted["threshold"]
            for rule, fitted in evaluation.fitted.items()
            if isinstance(fitted.get("threshold"), float)
        }
        scores, targets = evaluation.scores, evaluation.targets
        by_origin = {fitted["tuned_on"]: rule for rule, fitted in evaluation.fitted.items()}
        rule = by_origin.get("validation") or next(iter(evaluation.fitted))
        figures = {
            "threshold": threshold_figure(scores["val"], targets["val"], curves, thresholds),
            "cardinality": cardinality_figure(
                evaluation.decisions["test"][rule], targets["test"], rule
            ),
        }
        for tag, picture in figures.items():
            _add(self._writer, _image(tag, picture), step)
        most_frequent = np.argsort(-targets["test"].sum(axis=0), kind="stable")[:MOST_PR_CURVES]
        for k in sorted(most_frequent):
            self._writer.add_pr_curve(
                f"precision_recall/{label_names[k]}",
                targets["test"][:, k],
                scores["test"][:, k],
                step,
            )


def write_experiment(
    folder: Path, hyperparameters: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> None:
    """The one description of all hyperparameters, at the root of a sweep (or of a lone run).

    Were each run to write its own, keys that only some heads have would vanish from the HParams tab.
    """
    union: dict[str, Any] = {}
    for own in hyperparameters:
        union.update(own)
    experiment, _, _ = hparams(union, dict.fromkeys(metrics, 0.0))
    with SummaryWriter(str(folder)) as writer:
        _add(writer, experiment)


def _add(writer: SummaryWriter, summary: Any, step: int | None = None) -> None:
    writer._get_file_writer().add_summary(summary, step)


def _image(tag: str, picture: NDArray[np.uint8]) -> Summary:
    """As SummaryWriter.add_image, lightly packed, which takes a fifth of the time."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="png", compress_level=1)
    height, width, channels = picture.shape
    image = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=stream.getvalue()
    )
    return Summary(value=[Summary.Value(tag=tag, image=image)])
