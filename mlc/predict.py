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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse

from mlc.config.errors import ConfigError, MlcError
from mlc.config.imports import add_import_flag, import_parts
from mlc.config.texts import cell, escaped, listed, never_fail_to_print
from mlc.data.card import card_lines, share
from mlc.data.label_cells import join_labels
from mlc.data.unlabelled import read_features, read_texts
from mlc.files.writing import write_output
from mlc.runs.loading import LoadedRun, load


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, predict, and print the CSV or write it."""
    never_fail_to_print()
    args = _parser().parse_args(arguments)
    try:
        import_parts(args.imports)
        for file in args.file:
            _require_other_file(args.output, file)
        loaded = load(args.run, args.rule, args.device)
        features, files = _features(loaded, args.file)
        name = args.file[0].name if len(args.file) == 1 else f"{len(args.file)} files"
        print(_card(loaded, features, name), file=sys.stderr)
        table = _table(loaded, features, files)
        print(_summary(table, args.file[0] if len(args.file) == 1 else name), file=sys.stderr)
        if args.spreadsheet:
            table = table.assign(labels=table["labels"].map(cell)).rename(columns=cell)
        csv = table.to_csv(index=False, float_format="%.6g")
        if args.output is None:
            # Control characters in names must not reach a terminal.
            print(escaped(csv) if sys.stdout.isatty() else csv, end="")
        else:
            write_output(args.output, csv)
    except MlcError as error:
        print(f"mlc-predict: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:
        print(f"mlc-predict: {args.output} cannot be written ({error.strerror}).", file=sys.stderr)
        sys.exit(1)


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
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add_import_flag(parser)
    return parser


def predict(
    run: Path, file: Path | Sequence[Path], rule: str | None = None, device: str = "auto"
) -> pd.DataFrame:
    """Return a row per row of the file: its number from 1, its labels, the scores as score:LABEL.

    For a run on images, `file` may be several images, folders and tables, and a column "file" follows
    the number.

    The labels are separated by ;, as data=table reads with data.separator=";". A label that contains a ;
    or could be read as no label is in double quotes.

    Raises:
        MlcError: the run or the file cannot be used.
    """
    loaded = load(run, rule, device)
    return _table(loaded, *_features(loaded, [file] if isinstance(file, (str, Path)) else file))


def _features(loaded: LoadedRun, files: Sequence[Path]) -> tuple[Any, list[Path] | None]:
    """Return the features of the rows to predict, and their files if these are images."""
    data, raw = loaded.config.data, loaded.raw
    if loaded.image_shape:
        pixels, read = loaded.read_images(files)
        return loaded.inputs(pixels), read
    if len(files) > 1:
        raise ConfigError(
            f"The run was not trained on images: give one file instead of {len(files)}."
        )
    if raw is not None and not raw.shape:
        return loaded.inputs(read_texts(files[0], data.name, data)), None
    names = loaded.feature_names if raw is None else raw.names
    read_columns = read_features(files[0], data.name, data, names, loaded.label_names)
    return loaded.inputs(read_columns), None


def _card(loaded: LoadedRun, features: Any, name: str) -> str:
    """Describe the rows to be predicted and the model."""
    scaling = loaded.scalings[0]
    kinds = f"{int(scaling.used.sum()):,}, as in training"
    if loaded.samples != "columns":
        kinds = f"{loaded.samples}, a row is {' x '.join(map(str, loaded.sample_shape))}"
    elif issparse(features):
        kinds += f"; sparse, {features.nnz / features.shape[0]:.1f} nonzero values per row"
        empty = int((np.diff(features.tocsr().indptr) == 0).sum())
        kinds += f"; {share(empty, features.shape[0])} of the rows hold none of them"
    else:
        n_scaled = int((scaling.used & ((scaling.shift != 0) | (scaling.scale != 1))).sum())
        kinds += f"; {n_scaled:,} of them standardised"
        missing = int(np.isnan(features[:, scaling.used]).sum())
        kinds += f"; {missing:,} values are missing" if missing else ""
    n_labels, n_rows = len(loaded.label_names), features.shape[0]
    lines = [
        ("features", kinds),
        ("labels", f"{n_labels:,}: {listed(loaded.label_names, 5)}"),
        ("model", f"{loaded.config.head.name}, decided by the rule {loaded.rule!r}"),
    ]
    return card_lines(f"{name}: {n_rows:,} row{'s' * (n_rows != 1)} to predict", lines)


def _table(loaded: LoadedRun, features: Any, files: Sequence[Path] | None) -> pd.DataFrame:
    names = np.array(loaded.label_names, dtype=object)
    labels = [join_labels(names[row].tolist()) for row in loaded.predict(features)]
    first = pd.DataFrame({"row": range(1, len(labels) + 1), "labels": labels})
    if files is not None:
        first.insert(1, "file", list(map(str, files)))
    # The prefix prevents a clash with a label called "row".
    columns = [f"score:{name}" for name in names]
    scores = pd.DataFrame(loaded.scores(features), columns=columns)
    return pd.concat([first, scores], axis=1)


def _summary(table: pd.DataFrame, file: Path | str) -> str:
    n, n_labelled = len(table), (table["labels"] != "").sum()
    return f"mlc-predict: {file}: {n:,} row{'s' * (n != 1)}, {n_labelled:,} of them with a label."


def _require_other_file(output: Path | None, file: Path) -> None:
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise ConfigError(f"--output {output} is the input file: choose another path.")


if __name__ == "__main__":
    main()
