"""Reading the answer of a comparison from its folder, for the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlc.files.names import ANSWER, DIFFERENCES
from mlc.files.reading import content_of, read_object
from mlc.metrics.names import largest_difference
from mlc.reporting.gaps import Gap, drawn


def read_answer(folder: Path) -> dict[str, Any] | None:
    """Return the parts of the folder's answer that the page shows; None if there is no answer.

    Returns:
        "sentences" and "notes", lists of text; "table" and "others", each a header and rows of text
        ("others" may be None); "code", text by title; "rules", the chosen rule by head; "chosen", the
        chosen head, or None; "gaps", the figure of differences, or None; "image", the figure as a PNG
        in base64 where "gaps" is None, or None; "metric" and "reference" of the differences.

    Raises:
        RunFolderError: the answer is damaged.
    """
    path = folder / ANSWER
    if not path.is_file():
        return None
    cure = "delete it, and give the command of the comparison again"
    with content_of(path, "the answer of a comparison", cure):
        content = read_object(path)
        shown = content["shown"]
        answer = {
            "sentences": [str(sentence) for sentence in shown["sentences"]],
            "notes": [str(note) for note in shown["notes"]],
            "table": _table(shown["table"]),
            "others": None if shown["others"] is None else _table(shown["others"]),
            "code": {str(title): str(text) for title, text in shown["code"].items()},
            "rules": {
                head: str(rows[0]["rule"]) for head, rows in content.get("heads", {}).items()
            },
            "chosen": content["chosen"]["head"] if "chosen" in content else None,
            "gaps": _gaps(content) if "differences" in content else None,
            "metric": str(content.get("metric", "")),
            "reference": str(content.get("reference", "")),
        }
    figure = folder / DIFFERENCES
    png = base64.b64encode(figure.read_bytes()).decode() if figure.is_file() else None
    return {**answer, "image": png if answer["gaps"] is None else None}


def _table(stored: Any) -> dict[str, Any]:
    return {
        "header": [str(name) for name in stored["header"]],
        "rows": [[str(cell) for cell in row] for row in stored["rows"]],
    }


def _gaps(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the figure of the differences from the reference, the largest first."""
    heads, chosen = content.get("heads", {}), content["chosen"]["head"]
    gaps = []
    for name, difference in content["differences"].items():
        width = difference["half_width"]
        gaps.append(
            Gap(
                str(name),
                str(heads[name][0]["rule"]) if name in heads else "",
                float(difference["mean"]),
                float("nan") if width is None else float(width),
                name == chosen,
                largest_difference(str(content["metric"])),
            )
        )
    if not gaps:
        return None
    return drawn(sorted(gaps, key=lambda gap: -gap.mean), float(content["margin"]))
