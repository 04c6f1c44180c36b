"""The rule `auto` against each rule that it chooses among: python -m benchmarks.rules [DATA ...]

Trains heads on the data sets under $MLC_DATA, each on ten splits, and decides their test rows by every
rule. Scores and values are kept in `outputs/rules`, so that a second call goes on where the first ended;
without data sets it only writes the tables of what is kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats

from benchmarks.measuring import RESULTS, write
from benchmarks.scored import Scored, named, of_data
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
N_SPLITS = 10
WORSE = 0.005
FEW = ("sigmoid", "pick_one", "label_powerset", "zlpr", "weighted_sigmoid")
MANY = (*FEW, "chain", "bernoulli_mixture", "pairwise")
LISTED = {
    "flags": MANY, "emotions": MANY, "birds": MANY, "scene": FEW, "yeast": (*FEW, "bernoulli_mixture"),
    "cal500": ("sigmoid", "pick_one", "label_powerset", "zlpr", "chain", "bernoulli_mixture"),
    "enron": FEW, "bibtex": ("sigmoid",),
}  # fmt: skip
# Half the width, half the epochs and twice the batch, for the time that these take.
SHORT = ("backbone.widths=[128,128]", "trainer.max_epochs=30", "trainer.batch_size=128")
SETTINGS = dict.fromkeys(("yeast", "enron", "bibtex"), SHORT)


def predictions(scored: Scored) -> dict[str, Prediction]:
    """By part, as `evaluate` hands them to rules."""
    words = {named(own.rule, own.at_least_one): own.words for own in CANDIDATES if own.by_joint}
    return {
        part: Prediction(
            scores,
            cardinality=scored.cardinality.get(part),
            decided={words[name]: own for name, own in scored.decided[part].items()},
        )
        for part, scores in scored.scores.items()
    }


def rules(
    metric: str, natural: float | None, given: Prediction, sets: torch.Tensor
) -> Iterator[tuple[str, Candidate | None, DecisionRule]]:
    """`auto`, and each rule that it may choose, by name."""
    auto = build_decision("auto", natural_threshold=natural, metric=metric)
    for own in CANDIDATES:
        if own.is_apt(metric) and own.is_possible(natural, given, len(sets)):
            yield own.words, own, own.build(metric, natural)
    yield "auto", None, auto


def judge(scored: Scored, head: str, metric: str) -> dict[str, Any]:
    """The test value of each rule, and what `auto` chose."""
    natural = HEADS[head].natural_threshold(scored.scores["val"].shape[1])
    parts, sets = predictions(scored), distinct(scored.trained_on)
    found: dict[str, Any] = {}
    for name, own, rule in rules(metric, natural, parts["val"], sets):
        rule.training_sets = sets
        if own is None or not own.by_joint:
            rule.fit(parts["val"], scored.targets["val"])
        given = parts["test"]
        decided = rule.decide(given) if own is None else decided_by(own, rule, given)
        found[name] = round(float(COUNT_METRICS[metric](decided, scored.targets["test"])), 5)
        if own is None:
            found["chosen"] = rule.described()["chosen"]
    return found


def measure(data: str) -> None:
    """Judge the data set's heads, on the splits and by the metrics that are not kept yet."""
    store = KEPT / f"{data}.jsonl"
    lines = store.read_text(encoding="utf-8").splitlines() if store.is_file() else []
    done = {tuple(json.loads(line)[key] for key in ("head", "split", "metric")) for line in lines}
    for metric in METRICS:
        for head in LISTED[data]:
            more = SETTINGS.get(data, ())
            for split, scored in enumerate(of_data(data, head, N_SPLITS, KEPT, more)):
                if (head, split, metric) in done:
                    continue
                own = {"data": data, "head": head, "split": split, "metric": metric}
                with store.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(own | judge(scored, head, metric)) + "\n")
            print(data, metric, head, flush=True)


