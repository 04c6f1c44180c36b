"""A model card of several exported files of one run and rule: a mark at its end names them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlc.config.errors import ConfigError
from mlc.exporting.writing import require_absent
from mlc.files.names import CHECKPOINT, PREPROCESSING, RULES

# A comment, which no reader of Markdown shows.
_MARK = re.compile(r"\n<!-- mlc-export (\{.*\}) -->\n\Z")


@dataclass(frozen=True)
class Exported:
    """An exported file or folder: its name, its format, and how it predicted random rows, in words."""

    name: str
    to: str
    check: str


def identity_of(run: Path, rule: str) -> str:
    """Return a digest of what a run's folder predicts with, and of the name of its rule."""
    digest = hashlib.sha256(rule.encode())
    for name in (CHECKPOINT, PREPROCESSING, RULES):
        if (run / name).is_file():
            with (run / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def marked(text: str, identity: str, files: Sequence[Exported]) -> str:
    """Return the text of a card with the mark that `listed_in` reads."""
    content = {
        "run": identity,
        "text": _digest(text),
        "files": [dataclasses.asdict(file) for file in files],
    }
    # A name may hold the end of a comment.
    mark = json.dumps(content).replace(">", r"\u003e")
    return f"{text}\n<!-- mlc-export {mark} -->\n"


def require_shareable(card: Path, output: Path) -> None:
    """Raise ConfigError unless the card does not exist, or is one of mlc-export beside the output."""
    if _content(card) is None or card.absolute().parent != output.absolute().parent:
        require_absent(card, "--card")


def listed_in(card: Path, identity: str) -> list[Exported]:
    """Return the files that a card lists and that are still beside it; none if there is no card.

    Raises:
        ConfigError: it is the card of another run or rule.
    """
    content = _content(card)
    if content is None:
        return []
    files = [Exported(**file) for file in content["files"]]
    if content["run"] != identity:
        raise ConfigError(
            f"{card} is the model card of another run or rule, of {files[0].name}: name another path"
            " with --card, or another folder with --output."
        )
    return [file for file in files if (card.parent / file.name).exists()]


def _content(card: Path) -> dict[str, Any] | None:
    """Return the mark of a card; None if there is no card, or its text was changed."""
    if card.is_symlink() or not card.is_file():
        return None
    text = card.read_text(encoding="utf-8", errors="replace")
    match = _MARK.search(text)
    if match is None:
        return None
    try:
        content: dict[str, Any] = json.loads(match[1])
    except ValueError:
        return None
    return content if content.get("text") == _digest(text[: match.start()]) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
