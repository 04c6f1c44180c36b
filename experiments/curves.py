"""Draw the learning curves of an experiment's sweeps: python -m experiments.curves NAME

The sweep is that of `python -m mlc.train -m experiment=NAME`; results/NAME gets a CSV and a PNG.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd

from experiments.harness.curves import CurvesFigure
from experiments.harness.experiment import EXPERIMENTS, ROOT
from mlc.config.errors import DataError, MlcError

RESULTS = ROOT.parent / "results"
# Experiments whose studies train networks.
DRAWN = [name for name in EXPERIMENTS if (ROOT / name / "curves.py").is_file()]


def figures(name: str) -> tuple[CurvesFigure, ...]:
    """Return the figures of an experiment."""
    drawn: tuple[CurvesFigure, ...] = import_module(f"experiments.{name}.curves").FIGURES
    return drawn


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, read the newest sweeps and draw their curves."""
    parser = argparse.ArgumentParser(prog="python -m experiments.curves", description=__doc__)
    parser.add_argument("name", choices=DRAWN)
    parser.add_argument(
        "--sweeps", type=Path, default=Path("multirun"),
        help="folder that holds SWEEP/TIME; the newest of each sweep is drawn (default: multirun)",
    )  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder that gets NAME/*")
    parser.add_argument("--stored", action="store_true", help="draw the stored curves again")
    args = parser.parse_args(arguments)
    try:
        for figure in figures(args.name):
            folder = args.results / args.name
            if args.stored:
                rows = pd.read_csv(folder / figure.files(args.name)[0])
            else:
                rows = figure.read(newest(args.sweeps / figure.sweep))
            if not figure.shows(rows):
                raise DataError(f"The curves of {figure.sweep} do not show {figure.title!r}.")
            print(figure.write(rows, folder, args.name))
    except MlcError as error:
        print(f"experiments.curves: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def newest(sweeps: Path) -> Path:
    """Return the last of the folders named by their time."""
    folders = sorted(path for path in sweeps.glob("*") if path.is_dir())
    return folders[-1] if folders else sweeps


if __name__ == "__main__":
    main()
