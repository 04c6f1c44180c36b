"""Entry point: predict label sets and scores of a file's rows with a finished run.

python -m mlc.predict multirun/2026-01-31/12-00-00/yeast/powerset/seed=0 new.csv --output labels.csv

The CSV contains label names exactly as in the training data, so that pandas, data=table and other
programs read the same names. A spreadsheet reads a cell that begins with =, +, - or @ as a formula. The
option --spreadsheet puts an apostrophe before such cells, as OWASP's page "CSV Injection" advises; it
changes the names and is therefore not the default.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlc.config.errors import ConfigError, MlcError
from mlc.config.imports import add_import_flag, import_parts, uncollected
from mlc.config.texts import cell, counted, escaped
from mlc.launching.printing import printing
from mlc.launching.stopping import stopped_in_one_sentence

if TYPE_CHECKING:
    import pandas as pd


@printing("mlc-predict")
def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, predict, and print the CSV or write it."""
    args = _parser().parse_args(arguments)
    with stopped_in_one_sentence("mlc-predict"):
        _run(args)


def _run(args: argparse.Namespace) -> None:
    """Do the work; a refusal is one sentence."""
    try:
        _predict(args)
    except MlcError as error:
        print(f"mlc-predict: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:
        print(f"mlc-predict: {args.output} cannot be written ({error.strerror}).", file=sys.stderr)
        sys.exit(1)


def _predict(args: argparse.Namespace) -> None:
    """Write or print the table of the rows, and describe both on standard error."""
    # Imports torch, which takes seconds.
    with uncollected():
        from mlc.files.writing import write_output
        from mlc.runs.loading import load
        from mlc.runs.predicting import (
            card_of,
            note_on_broken,
            note_on_empty_rows,
            note_on_other_files,
            read_rows,
            table_of,
        )

    if args.output is None and sys.stdout is None:
        raise ConfigError("Standard output is closed: name a file with --output.")
    import_parts(args.imports)
    for file in args.file:
        _require_other_file(args.output, file)
    loaded = load(args.run, args.rule, args.device)
    rows = read_rows(loaded, args.file, args.skip_broken)
    name = args.file[0].name if len(args.file) == 1 else f"{len(args.file)} files"
    print(card_of(loaded, rows.features, name), file=sys.stderr)
    empty = note_on_empty_rows(rows.features, loaded.takes_texts)
    others = None if rows.files is None else note_on_other_files(args.file)
    for note in (empty, note_on_broken(rows), others):
        if note is not None:
            print(note, file=sys.stderr)
    table = table_of(loaded, rows)
    print(_summary(table, args.file[0] if len(args.file) == 1 else name), file=sys.stderr)
    if args.spreadsheet:
        table = table.assign(labels=table["labels"].map(cell)).rename(columns=cell)
    csv = table.to_csv(index=False, float_format="%.6g")
    if args.output is None:
        # Control characters in names must not reach a terminal.
        print(escaped(csv) if sys.stdout.isatty() else csv, end="")
    elif write_output(args.output, csv):
        print(f"mlc-predict: {args.output} was there before and is replaced.", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlc-predict",
        description="Predict the label sets of a file's rows. The CSV has the row number, the labels"
        " (separated by ;, in double quotes if a label contains it), and each score as score:LABEL.",
    )
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument(
        "file",
        type=Path,
        nargs="+",
        help="a file in the format and with the columns of the training data; for a run on images, any"
        " number of images, of folders with images, and of tables that name images",
    )
    parser.add_argument("--rule", help="a decision rule of the run (default: its first tuned one)")
    parser.add_argument(
        "--output", type=Path, help="a file, pipe or device to write to (default: standard output)"
    )
    parser.add_argument(
        "--spreadsheet",
        action="store_true",
        help="put an apostrophe before labels that a spreadsheet would read as a formula (=, +, -, @);"
        " for other programs it is part of the name",
    )
    parser.add_argument(
        "--skip-broken",
        action="store_true",
        help="leave the labels and scores of images that cannot be decoded empty, with the reason in a"
        " column called error, instead of refusing all",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add_import_flag(parser)
    return parser


def _summary(table: pd.DataFrame, file: Path | str) -> str:
    n, n_labelled = len(table), (table["labels"].fillna("") != "").sum()
    return f"mlc-predict: {file}: {counted(n, 'row')}, {n_labelled:,} of them with a label."


def _require_other_file(output: Path | None, file: Path) -> None:
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise ConfigError(f"--output {output} is the input file: choose another path.")


if __name__ == "__main__":
    main()
