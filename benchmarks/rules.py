"""The rule `auto` against each rule that it chooses among: python -m benchmarks.rules [DATA ...]

Trains heads on the data sets under $MLC_DATA, each on ten splits, and decides their test rows by every
rule. Scores and values are kept in `outputs/rules`, so that a second call continues the first. Values
that are only in `results/benchmarks/rules.csv` are kept as well; delete both to measure anew. Without
data sets it only writes the tables.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from benchmarks.measuring import RESULTS, write
from benchmarks.scored import FULL, SHORT, Scored, named, of_data
from mlc.decisions.base import DecisionRule, build_decision
from mlc.decisions.candidates import CANDIDATES, Candidate, decided_by
from mlc.decisions.seen import distinct
from mlc.files.writing import write_text
from mlc.heads.base import HEADS
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.tables import Table

KEPT = Path("outputs/rules")
METRICS = ("jaccard_samples", "f1_macro", "subset_accuracy")
KEYS = ["data", "head", "metric", "split"]
N_SPLITS = 10
WORSE = 0.005
FEW = ("sigmoid", "pick_one", "label_powerset", "zlpr", "weighted_sigmoid")
MANY = (*FEW, "chain", "bernoulli_mixture", "pairwise")
LISTED = {
    "flags": MANY, "emotions": MANY, "birds": MANY, "scene": FEW, "yeast": (*FEW, "bernoulli_mixture"),
    "cal500": ("sigmoid", "pick_one", "label_powerset", "zlpr", "chain", "bernoulli_mixture"),
    "enron": FEW, "bibtex": ("sigmoid",),
}  # fmt: skip
# The margin of `auto` was set after a look at pairs of these data sets and heads.
LOOKED_AT = ("flags", "emotions", "birds")
# The other data sets have FULL.
SETTINGS = dict.fromkeys(("yeast", "enron", "bibtex"), SHORT)


def predictions(scored: Scored) -> dict[str, Prediction]:
    """Return the prediction of each part, as `evaluate` passes it to rules."""
    words = {named(one.rule, one.at_least_one): one.words for one in CANDIDATES if one.by_joint}
    return {
        part: Prediction(
            scores,
            cardinality=scored.cardinality.get(part),
            decided={words[name]: sets for name, sets in scored.decided[part].items()},
        )
        for part, scores in scored.scores.items()
    }


def rules(
    metric: str, natural: float | None, prediction: Prediction, sets: torch.Tensor
) -> Iterator[tuple[str, Candidate | None, DecisionRule]]:
    """Yield `auto`, and each rule that it may choose, by name."""
    for one in CANDIDATES:
        if one.is_apt(metric) and one.is_possible(natural, prediction, len(sets)):
            yield one.words, one, one.build(metric, natural)
    yield "auto", None, build_decision("auto", natural_threshold=natural, metric=metric)


def judge(scored: Scored, head: str, metric: str) -> dict[str, Any]:
    """Return the test value of each rule, and the choice of `auto`."""
    natural = HEADS[head].natural_threshold(scored.scores["val"].shape[1])
    parts, sets = predictions(scored), distinct(scored.trained_on)
    values: dict[str, Any] = {}
    for name, candidate, rule in rules(metric, natural, parts["val"], sets):
        rule.training_sets = sets
        if candidate is None or not candidate.by_joint:
            rule.fit(parts["val"], scored.targets["val"])
        test = parts["test"]
        decided = rule.decide(test) if candidate is None else decided_by(candidate, rule, test)
        values[name] = round(float(COUNT_METRICS[metric](decided, scored.targets["test"])), 5)
        if candidate is None:
            values["chosen"] = rule.described()["chosen"]
    return values


def measure(data: str) -> None:
    """Judge the data set's heads, on the splits and by the metrics that are not kept yet."""
    store, stored = KEPT / f"{data}.jsonl", kept()
    done = set(stored[KEYS].itertuples(index=False, name=None)) if len(stored) else set()
    for metric in METRICS:
        for head in LISTED[data]:
            keys = [(data, head, metric, split) for split in range(N_SPLITS)]
            if done.issuperset(keys):
                continue
            settings = SETTINGS.get(data, FULL)
            for key, scored in zip(
                keys, of_data(data, head, N_SPLITS, KEPT, settings), strict=True
            ):
                if key not in done:
                    line = dict(zip(KEYS, key, strict=True)) | judge(scored, head, metric)
                    with store.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
            print(data, metric, head, flush=True)


