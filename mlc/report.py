"""Entry point: summarise any folder of finished runs.

python -m mlc.report multirun/2026-01-31/12-00-00 --metrics f1_macro hamming_loss
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlc.config.errors import MlcError
from mlc.config.imports import add_import_flag, import_parts, uncollected
from mlc.config.schema import ReportOptions
from mlc.launching.printing import printing
from mlc.launching.stopping import stopped_in_one_sentence


@printing("mlc-report")
def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, write the summary into the folder and print it."""
    args = _parser().parse_args(arguments)
    with stopped_in_one_sentence("mlc-report"):
        _run(args)


def _run(args: argparse.Namespace) -> None:
    """Do the work; a refusal is one sentence."""
    try:
        print(_summarise(args), end="")
    except MlcError as error:
        print(f"mlc-report: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _parser() -> argparse.ArgumentParser:
    defaults = ReportOptions()
    parser = argparse.ArgumentParser(
        prog="mlc-report", description="Summarise a folder of finished runs."
    )
    parser.add_argument(
        "folder", type=Path, help="a sweep's folder, or any folder that contains runs"
    )
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=defaults.metrics,
        metavar="METRIC",
        help="the columns: any metric that the runs store, such as f1_macro, lrap, precision_at_1 or"
        " average_precision_macro; the figure and the paired tests use the first",
    )
    parser.add_argument(
        "--reference", default=defaults.reference, help="the head that others are compared with"
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="also write report.html, a page with all tables and charts",
    )
    add_import_flag(parser)
    return parser


def _summarise(args: argparse.Namespace) -> str:
    """Write the report into the folder; return its text."""
    # pandas and matplotlib take seconds to import.
    with uncollected():
        from mlc.config.registry import METRICS
        from mlc.files.writing import write_text
        from mlc.reporting.summary import write_summary
        from mlc.runs.ownership import check_report_files
        from mlc.runs.parts import require_part

    import_parts(args.imports)
    for metric in args.metrics:
        require_part(args.folder, METRICS.kind, metric)
    if args.html:
        check_report_files(args.folder, ["report.html"])
    results, summary = write_summary(args.folder, args.metrics, args.reference)
    if args.html:
        # The page needs jinja2, which other reports do not.
        from mlc.reporting.page import render

        page = args.folder / "report.html"
        write_text(page, render(results, args.folder.absolute(), args.metrics, args.reference))
        summary += f"\n{page}\n"
    return summary


if __name__ == "__main__":
    main()
