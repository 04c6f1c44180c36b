"""The work of mlc-compare: plan, train and answer."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from mlc.comparing.budgets import BUDGETS
from mlc.comparing.plan import Plan, check_names, rule_overrides
from mlc.comparing.planning import plan_comparison, plan_text
from mlc.comparing.quiet import brief_log
from mlc.comparing.stored import add_seconds, is_of_data, numbered, read_plan, write_plan
from mlc.comparing.writing import write_answer
from mlc.config.errors import ConfigError, MissingLabelError, MlcError
from mlc.config.quoting import quoted
from mlc.config.schema import parse, register_configs
from mlc.config.texts import counted_of, listed
from mlc.data.base import SOURCES, Dataset, SplitOptions
from mlc.data.card import describe
from mlc.data.splits import split_dataset
from mlc.launching.command import launch
from mlc.launching.composing import composed
from mlc.launching.data_card import overrides as data_overrides
from mlc.launching.names import data_name
from mlc.runs.ownership import path_part


def compare(arguments: argparse.Namespace, defaults: Mapping[str, Any]) -> None:
    """Say what the data hold and what is planned, train it, and print the answer.

    Args:
        arguments: those of mlc-compare.
        defaults: the estimator's parameters, for the code to take away.

    Raises:
        MlcError: the data, an option or the folder cannot be used.
    """
    started = time.perf_counter()
    check_names(arguments.heads, arguments.labels, arguments.metric)
    register_configs()
    chosen = _data_overrides(arguments)
    config = composed(["experiment=which_head", *chosen])
    options = parse(config)
    folder = arguments.folder or default_folder(config, arguments)
    asked = _asked(arguments)
    dataset = _dataset_of_known_labels(options.data)
    if "test" not in dataset.parts and hasattr(options.data, "split_seed"):
        _redraw_test_rows(arguments, chosen, options.data)
    split = split_dataset(dataset, options.data, 0)
    # After the data, so that a misspelled column is not taken for another comparison.
    plan = read_plan(folder, asked)
    with_linear = options.report.yardsticks
    if plan is None:
        print("Timing a first piece of each head ...", file=sys.stderr, flush=True)
        plan = plan_comparison(arguments, chosen, dataset, split, with_linear)
    # Nothing above this line is refused below it.
    print(describe(dataset, split, options.data, 0).text(), flush=True)
    print(plan_text(plan, folder, arguments), flush=True)
    if arguments.plan:
        return
    before = write_plan(folder, plan, asked)
    try:
        failure = _train(folder, plan, arguments, chosen)
    finally:
        add_seconds(folder, time.perf_counter() - started)
    metrics = _metrics(arguments.metric)
    try:
        with brief_log():
            text = write_answer(
                folder,
                metrics,
                defaults,
                arguments.margin,
                seconds=before + time.perf_counter() - started,
                dataset=dataset,
                with_linear=with_linear,
            )
    except MlcError:
        if failure is not None:
            raise failure from None
        raise
    print(f"\n{text}\n\n{folder / 'report.html'}")


def _dataset_of_known_labels(options: Any) -> Dataset:
    """Load the data set; refuse missing and soft labels in words that hold for a comparison.

    Raises:
        MlcError: the data cannot be read, a label is missing, or labels are probabilities.
    """
    if getattr(options, "soft_labels", False):
        raise ConfigError(
            "A comparison judges rows by all their labels, which are 0 or 1: leave data.soft_labels out,"
            " or train on probabilities with mlc-train."
        )
    try:
        dataset: Dataset = SOURCES[options.name].load(options)
    except MissingLabelError:
        # The reader proposes "mask", with which nothing can be compared.
        masked = dataclasses.replace(options, missing_labels="mask")
        dataset = SOURCES[options.name].load(masked)
    if dataset.known is None:
        return dataset
    gaps = ~dataset.known
    names = [dataset.label_names[column] for column in np.flatnonzero(gaps.any(axis=0))]
    missing = int(gaps.sum())
    raise ConfigError(
        f"{counted_of(missing, gaps.size, 'label', 'are')} missing (of"
        f" {listed(names, 5)}), and a comparison judges rows by all their labels: fill them with 0 or"
        " 1, or state data.missing_labels=negative, which takes them as 0; data.missing_labels=mask,"
        " which trains on the known ones, is for mlc-train."
    )


def _redraw_test_rows(
    arguments: argparse.Namespace, chosen: list[str], options: SplitOptions
) -> None:
    """Let each split draw test rows of its own, as large a share as all splits together test once.

    A small share leaves more training rows to each split, and splits that share fewer of them.
    """
    given = {override.partition("=")[0].lstrip("+") for override in chosen}
    if "data.split_seed" in given:
        return
    chosen.append("data.split_seed=null")
    options.split_seed = None
    if "data.test_fraction" not in given:
        options.test_fraction = round(1 / BUDGETS[arguments.budget].n_all_splits, 4)
        chosen.append(f"data.test_fraction={options.test_fraction}")


def _data_overrides(arguments: argparse.Namespace) -> list[str]:
    """The data set and its files as Hydra's overrides."""
    files = {"test_path": arguments.test, "val_path": arguments.validation}
    data = data_overrides(arguments)
    names_backbone = any(setting.startswith("backbone=") for setting in arguments.settings)
    return [
        *(["backbone=cnn"] if "data=images" in data and not names_backbone else []),
        *data,
        *(f"data.{key}={quoted(name)}" for key, name in files.items() if name is not None),
    ]


def default_folder(config: DictConfig, arguments: argparse.Namespace) -> Path:
    """The folder that bears the name of the data; of several data sets of one name, each has its own."""
    name = f"{data_name(config)}_{arguments.metric}_{arguments.budget}"
    first = Path("compared") / path_part(name)
    return next(
        folder
        for number in count(1)
        if is_of_data(folder := numbered(first, number), arguments.data)
    )


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options on which the plan depends."""
    data = ("data", "labels", "text", "image", "test", "validation")
    keys = (*data, "metric", "budget", "minutes", "heads", "settings")
    return {key: getattr(arguments, key) for key in keys}


def _metrics(metric: str) -> list[str]:
    return list(dict.fromkeys([metric, "jaccard_samples", "f1_macro", "subset_accuracy"]))


def _train(
    folder: Path, plan: Plan, arguments: argparse.Namespace, chosen: Sequence[str]
) -> Exception | None:
    """Train what is not finished; return the error of a search in which runs failed."""
    metric = arguments.metric
    words = [
        "-m",
        "experiment=which_head",
        *chosen,
        f"head={','.join(plan.heads)}",
        f"seed={','.join(map(str, range(plan.n_splits)))}",
        *rule_overrides(metric, plan.rules),
        f"trainer.monitor={metric}",
        f"report.metrics=[{','.join(_metrics(metric))}]",
        "report.answer=false",
        # The answer has its own, under every rule.
        "report.yardsticks=false",
        f"hydra.sweeper.n_trials={plan.n_trials}",
        f"hydra.sweeper.more_seeds={plan.n_more}",
        f"hydra.sweeper.metric={metric}",
        f"hydra.sweep.dir={quoted(str(folder))}",
        "resume=true",
    ]
    try:
        # The answer stands for its tables, which are in the folder.
        with brief_log():
            launch(words, shows_summary=False)
    except ConfigError:
        raise
    except MlcError as error:
        return error
    return None