def kept() -> pd.DataFrame:
    """Return a row for each data set, head, metric and split that was judged."""
    paths = sorted(KEPT.glob("*.jsonl"))
    lines = [json.loads(line) for path in paths for line in path.open(encoding="utf-8")]
    frames = [pd.DataFrame(lines)] if lines else []
    if (RESULTS / "rules.csv").is_file():
        frames.insert(0, pd.read_csv(RESULTS / "rules.csv"))
    return pd.concat(frames).drop_duplicates(KEYS, keep="last") if frames else pd.DataFrame()


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of which all splits were judged, in the order of `LISTED`."""
    sizes = frame.groupby(["data", "head", "metric"])["split"].transform("size")
    orders = {"data": list(LISTED), "head": list(MANY), "metric": list(METRICS)}

    def position(column: pd.Series[Any]) -> pd.Series[Any]:
        order = orders.get(str(column.name))
        return column if order is None else column.map(order.index)

    rows = frame[sizes == N_SPLITS]
    return rows.sort_values(["metric", "data", "head", "split"], key=position, ignore_index=True)


def compared(frame: pd.DataFrame, rule: str) -> dict[str, Any]:
    """Compare a rule with the best one in hindsight and with `global`, over data sets and heads."""
    names = [one.words for one in CANDIDATES]
    losses, gains, worse, better, n_possible = [], [], 0, 0, 0
    for _, rows in frame.groupby(["data", "head"], sort=False):
        values = rows[[name for name in names if name in rows]].dropna(axis=1)
        is_possible = rule == "auto" or rule in values
        of_rule = rows[rule] if is_possible else rows["global"]
        losses.append(values.mean().max() - of_rule.mean())
        gap = of_rule - rows["global"]
        half = stats.t.ppf(0.975, len(gap) - 1) * gap.std() / np.sqrt(len(gap))
        gains.append(gap.mean())
        worse += int(gap.mean() < -WORSE and gap.mean() + half < 0)
        better += int(gap.mean() > WORSE and gap.mean() - half > 0)
        n_possible += int(is_possible)
    return {
        "losses": losses, "gains": gains, "worse": worse, "better": better,
        "n": len(gains), "n_possible": n_possible,
    }  # fmt: skip


def table_of_rules(frame: pd.DataFrame, names: Sequence[str]) -> Table:
    """Return a table of rules over all pairs of data set and head."""
    lines = []
    for name in names:
        result = compared(frame, name)
        lines.append([
            name, str(result["n_possible"]), f"{np.mean(result['losses']):.4f}",
            f"{max(result['losses']):.4f}", f"{np.mean(result['gains']):+.4f}",
            f"{min(result['gains']):+.4f}", f"{result['worse']} of {result['n']}",
            f"{result['better']} of {result['n']}",
        ])  # fmt: skip
    header = ["rule", "pairs", "loss", "largest", "less global", "least", "worse", "better"]
    return Table(header, lines, 1)


def table_of_data(frame: pd.DataFrame, names: Sequence[str]) -> Table:
    """Return a table of `auto` beside `global`, `fixed` and the best rule, by data set and head."""
    lines = []
    for (data, head), rows in frame.groupby(["data", "head"], sort=False):
        means = rows[[name for name in names if name in rows]].mean()
        common = rows["chosen"].value_counts()
        lines.append([
            data, head,
            *("-" if pd.isna(rows[name].mean()) else f"{rows[name].mean():.3f}"
              for name in ("fixed", "global", "auto")),
            f"{means.idxmax()} {means.max():.3f}", f"{common.index[0]} ({common.iloc[0]})",
        ])  # fmt: skip
    return Table(["data", "head", "fixed", "global", "auto", "best", "chosen"], lines, 2)


def summary(frame: pd.DataFrame) -> Table:
    """Return a table of `auto` by metric, on all data sets and on those held out from its design."""
    lines = []
    for metric in METRICS:
        rows = frame[frame["metric"] == metric]
        for part, some in (("all", rows), ("held out", rows[~rows["data"].isin(LOOKED_AT)])):
            result = compared(some, "auto")
            share = result["worse"] / result["n"]
            lines.append([
                metric, part, str(some["data"].nunique()), str(result["n"]),
                f"{np.mean(result['losses']):.4f}", f"{np.mean(compared(some, 'global')['losses']):.4f}",
                f"{np.mean(result['gains']):+.4f}", f"{min(result['gains']):+.4f}",
                f"{result['worse']} ({share:.0%})", str(result["better"]),
            ])  # fmt: skip
    header = [
        "metric", "data sets", "number", "pairs", "loss", "loss of global", "less global", "least",
        "worse", "better",
    ]  # fmt: skip
    return Table(header, lines, 2)


def sections(frame: pd.DataFrame) -> Iterator[tuple[str, Table]]:
    """Yield the texts and tables of the report."""
    looked_at = ", ".join(LOOKED_AT)
    yield (
        "`auto` over pairs of data set and head, ten splits each. Loss is the difference to the best"
        " rule in hindsight (the best mean over the splits of the same test rows, so a rule that may"
        " be chosen for its luck). A pair is worse or better than `global` if the mean difference"
        f" exceeds {WORSE} and a paired 95% t-interval over the splits excludes 0; the splits share"
        " rows, so these intervals are approximate. The margin of half a standard error, by which a"
        f' rule must beat `global`, was set after a look at nine pairs of {looked_at}: "held out"'
        " leaves these data sets out.",
        summary(frame),
    )
    for metric in METRICS:
        rows = frame[frame["metric"] == metric]
        present = [c.words for c in CANDIDATES if c.words in rows and rows[c.words].notna().any()]
        held_out = rows[~rows["data"].isin(LOOKED_AT)]
        yield (
            f"{metric}: each rule on all pairs of data set and head (where a head cannot take it,"
            " `global`): mean and largest loss to the best rule in hindsight, mean and least"
            " difference to `global`, and in how many pairs it is worse or better. Networks have two"
            " layers of 256, 60 epochs and batches of 64 (yeast, enron and bibtex: layers of 128, 30"
            " epochs, batches of 128), AdamW at the rate 0.002 with a cosine schedule.",
            table_of_rules(rows, ["auto", *present]),
        )
        yield (
            f"{metric}: the same without {looked_at}.",
            table_of_rules(held_out, ["auto", *present]),
        )
        yield (
            f"{metric}: means over the splits, the best rule in hindsight, and what `auto` chose most"
            " often (in brackets, on how many splits).",
            table_of_data(rows, present),
        )


def main() -> None:
    """Measure what is named, and write the tables and all values."""
    os.nice(10)
    torch.set_num_threads(1)
    KEPT.mkdir(parents=True, exist_ok=True)
    for data in sys.argv[1:]:
        measure(data)
    frame = complete(kept())
    write_text(RESULTS / "rules.csv", frame.to_csv(index=False))
    write(
        "rules",
        "The rule `auto` against each rule that it chooses among",
        f"python -m benchmarks.rules {' '.join(LISTED)}",
        list(sections(frame)),
    )


if __name__ == "__main__":
    main()
