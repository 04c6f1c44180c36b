"""A small log beside a sweep's runs: one curve for each head, over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from torch.utils.tensorboard import SummaryWriter

from mlc.ownership import check_log_folder
from mlc.tracking.tensorboard import HISTORY

COMPARISON = "comparison"


def write_comparison(
    folder: Path, runs: Mapping[str, Sequence[Path]], metrics: Sequence[str]
) -> None:
    """Mean, minimum and maximum at each epoch, and a custom-scalar page that shows them as bands.

    Losses are left out: those of different heads are on different scales.

    Args:
        folder: of the sweep.
        runs: folders of the runs, by "DATA/HEAD".
        metrics: of the validation part.

    Raises:
        RunFolderError: the log's folder holds anything else, or is a link.
    """
    check_log_folder(folder / COMPARISON)
    tags = [f"val/{metric}" for metric in metrics]
    bands = {tag: ["Margin", [f"{tag}/mean", f"{tag}/minimum", f"{tag}/maximum"]] for tag in tags}
    with SummaryWriter(str(folder / COMPARISON)) as writer:
        writer.add_custom_scalars({"heads side by side: mean and range over seeds": bands})
    for name, folders in runs.items():
        history = pd.concat([pd.read_csv(run / HISTORY) for run in folders])
        by_epoch = history.groupby("epoch")
        with SummaryWriter(str(folder / COMPARISON / name)) as writer:
            for tag in tags:
                if tag not in history:
                    continue
                for statistic, values in (
                    ("mean", by_epoch[tag].mean()),
                    ("minimum", by_epoch[tag].min()),
                    ("maximum", by_epoch[tag].max()),
                ):
                    for epoch, value in values.items():
                        writer.add_scalar(f"{tag}/{statistic}", value, epoch)
