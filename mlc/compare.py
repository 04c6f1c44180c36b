"""Entry point: which head and decision rule to use for a data set of one's own.

mlc-compare posts.csv --labels tags --text body
mlc-compare yeast --metric f1_macro --budget fair
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mlc.comparing.plan import BUDGETS, Plan, check_names, rule_overrides
from mlc.comparing.planning import plan_comparison, plan_text
from mlc.comparing.quiet import brief_log
from mlc.comparing.stored import add_seconds, read_plan, write_plan
from mlc.comparing.writing import write_answer
from mlc.config.errors import ConfigError, MlcError
from mlc.config.imports import add_import_flag, import_parts
from mlc.config.schema import parse, register_configs
from mlc.config.texts import never_fail_to_print
from mlc.data.__main__ import overrides as data_overrides
from mlc.data.base import SOURCES
from mlc.data.card import describe
from mlc.data.splits import split_dataset
from mlc.estimator import MultiLabelClassifier
from mlc.launching.composing import composed
from mlc.launching.names import data_name
from mlc.launching.overrides import quoted
from mlc.launching.sweep import Refusal
from mlc.metrics.counts import COUNT_METRICS
from mlc.runs.ownership import path_part
from mlc.train import errors_raised_by_hydra, in_one_sentence, launch


def main(words: list[str] | None = None) -> None:
    """Parse the command line, train the comparison and print its answer."""
    arguments = _parser().parse_intermixed_args(words)
    never_fail_to_print()
    with errors_raised_by_hydra() as wants_trace:
        try:
            import_parts(arguments.imports)
            compare(arguments)
        except KeyboardInterrupt:
            print("\nmlc-compare: interrupted; the same command goes on.", file=sys.stderr)
            sys.exit(130)
        except (Exception, Refusal) as error:
            readable = in_one_sentence(error)
            if readable is None or wants_trace:
                raise
            print(f"mlc-compare: {readable}", file=sys.stderr)
            sys.exit(readable.exit_status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlc-compare",
        description="Say which head and decision rule to use for a data set, and write the code.",
    )
    parser.add_argument(
        "data", help="a file; FOLDER/NAME of ARFF files; or a data set's name as in data=NAME"
    )
    parser.add_argument(
        "--labels",
        action="extend",
        nargs="+",
        help="the column that holds label sets, or several of 0 and 1 (or yes and no, true and false)",
    )
    parser.add_argument("--text", help="the column whose words are the features")
    parser.add_argument("--image", help="the column that names image files")
    parser.add_argument("--test", metavar="FILE", help="the test rows (data.test_path)")
    parser.add_argument("--validation", metavar="FILE", help="the validation rows (data.val_path)")
    parser.add_argument(
        "--metric",
        default="jaccard_samples",
        metavar="METRIC",
        help="by which all is chosen and compared (jaccard_samples): " + ", ".join(COUNT_METRICS),
    )
    parser.add_argument(
        "--budget",
        default="quick",
        choices=list(BUDGETS),
        help="configurations of each head x splits + further splits of the chosen one: "
        + ", ".join(
            f"{name} {each.n_trials} x {each.n_splits} + {each.n_more}"
            for name, each in BUDGETS.items()
        ),
    )
    parser.add_argument(
        "--minutes",
        type=_positive,
        help="fewer configurations and splits, so that it takes no longer",
    )
    parser.add_argument("--heads", help="all, or names with commas between them")
    parser.add_argument(
        "--margin", type=_positive, default=0.01, help="differences up to this are equal (0.01)"
    )
    parser.add_argument("--folder", type=Path, help="for all files (compared/NAME_METRIC_BUDGET)")
    parser.add_argument("--plan", action="store_true", help="only say what would be trained")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="further settings, as in data.separator=;",
    )
    add_import_flag(parser)
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not more than 0")
    return value


def compare(arguments: argparse.Namespace) -> None:
    """Say what the data hold and what is planned, train it, and print the answer.

    Raises:
        MlcError: the data, an option or the folder cannot be used.
    """
    started = time.perf_counter()
    check_names(arguments.heads, arguments.labels, arguments.metric)
    register_configs()
    chosen = _data_overrides(arguments)
    config = composed(["experiment=which_head", *chosen])
    options = parse(config)
    folder = arguments.folder or _default_folder(config, arguments)
    asked = _asked(arguments)
    dataset = SOURCES[options.data.name].load(options.data)
    is_given = any(re.match(r"\+*data\.split_seed=", override) for override in chosen)
    if "test" not in dataset.parts and hasattr(options.data, "split_seed") and not is_given:
        chosen.append("data.split_seed=null")
        options.data.split_seed = None
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
        text = write_answer(
            folder,
            metrics,
            MultiLabelClassifier().get_params(deep=False),
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


def _data_overrides(arguments: argparse.Namespace) -> list[str]:
    """The data set and its files as Hydra's overrides."""
    files = {"test_path": arguments.test, "val_path": arguments.validation}
    return [
        *data_overrides(arguments),
        *(f"data.{key}={quoted(name)}" for key, name in files.items() if name is not None),
    ]


def _default_folder(config: DictConfig, arguments: argparse.Namespace) -> Path:
    name = f"{data_name(config)}_{arguments.metric}_{arguments.budget}"
    return Path("compared") / path_part(name)


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


if __name__ == "__main__":
    main()
