"""The tables of docs/defaults.md about epochs, batches, schedules and decay, from defaults_steps.csv.

python -m benchmarks.defaults_tables
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks.defaults_steps import HEADS_SEARCHED, PATIENCE, PLANS, STORED, Steps
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

PAGE = Path(__file__).parent.parent / "docs" / "defaults.md"
_RUN = ["data", "head"]
_SETTING = ["plan", *Steps._fields]
DEFAULT = ("default", *Steps(0.003))
# The plans that every data set has.
_REQUIRED = "default", "half", "double", "large batches", "small batches"
_OF_PATIENCE = DEFAULT, ("double", *Steps(0.003)), ("constant", *Steps(0.001, "constant"))


def read(path: Path = STORED) -> pd.DataFrame:
    """Return the mean over the seeds of each data set, head and setting, with the loss of its value.

    The loss is counted from the best setting of the data set and head. A data set whose plans up to
    "small batches" are not finished is left out, and a plan of a data set that lacks a head.
    """
    rows = pd.read_csv(path)
    heads = rows.groupby(["data", "plan"])["head"].transform("nunique")
    rows = rows[heads == len(HEADS_SEARCHED)]
    of_data = rows.groupby("data")["plan"].agg(set)
    rows = rows[rows["data"].map(of_data.map(set(_REQUIRED).issubset))]
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
        of_data = difference.groupby(level="data").mean()
        by_head = [difference.xs(head, level="head").mean() for head in HEADS_SEARCHED]
        compared = [mean_interval(of_data).signed(), *(f"{mean:+.3f}" for mean in by_head)]
        losses = f"{setting['loss'].mean():.4f}", f"{setting['loss'].max():.3f}"
        rows.append([
            *_named(key), str(len(of_data)), *losses,
            *([""] * len(compared) if key == DEFAULT else compared), f"{seconds:.2f}",
        ])  # fmt: skip
    header = ["epochs", "settings", "rate", "data sets", "loss", "largest", "difference"]
    return Table([*header, *HEADS_SEARCHED, "time"], rows)


def settings() -> list[tuple[object, ...]]:
    """Return the settings in the order of the plans."""
    return [(name, *steps) for name, plan in PLANS.items() for steps in plan.runs]


def patience_table(means: pd.DataFrame) -> Table:
    """Compare the patiences by the loss of the monitored metric to all epochs, and their epochs."""
    rows = []
    for key, setting in _of_patience(means):
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
    for key, setting in _of_patience(means):
        gains = (setting["best"] - setting["last"]).groupby(setting["head"]).mean()
        rows.append([*_named(key), *(f"{gains[head]:.4f}" for head in HEADS_SEARCHED)])
    return Table(["epochs", "settings", "rate", *HEADS_SEARCHED], rows)


def _of_patience(means: pd.DataFrame) -> list[tuple[tuple[object, ...], pd.DataFrame]]:
    groups = dict(iter(means.groupby(_SETTING, sort=False)))
    return [(key, groups[key]) for key in _OF_PATIENCE if key in groups]


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


def blocks() -> dict[str, str]:
    """Return the text of the page below each comment."""
    means = read()
    tables = {
        "dense": settings_table(means[~means["sparse"]]),
        "sparse": settings_table(means[means["sparse"]]),
        "patience": patience_table(means),
        "best epoch": epoch_table(means),
    }
    finished = f"{', '.join(dict.fromkeys(means['data']))}."
    return {
        "data sets": finished,
        **{f"table: {name}": table.markdown() for name, table in tables.items()},
    }


def main() -> None:
    """Replace the blocks in the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        _, _, after = rest.partition("\n\n")
        text = f"{before}<!-- {name} -->\n{block}\n\n{after}"
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
