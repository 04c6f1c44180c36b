"""Entry point: which head and decision rule to use for a data set of one's own.

mlc-compare posts.csv --labels tags --text body
mlc-compare yeast --metric f1_macro --budget fair
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlc.comparing.budgets import BUDGETS
from mlc.config.imports import add_import_flag, import_parts, uncollected
from mlc.config.parsers import Parser
from mlc.config.registry import METRICS
from mlc.launching.printing import printing


@printing("mlc-compare")
def main(words: list[str] | None = None) -> None:
    """Parse the command line, train the comparison and print its answer."""
    arguments = _parser().parse_intermixed_args(words)
    # Imports torch, which takes seconds.
    with uncollected():
        from mlc.comparing.command import compare
        from mlc.estimator import MultiLabelClassifier
        from mlc.launching.command import errors_raised_by_hydra, in_one_sentence
        from mlc.launching.stopping import stop_status, stops_raised
        from mlc.launching.sweep import Refusal

    with errors_raised_by_hydra() as wants_trace, stops_raised():
        try:
            import_parts(arguments.imports)
            compare(arguments, MultiLabelClassifier().get_params(deep=False))
        except (Exception, KeyboardInterrupt, Refusal) as error:
            status = stop_status(error)
            if status is not None:
                print("\nmlc-compare: interrupted; the same command goes on.", file=sys.stderr)
                sys.exit(status)
            readable = in_one_sentence(error)
            if readable is None or wants_trace:
                raise
            print(f"mlc-compare: {readable}", file=sys.stderr)
            sys.exit(readable.exit_status)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="mlc-compare",
        description="Say which head and decision rule to use for a data set, and write the code.",
    )
    parser.add_argument(
        "data",
        help="a file; FOLDER/NAME of ARFF files; a folder of images; or a name as in data=NAME",
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
        help="by which all is chosen and compared (jaccard_samples): " + ", ".join(METRICS),
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


if __name__ == "__main__":
    main()
