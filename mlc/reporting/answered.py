"""The answer of a comparison, as its sweep's folder holds it, for the page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from mlc.files.names import ANSWER, DIFFERENCES
from mlc.files.reading import content_of, read_object


def read_answer(folder: Path) -> dict[str, Any] | None:
    """Return what the page shows of the folder's answer; None if there is none.

    Returns:
        "sentences" and "notes", lists of text; "table" and "others", each a header and rows of text
        ("others" may be None); "code", text by title; "figure", the PNG in base64, or None.

    Raises:
        RunFolderError: the answer is damaged.
    """
    path = folder / ANSWER
    if not path.is_file():
        return None
    cure = "delete it, and give the command of the comparison again"
    with content_of(path, "the answer of a comparison", cure):
        shown = read_object(path)["shown"]
        answer = {
            "sentences": [str(own) for own in shown["sentences"]],
            "notes": [str(own) for own in shown["notes"]],
            "table": _table(shown["table"]),
            "others": None if shown["others"] is None else _table(shown["others"]),
            "code": {str(title): str(text) for title, text in shown["code"].items()},
        }
    figure = folder / DIFFERENCES
    png = base64.b64encode(figure.read_bytes()).decode() if figure.is_file() else None
    return {**answer, "figure": png}


def _table(stored: Any) -> dict[str, Any]:
    return {
        "header": [str(name) for name in stored["header"]],
        "rows": [[str(cell) for cell in row] for row in stored["rows"]],
    }
