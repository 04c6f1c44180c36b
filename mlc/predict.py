"""Entry point: label sets and probabilities of a file's rows, by a finished run.

python -m mlc.predict multirun/2026-01-31/12-00-00/yeast/powerset/seed=0 new.csv --output labels.csv

The CSV holds label names exactly as the training data wrote them, so that pandas, data=table and any
other program read the same names back. A spreadsheet takes a cell that begins with =, +, - or @ for a
formula: for one, --spreadsheet puts an apostrophe before such a cell, as OWASP's page "CSV Injection"
advises. That changes the names, and is therefore not the default.
"""

from __future__ import annotations

import argparse
import sys
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
from mlc.data.unlabelled import read_features
from mlc.files.writing import write_output
from mlc.runs.loading import LoadedRun, load


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, predict, and print the CSV or write it."""
    parser = argparse.ArgumentParser(
        prog="mlc-predict",
        description="Predict the label sets of a file's rows: a CSV of the row, its labels (separated by"
        " ;, in double quotes where a label holds it) and the score of each label, as score:LABEL.",
    )
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument(
        "file", type=Path, help="in the form and with the columns of the training data"
    )
    parser.add_argument("--rule", help="one of the run's decision rules; else its first tuned one")
    parser.add_argument(
        "--output", type=Path, help="the file, pipe or device to write to; else it is printed"
    )
    parser.add_argument(
        "--spreadsheet",
        action="store_true",
        help="put an apostrophe before labels that a spreadsheet would take for a formula (=, +, -, @);"
        " other programs read it as part of the name",
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add_import_flag(parser)
    never_fail_to_print()
    stated = parser.parse_args(arguments)
    try:
        import_parts(stated.imports)
        _require_other_file(stated.output, stated.file)
        loaded = load(stated.run, stated.rule, stated.device)
        features = _features(loaded, stated.file)
        print(_card(loaded, features, stated.file), file=sys.stderr)
        table = _table(loaded, features)
        print(_summary(table, stated.file), file=sys.stderr)
        if stated.spreadsheet:
            table = table.assign(labels=table["labels"].map(cell)).rename(columns=cell)
        written = table.to_csv(index=False, float_format="%.6g")
        if stated.output is None:
            # A pipe gets the names as they are, a terminal is not to be steered by them.
            print(escaped(written) if sys.stdout.isatty() else written, end="")
        else:
            write_output(stated.output, written)
    except MlcError as error:
        print(f"mlc-predict: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except OSError as error:
        print(
            f"mlc-predict: {stated.output} cannot be written ({error.strerror}).", file=sys.stderr
        )
        sys.exit(1)


def predict(run: Path, file: Path, rule: str | None = None, device: str = "auto") -> pd.DataFrame:
    """A row for each of the file's: its number from 1, its labels, the scores as score:LABEL.

    The labels are separated by ; and read back by data=table with data.separator=";": one that holds a ;
    or would be taken for no label stands in double quotes.

    Raises:
        MlcError: the run or the file cannot be used.
    """
    loaded = load(run, rule, device)
    return _table(loaded, _features(loaded, file))


def _features(loaded: LoadedRun, file: Path) -> Any:
    data = loaded.config.data
    return read_features(file, data.name, data, loaded.feature_names, loaded.label_names)


def _card(loaded: LoadedRun, features: Any, file: Path) -> str:
    """What was read to be predicted, and by what."""
    scaling = loaded.scalings[0]
    kinds = f"{int(scaling.used.sum()):,}, as in training"
    if issparse(features):
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
        ("model", f"{loaded.config.head.name}, decided by the rule {loaded.rule.name}"),
    ]
    return card_lines(f"{file.name}: {n_rows:,} row{'s' * (n_rows != 1)} to predict", lines)


def _table(loaded: LoadedRun, features: Any) -> pd.DataFrame:
    decided, scores = loaded.predict(features), loaded.scores(features)
    labels = [
        join_labels([n for n, chosen in zip(loaded.label_names, row, strict=True) if chosen])
        for row in decided
    ]
    first = {"row": range(1, len(labels) + 1), "labels": labels}
    # A label may be called "row".
    columns = [f"score:{name}" for name in loaded.label_names]
    return pd.concat([pd.DataFrame(first), pd.DataFrame(scores, columns=columns)], axis=1)


def _summary(table: pd.DataFrame, file: Path) -> str:
    """What was read and predicted, beside the table itself."""
    n, sizes = len(table), (table["labels"] != "").sum()
    return f"mlc-predict: {file}: {n:,} row{'s' * (n != 1)}, {sizes:,} of them with a label."


def _require_other_file(output: Path | None, file: Path) -> None:
    if output is not None and output.exists() and file.exists() and output.samefile(file):
        raise ConfigError(f"--output {output} is the file to be read: name another.")


if __name__ == "__main__":
    main()
