"""The CSV of a study: rows are appended as they are measured, so that no trial is repeated."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from experiments.harness.study import Measured, Study, Trial, command_of
from mlc.files.writing import open_to_append, write_text

RUN = "run"
_END = "end"  # closes the rows of a trial; a trial without it is measured again


class Store:
    """The rows of one study.

    Attributes:
        path: of the CSV.
    """

    def __init__(self, study: Study, folder: Path) -> None:
        self.path = folder / f"{study.name}.csv"
        self._header = [RUN, *study.columns]
        self._rows: dict[str, list[list[str]]] = {}
        self._read(self.path, closed=True)
        self._journal = self.path.with_suffix(".part.csv")
        self._read(self._journal, closed=False)

    def missing(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return the trials without rows."""
        return [trial for trial in trials if command_of(trial) not in self._rows]

    def add(self, measured: Sequence[Measured]) -> None:
        """Append rows and flush them to disk."""
        lines: list[list[str]] = []
        for trial, rows in measured:
            run = command_of(trial)
            written = [[run, *(_cell(row.get(c)) for c in self._header[1:])] for row in rows]
            unknown = {key for row in rows for key in row} - set(self._header)
            if unknown:
                raise KeyError(f"The study has no column {', '.join(sorted(unknown))}.")
            self._rows[run] = written
            lines += [*written, [run, _END]]
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        with open_to_append(self._journal) as file:
            file.write(_text(lines))
            file.flush()
            os.fsync(file.fileno())

    def close(self, trials: Sequence[Trial]) -> None:
        """Write all rows to one file, those of the trials first and in their order."""
        order = dict.fromkeys([command_of(trial) for trial in trials] + sorted(self._rows))
        lines = [list(line) for run in order for line in self._rows.get(run, [])]
        if lines:
            first: set[str] = set()
            # Only the first row of a run has the run's name, which is longer than the values.
            for line in lines:
                if line[0] in first:
                    line[0] = ""
                first.add(line[0])
            write_text(self.path, _text([self._header, *lines]))
            self._journal.unlink(missing_ok=True)

    def frame(self, trials: Sequence[Trial]) -> pd.DataFrame:
        """Return the rows of trials, with a column for each setting and for each of the study's.

        Repeated trials are returned once.
        """
        wanted = list(dict.fromkeys(command_of(trial) for trial in trials))
        lines = [line for run in wanted for line in self._rows.get(run, [])]
        frame = pd.read_csv(io.StringIO(_text([self._header, *lines])))
        by_run = {run: dict(part.split("=", 1) for part in run.split(" ")) for run in wanted}
        settings = [by_run[run] for run in frame[RUN]]
        keys = dict.fromkeys(key for run in frame[RUN].unique() for key in by_run[run])
        for index, key in enumerate(keys):
            values = pd.Series(
                [each.get(key) for each in settings], index=frame.index, dtype=object
            )
            # A column of text stays text.
            with suppress(ValueError, TypeError):
                values = pd.to_numeric(values)
            frame.insert(1 + index, key, values)
        return frame

    def _read(self, path: Path, closed: bool) -> None:
        """Read the complete trials; in the journal, a complete trial has an end."""
        if not path.is_file():
            return
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file))
        if closed and lines and lines[0] != self._header:
            raise ValueError(f"{path} has other columns than the study: delete it.")
        # The journal is appended to, and deleted at the end.
        if not closed and len(lines) > 1 and "=" not in "".join(lines[0][:1]):
            raise ValueError(f"{path} is not the journal of a study: move it.")
        seen: dict[str, list[list[str]]] = {}
        run = ""
        for line in lines[1:] if closed else lines:
            # Only the first row of a trial has the name, so a repeated name is a repeated trial.
            if closed and line[0] in seen:
                raise ValueError(f"{path} holds {line[0]} twice: delete one of them.")
            run = line[0] = line[0] or run
            if len(line) == len(self._header):
                seen.setdefault(line[0], []).append(line)
            elif line[1:] == [_END]:
                self._rows[line[0]] = seen.pop(line[0], [])
        if closed:
            self._rows.update(seen)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _text(lines: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()
