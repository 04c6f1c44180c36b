"""The lines of a LIBSVM file that are rows."""

from __future__ import annotations

import re
from pathlib import Path

from mlc.config.errors import DataError

_HEADER = re.compile(r"\s*(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*", re.ASCII)

Lines = list[tuple[int, str]]


def row_lines(path: Path, text: str) -> tuple[Lines, tuple[int, int] | None]:
    """Return the rows of a text without their comments, with line numbers from 1, and the D and K of a
    first line "N D K", if there is one; comments may stand before it and behind.

    A row without labels and features is a line of blanks, as scikit-learn's dump_svmlight_file writes
    it. After a first line "N D K" it may be an empty line, where N counts it.

    Raises:
        DataError: there is no row, a line is empty, or N is another number.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    lines = lines if lines[-1] else lines[:-1] or [""]
    numbered = [(number, line.partition("#")) for number, line in enumerate(lines, 1)]
    # A line with only a comment is no row.
    candidates = [(n, parts[0]) for n, parts in numbered if parts[0].strip() or not parts[1]]
    header = _HEADER.fullmatch(candidates[0][1]) if candidates else None
    rows = _counted(path, candidates[1:], int(header[1])) if header else _written(path, candidates)
    if not rows:
        raise DataError(f"{path} has no row: name a file that has.")
    return rows, (int(header[2]), int(header[3])) if header else None


def _written(path: Path, candidates: Lines) -> Lines:
    if not any(line.strip() for _, line in candidates):
        return []
    last = max(place for place, (_, line) in enumerate(candidates) if line)
    for number, line in candidates[:last]:
        if not line:
            raise DataError(
                f"{path}, line {number} is empty: remove it, or write a blank into it if it is a row"
                " without labels and features."
            )
    return candidates[: last + 1]


def _counted(path: Path, candidates: Lines, n_rows: int) -> Lines:
    filled = [(number, line) for number, line in candidates if line.strip()]
    if len(filled) == n_rows:
        return filled
    rows, further = candidates[:n_rows], candidates[n_rows:]
    if len(rows) < n_rows or any(line.strip() for _, line in further):
        raise DataError(
            f"{path}: the first line states the number of rows as {n_rows}, and it is {len(filled)}:"
            " correct it, or fetch the file again if it is cut off."
        )
    return rows
