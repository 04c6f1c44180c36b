"""Run experiments and print what they found: python -m experiments [NAME ...] --budget quick|full"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from experiments.harness import EXPERIMENTS, load
from experiments.harness.experiment import ROOT
from experiments.harness.running import RESULTS, compare, make, measure, overview
from experiments.harness.study import BUDGETS
from mlc.config.errors import MlcError


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(EXPERIMENTS))
    parser.add_argument("--budget", choices=BUDGETS, default="quick")
    parser.add_argument(
        "--folder", type=Path, default=Path("reproduced"),
        help="where the rows are kept; results is the one that the READMEs quote",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, help="processes; one for each core unless stated")
    parser.add_argument(
        "--only", action="append", default=[], metavar="KEY=VALUE",
        help="measure only the trials with this setting, as in data=yeast; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--report", action="store_true", help="measure nothing, report what is there"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    reported, status = [], 0
    for name in arguments.names or EXPERIMENTS:
        try:
            reported.append(run(name, arguments))
        # What is wrong with one experiment must not stop the others.
        except MlcError as error:
            print(f"experiments: {error}", file=sys.stderr)
            status = error.exit_status
    if any(reported) and arguments.folder.resolve() == RESULTS.resolve():
        # Once for all: it quotes every experiment, and some reports take ten seconds.
        overview().refresh(ROOT.parent / "README.md")
    sys.exit(status)


def run(name: str, arguments: argparse.Namespace) -> bool:
    """Measure and report one experiment; False where it is not through, and so not reported."""
    experiment, folder = load(name), arguments.folder / name
    if not arguments.report:
        left = measure(experiment, folder, arguments.budget, arguments.workers, arguments.only)
        if left:
            print(
                f"{name}: {left} trials of the {arguments.budget} budget are left; --report reports."
            )
            return False
    made = make(experiment, folder)
    made.report.write(folder, made.foot)
    told: list[str] = []
    if folder.resolve() == (RESULTS / name).resolve():
        made.report.refresh(ROOT / name / "README.md", made.foot)
    elif (RESULTS / name).is_dir():
        told = compare(experiment, folder, RESULTS / name)
    print(f"\n{name}\n{'=' * len(name)}\n\n{made.report.text()}\n\n{made.foot}\n{folder}")
    print("\n".join(told))
    return True


if __name__ == "__main__":
    main()