def kept() -> pd.DataFrame:
    """A line for each data set, head, split and metric, all of whose splits were judged."""
    lines = [line for path in sorted(KEPT.glob("*.jsonl")) for line in path.open(encoding="utf-8")]
    frame = pd.DataFrame([json.loads(line) for line in lines])
    sizes = frame.groupby(["data", "head", "metric"])["split"].transform("size")
    return frame[sizes == N_SPLITS].reset_index(drop=True)


def compared(frame: pd.DataFrame, rule: str) -> dict[str, Any]:
    """A rule with the best one in hindsight and with `global`, over data sets and heads."""
    names = [own.words for own in CANDIDATES]
    losses, gains, worse, better = [], [], 0, 0
    for _, rows in frame.groupby(["data", "head"], sort=False):
        values = rows[[name for name in names if name in rows]].dropna(axis=1)
        own = rows[rule] if rule == "auto" or rule in values else rows["global"]
        losses.append(values.mean().max() - own.mean())
        gap = own - rows["global"]
        half = stats.t.ppf(0.975, len(gap) - 1) * gap.std() / np.sqrt(len(gap))
        gains.append(gap.mean())
        worse += gap.mean() < -WORSE and gap.mean() + half < 0
        better += gap.mean() > WORSE and gap.mean() - half > 0
    return {
        "losses": losses, "gains": gains, "worse": int(worse), "better": int(better), "n": len(gains),
    }  # fmt: skip


def tables(frame: pd.DataFrame, metric: str) -> list[tuple[str, Table]]:
    """Each rule over all cases, and `auto` beside `global` and `fixed` by data set."""
    own = frame[frame["metric"] == metric]
    present = [c.words for c in CANDIDATES if c.words in own and own[c.words].notna().any()]
    lines = []
    for rule in ["auto", *present]:
        found = compared(own, rule)
        n_own = (
            found["n"]
            if rule == "auto"
            else int(own.groupby(["data", "head"])[rule].apply(lambda v: v.notna().all()).sum())
        )
        lines.append([
            rule, str(n_own), f"{np.mean(found['losses']):.4f}", f"{max(found['losses']):.4f}",
            f"{np.mean(found['gains']):+.4f}", f"{min(found['gains']):+.4f}",
            f"{found['worse']} of {found['n']}", f"{found['better']} of {found['n']}",
        ])  # fmt: skip
    header = ["rule", "cases", "loss", "largest", "less global", "least", "worse", "better"]
    by_data = []
    for (data, head), rows in own.groupby(["data", "head"], sort=False):
        best = rows[present].mean().idxmax()
        common = rows["chosen"].value_counts()
        by_data.append([
            data, head, *(f"{rows[name].mean():.3f}" if name in rows else "-"
                          for name in ("fixed", "global", "auto")),
            f"{best} {rows[best].mean():.3f}", f"{common.index[0]} ({common.iloc[0]})",
        ])  # fmt: skip
    return [
        (
            f"{metric}: ten splits of each data set, the default network and settings (yeast, enron and"
            " bibtex: layers of 128, 30 epochs, batches of 128). Each rule on all pairs of data set and"
            " head (where a head cannot take it, `global`): mean and largest loss to the best rule in"
            " hindsight, mean and least difference"
            " to `global`, and in how many pairs it is worse or better than `global` by more than"
            f" {WORSE} with a paired 95% t-interval over the splits that excludes 0.",
            Table(header, lines, 1),
        ),
        (
            f"{metric}: means over the splits, the best rule in hindsight, and what `auto` chose most"
            " often (in brackets, on how many splits).",
            Table(["data", "head", "fixed", "global", "auto", "best", "chosen"], by_data, 2),
        ),
    ]


def main() -> None:
    """Measure what is named, and write the tables and all values."""
    os.nice(10)
    torch.set_num_threads(1)
    for data in sys.argv[1:]:
        measure(data)
    frame = kept()
    write_text(RESULTS / "rules.csv", frame.to_csv(index=False))
    write(
        "rules",
        "The rule `auto` against each rule that it chooses among",
        f"python -m benchmarks.rules {' '.join(LISTED)}",
        [
            part
            for metric in METRICS
            if (frame["metric"] == metric).any()
            for part in tables(frame, metric)
        ],
    )


if __name__ == "__main__":
    main()
