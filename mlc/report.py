"""Entry point: the summary of any folder of finished runs.

python -m mlc.report multirun/2026-01-31/12-00-00 --metrics f1_macro hamming_loss
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlc.config.errors import MlcError
from mlc.config.options import check
from mlc.config.schema import ReportOptions
from mlc.config.texts import never_fail_to_print
from mlc.files.writing import write_text
from mlc.reporting.page import render
from mlc.reporting.summary import write_summary
from mlc.runs.ownership import check_report_files


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, write the summary into the folder and print it."""
    defaults = ReportOptions()
    parser = argparse.ArgumentParser(
        prog="mlc-report", description="Summarise a folder of finished runs."
    )
    parser.add_argument("folder", type=Path, help="a sweep's folder, or any folder above runs")
    parser.add_argument(
        "--metrics",
        nargs="+",
        default=defaults.metrics,
        help="columns; the first is drawn and paired",
    )
    parser.add_argument(
        "--reference", default=defaults.reference, help="the head that others are compared with"
    )
    parser.add_argument(
        "--html", action="store_true", help="write report.html too: one page, all on it"
    )
    never_fail_to_print()
    stated = parser.parse_args(arguments)
    try:
        options = ReportOptions(stated.metrics, stated.reference)
        check(options)
        if stated.html:
            check_report_files(stated.folder, ["report.html"])
        results, summary = write_summary(stated.folder, options.metrics, options.reference)
        if stated.html:
            page = stated.folder / "report.html"
            write_text(page, render(results, stated.folder.absolute(), options.metrics))
            summary += f"\n{page}\n"
    except MlcError as error:
        print(f"mlc-report: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    print(summary, end="")


if __name__ == "__main__":
    main()
