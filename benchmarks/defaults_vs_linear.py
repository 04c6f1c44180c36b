"""Compare default settings and tuned linear models of scikit-learn on thirteen data sets.

Default settings are those of the mlp with several heads, and of the linear backbone with the loss of
the linear SVM. A measured model of a data set has its row in
results/benchmarks/defaults_vs_linear.csv and is not measured again.

    python -m benchmarks.defaults_vs_linear --folder FOLDER [--data NAME ...]

FOLDER is as for benchmarks.defaults.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.defaults import DATA, MOST_ROWS, TEXTS, load, precision_at_1
from benchmarks.measuring import RESULTS, append_rows, data_parser, stored_rows, write
from benchmarks.networks import training_of
from mlc.comparing.intervals import Part, simultaneous
from mlc.comparing.row_values import row_values
from mlc.config.registry import HEADS, OPTIMIZERS
from mlc.config.schema import Config, parse, register_configs
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.evaluation.judging import Evaluation, evaluate
from mlc.evaluation.linear_models import YARDSTICKS
from mlc.evaluation.yardsticks import tune
from mlc.launching.composing import composed
from mlc.metrics.final import decision_metrics
from mlc.reporting.tables import Table
from mlc.training.defaults import kind_of, resolve
from mlc.training.rules import build_rules

NAME = "defaults_vs_linear"
STORED = RESULTS / f"{NAME}.csv"
METRIC = "jaccard_samples"
# Heads of the mlp.
CANDIDATES = "sigmoid", "label_powerset", "pairwise"
BEST, LINEAR = "best head", "linear, squared_hinge"
# pairwise has an output for each pair of labels.
_MOST_PAIRWISE = 20
SHOWN = METRIC, "f1_micro", "subset_accuracy"


@dataclasses.dataclass(frozen=True)
class Judged:
    """A model on each split.

    Attributes:
        validation: the metric of the validation rows, mean over the splits.
        decisions: the label sets of the test rows, (N, K) for each split.
        values: other metrics of the test rows, mean over the splits.
        seconds: CPU time of one training or tuning, with the decisions.
    """

    validation: float
    decisions: list[NDArray[np.bool_]]
    values: dict[str, float]
    seconds: float


def network(dataset: Dataset, splits: Sequence[Split], head: str, backbone: str = "mlp") -> Judged:
    """Train the head with all default settings on each split, decided by auto."""
    rule = "decisions=[auto]", f"decision.auto.metric={METRIC}"
    config = parse(composed([f"backbone={backbone}", f"head={head}", *rule]))
    config = resolve(config, kind_of(dataset, splits[0].train))
    configs = [dataclasses.replace(config, seed=seed) for seed in range(len(splits))]
    began = time.process_time()
    # L-BFGS trains one run at a time.
    size = len(splits) if OPTIMIZERS[config.optimizer.name].stacked else 1
    results = []
    for first in range(0, len(splits), size):
        part = slice(first, first + size)
        results += _evaluations(configs[part], dataset, splits[part], head)
    seconds = (time.process_time() - began) / len(splits)
    top = [
        precision_at_1(torch.as_tensor(result.scores["test"]), dataset.targets[split.test])
        for result, split in zip(results, splits, strict=True)
    ]
    decisions = [result.decisions["test"]["auto"] for result in results]
    return Judged(
        float(np.mean([result.metrics[f"val/auto/{METRIC}"] for result in results])),
        decisions,
        {**_means(decisions, dataset, splits), "precision_at_1": float(np.mean(top))},
        seconds,
    )


def _evaluations(
    configs: Sequence[Config], dataset: Dataset, splits: Sequence[Split], head: str
) -> list[Evaluation]:
    training, used = training_of(configs, dataset, splits)
    for _ in training:
        pass
    rules = [
        build_rules(configs[0], HEADS[head], used.n_labels, used.targets[split.train])
        for split in splits
    ]
    return evaluate(training.model, training.data, used, splits, rules)


def linear(dataset: Dataset, splits: Sequence[Split], kind: Any) -> Judged:
    """Tune a linear model on each split."""
    began = time.process_time()
    decisions = [tune(kind(), dataset, split, METRIC)[0] for split in splits]
    seconds = (time.process_time() - began) / len(splits)
    return Judged(float("nan"), decisions, _means(decisions, dataset, splits), seconds)


def _means(
    decisions: Sequence[NDArray[np.bool_]], dataset: Dataset, splits: Sequence[Split]
) -> dict[str, float]:
    metrics = [
        decision_metrics(decided, dataset.targets[split.test])
        for decided, split in zip(decisions, splits, strict=True)
    ]
    return {name: float(np.mean([each[name] for each in metrics])) for name in SHOWN}


def measure(
    data: str, dataset: Dataset, splits: Sequence[Split], done: Collection[str] = ()
) -> list[dict[str, object]]:
    """Return a row for each model that is not done; the best head is chosen on validation rows."""
    networks: dict[str, Judged] = {}
    best = ""
    if BEST not in done:
        heads = [h for h in CANDIDATES if h != "pairwise" or dataset.n_labels <= _MOST_PAIRWISE]
        of_heads = {head: network(dataset, splits, head) for head in heads}
        best = max(of_heads, key=lambda head: of_heads[head].validation)
        networks = {"sigmoid": of_heads["sigmoid"], BEST: of_heads[best]}
    if LINEAR not in done:
        networks[LINEAR] = network(dataset, splits, "squared_hinge", "linear")
    names = {BEST: best, LINEAR: "squared_hinge"}
    lines = {kind.name: linear(dataset, splits, kind) for kind in YARDSTICKS}
    judged = {**networks, **lines}
    parts = {
        name: [
            Part(split.test, row_values(METRIC, decided, dataset.targets[split.test]))
            for decided, split in zip(each.decisions, splits, strict=True)
        ]
        for name, each in judged.items()
    }
    return [
        {
            "data": data, "model": name, "head": names.get(name, name),
            "n_train": len(splits[0].train), "splits": len(splits),
            "validation": f"{each.validation:.4f}",
            **{key: f"{each.values[key]:.4f}" for key in SHOWN},
            "precision_at_1": f"{each.values.get('precision_at_1', np.nan):.4f}",
            "seconds": f"{each.seconds:.1f}",
            **(_differences(parts, name, list(lines)) if name not in lines else
               {f"{line}_{part}": "" for line in lines for part in ("difference", "half_width")}),
        }
        for name, each in judged.items()
        if name not in done
    ]  # fmt: skip


def _differences(
    parts: Mapping[str, Sequence[Part]], name: str, lines: Sequence[str]
) -> dict[str, str]:
    values = {}
    for line in lines:
        pair = {name: parts[name], line: parts[line]}
        difference = simultaneous(pair, line)[name]
        values[f"{line}_difference"] = f"{difference.mean:.4f}"
        values[f"{line}_half_width"] = f"{difference.half_width:.4f}"
    return values


def report() -> None:
    """Print and write the tables."""
    of_data: dict[str, dict[str, dict[str, str]]] = {}
    for row in stored_rows(STORED):
        of_data.setdefault(row["data"], {})[row["model"]] = row
    lines = [kind.name for kind in YARDSTICKS]
    compared = {"sigmoid": "sigmoid", LINEAR: "hinge", "best": "best"}
    header = ["data", "best", *compared.values(), *lines]
    header += [f"{name} - {line}" for name in compared.values() for line in lines]
    rows = []
    for data, models in of_data.items():
        models["best"] = best = best_default(models)
        name = "linear hinge" if best["model"] == LINEAR else best["head"]
        row = [data, name, *(_value(models.get(each)) for each in (*compared, *lines))]
        row += [_cell(models.get(each), line) for each in compared for line in lines]
        rows.append(row)
    text = (
        "Jaccard index of the test rows (`jaccard_samples`). *sigmoid* is `backbone=mlp` with all"
        " default settings, *hinge* is `backbone=linear head=squared_hinge` with all default settings;"
        " both are decided by `auto`. *best* has the best validation value under its rule, of *hinge*"
        " and of the mlp with the heads sigmoid, label_powerset and (up to"
        f" {_MOST_PAIRWISE} labels) pairwise. The last two models are scikit-learn's LIBLINEAR,"
        " one-vs-rest on the same features; validation rows choose C, the threshold and at least one"
        " label. ± is half of the 95% interval of the paired difference over splits and test rows; !"
        " marks a model that is behind by more than that. - has not been measured. Of imdb"
        f" {MOST_ROWS:,} training rows are used."
    )
    metrics = [*SHOWN, "precision_at_1", "seconds"]
    second = [
        [row["data"], f"{row['model']} ({row['head']})", *(row[name] for name in metrics)]
        for row in sorted(stored_rows(STORED), key=lambda row: DATA.index(row["data"]))
        if row["data"] in TEXTS
    ]
    write(
        NAME,
        "Default settings and tuned linear models",
        f"python -m benchmarks.{NAME} --folder FOLDER",
        [
            (text, Table(header, rows)),
            (
                "The texts. Seconds are CPU time of one training with its decisions, or of a whole"
                " tuning, on one thread.",
                Table(["data", "model", *metrics], second),
            ),
        ],
    )


def best_default(models: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Return the row of the default model with the best validation value."""
    candidates = [models[name] for name in (BEST, LINEAR) if name in models]
    return max(candidates, key=lambda row: float(row["validation"]))


def _value(row: Mapping[str, str] | None) -> str:
    return "-" if row is None else row[METRIC]


def _cell(row: Mapping[str, str] | None, line: str) -> str:
    if row is None:
        return "-"
    difference = float(row[f"{line}_difference"])
    half_width = float(row[f"{line}_half_width"])
    mark = " !" if difference + half_width < 0 else ""
    return f"{difference:+.3f} ±{half_width:.3f}{mark}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not stored, then write the tables."""
    options = data_parser(__doc__, DATA).parse_args(arguments)
    register_configs()
    torch.set_num_threads(1)
    for data in options.data:
        done = {row["model"] for row in stored_rows(STORED) if row["data"] == data}
        if LINEAR in done:
            continue
        rows = measure(data, *load(options.folder, data), done)
        append_rows(STORED, rows)
        print(*([row["model"], row["head"], row[METRIC]] for row in rows), flush=True)
    report()


if __name__ == "__main__":
    main()
