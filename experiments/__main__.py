"""Run experiments and print their results: python -m experiments [NAME ...] --budget quick|full"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from experiments import claims
from experiments.harness import EXPERIMENTS, load
from experiments.harness.experiment import ROOT
from experiments.harness.running import (
    RESULTS,
    build_report,
    compare,
    measure,
    overview,
    overview_documents,
)
from experiments.harness.study import BUDGETS
from mlc.config.imports import add_import_flag, import_parts
from mlc.config.texts import counted
from mlc.launching.command import in_one_sentence


def main() -> None:
    """Parse the command line and run the experiments."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument("--budget", choices=BUDGETS, default="quick")
    parser.add_argument(
        "--folder", type=Path, default=Path("reproduced"),
        help="folder of the rows; the READMEs quote those in results",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, help="number of processes; default: one per core")
    parser.add_argument(
        "--only", action="append", default=[], metavar="KEY=VALUE",
        help="measure only the trials with this setting, as in data=yeast; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--report", action="store_true", help="measure nothing, report the present rows"
    )
    add_import_flag(parser)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    reported, status = [], 0
    for name in arguments.names or EXPERIMENTS:
        try:
            import_parts(arguments.imports)
            reported.append(run(name, arguments))
        # An error in one experiment must not stop the others.
        except Exception as error:
            sentence = in_one_sentence(error)
            if sentence is None:
                raise
            print(f"experiments: {sentence}", file=sys.stderr)
            status = sentence.exit_status
    if any(reported) and arguments.folder.resolve() == RESULTS.resolve():
        # Only once: the overview quotes every experiment, and some reports take ten seconds.
        report = overview()
        for document in overview_documents(ROOT.parent):
            report.refresh(document)
        status = max(status, claims.main())
    sys.exit(status)


def run(name: str, arguments: argparse.Namespace) -> bool:
    """Measure and report one experiment; return False if trials are missing, without a report."""
    experiment, folder = load(name), arguments.folder / name
    if not arguments.report:
        n_missing = measure(experiment, folder, arguments.budget, arguments.workers, arguments.only)
        if n_missing:
            are = "is" if n_missing == 1 else "are"
            print(
                f"{name}: {counted(n_missing, 'trial')} of the {arguments.budget} budget {are} missing;"
                " --report reports the others."
            )
            return False
    built = build_report(experiment, folder)
    built.report.write(folder, built.foot)
    differences: list[str] = []
    if folder.resolve() == (RESULTS / name).resolve():
        built.report.refresh(ROOT / name / "README.md", built.foot)
    elif (RESULTS / name).is_dir():
        differences = compare(experiment, folder, RESULTS / name)
    print(f"\n{name}\n{'=' * len(name)}\n\n{built.report.text()}\n\n{built.foot}\n{folder}")
    print("\n".join(differences))
    return True


if __name__ == "__main__":
    main()
