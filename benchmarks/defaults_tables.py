"""The tables of docs/defaults.md about epochs, batches, schedules and decay, from defaults_steps.csv.

python -m benchmarks.defaults_tables
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.defaults_steps import HEADS_SEARCHED, PATIENCE, PLANS, STORED, Steps
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

_RUN = ["data", "head"]
_SETTING = ["plan", *Steps._fields]
DEFAULT = ("default", *Steps(0.003))
_OF_PATIENCE = (
    DEFAULT, ("double", *Steps(0.003)), ("double", *Steps(0.001, "constant")),
    ("double", *Steps(0.003, "constant")),
)  # fmt: skip


def read(path: Path = STORED) -> pd.DataFrame:
    """Return the mean over the seeds of each data set, head and setting, with the loss of its value.

    The loss is counted from the best setting of the data set and head.
    """
    rows = pd.read_csv(path)
    means = rows.groupby([*_RUN, *_SETTING, "sparse"], sort=False).mean(numeric_only=True)
    means = means.drop(columns="seed").reset_index()
    best = means.groupby(_RUN)["value"].transform("max")
    return means.assign(loss=best - means["value"])


def settings_table(means: pd.DataFrame) -> Table:
    """Compare the settings: a row for each, the default first.

    The losses are the mean and the largest one over data sets and heads. The differences to the default
    are means over data sets, of all heads and of each.
    """
    wide = means.pivot(index=_SETTING, columns=_RUN, values=["value", "loss", "seconds"])
    default = wide.loc[DEFAULT]
    order = [DEFAULT, *(key for key in settings() if key in wide.index and key != DEFAULT)]
    rows = []
    for key in order:
        setting = wide.loc[key].dropna()
        difference = (setting["value"] - default["value"]).dropna()
        seconds = setting["seconds"].sum() / default["seconds"][setting["seconds"].index].sum()
        of_data = difference.groupby("data").mean()
        rows.append([
            *_named(key), f"{setting['loss'].mean():.4f}", f"{setting['loss'].max():.3f}",
            "" if key == DEFAULT else mean_interval(of_data).signed(),
            *("" if key == DEFAULT else f"{difference.xs(head, level='head').mean():+.3f}"
              for head in HEADS_SEARCHED),
            f"{seconds:.2f}",
        ])  # fmt: skip
    header = ["epochs", "settings", "rate", "loss", "largest", "difference", *HEADS_SEARCHED]
    return Table([*header, "time"], rows)


def settings() -> list[tuple[object, ...]]:
    """Return the settings in the order of the plans."""
    return [(name, *steps) for name, plan in PLANS.items() for steps in plan.runs]


def patience_table(means: pd.DataFrame) -> Table:
    """Compare the patiences by the loss of the monitored metric to all epochs, and their epochs."""
    rows = []
    for key in _OF_PATIENCE:
        setting = means.set_index(_SETTING).loc[[key]]
        row = list(_named(key))
        for patience in PATIENCE:
            losses = setting["best"] - setting[f"patience_{patience}"]
            share = setting[f"epochs_{patience}"] / setting["epochs"]
            row += [f"{losses.mean():.4f}", f"{losses.max():.3f}", f"{share.mean():.2f}"]
        rows.append(row)
    header = [f"{name}, {n}" for n in PATIENCE for name in ("loss", "largest", "epochs")]
    return Table(["epochs", "settings", "rate", *header], rows)


def epoch_table(means: pd.DataFrame) -> Table:
    """Show by how much the best epoch exceeds the last one in the monitored metric, by head."""
    rows = []
    for key in _OF_PATIENCE:
        setting = means.set_index(_SETTING).loc[[key]]
        gains = (setting["best"] - setting["last"]).groupby(setting["head"]).mean()
        rows.append([*_named(key), *(f"{gains[head]:.4f}" for head in HEADS_SEARCHED)])
    return Table(["epochs", "settings", "rate", *HEADS_SEARCHED], rows)


def _named(key: tuple[object, ...]) -> tuple[str, str, str]:
    name, rate, schedule, decay = key
    plan = PLANS[str(name)]
    differing = {
        f"batch_size={plan.batch_size}": plan.batch_size != 64,
        f"normalization={plan.normalization}": plan.normalization != "batch",
        f"schedule={schedule}": schedule != "cosine",
        f"weight_decay={decay:g}": decay != 0.01,
    }
    named = [text for text, is_other in differing.items() if is_other]
    return f"{plan.epochs:g}", ", ".join(named), f"{rate:g}"


def main() -> None:
    """Print the tables."""
    means = read()
    dense, sparse = means[~means["sparse"]], means[means["sparse"]]
    for title, table in (
        ("Settings on dense rows", settings_table(dense)),
        ("Settings on sparse rows", settings_table(sparse)),
        ("Patience", patience_table(means)),
        ("Best epoch above the last one", epoch_table(means)),
    ):
        print(f"{title}:\n\n{table.markdown()}\n")


if __name__ == "__main__":
    main()
