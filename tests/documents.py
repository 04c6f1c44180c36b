"""The Markdown of the project: its documents, their headings, links and code blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import REPOSITORY

PATTERNS = ("*.md", "docs/*.md", "experiments/*/README.md", "results/README.md", ".github/**/*.md")
DOCUMENTS = [
    path.relative_to(REPOSITORY).as_posix()
    for pattern in PATTERNS
    for path in sorted(REPOSITORY.glob(pattern))
]
_FENCED = re.compile(r"^ *```([a-z]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def text_of(document: str) -> str:
    return (REPOSITORY / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """The code blocks of a language."""
    return [code for found, code in _FENCED.findall(text_of(document)) if found == language]


def commands(document: str) -> Iterator[list[str]]:
    """The words of each command of the shell blocks."""
    for block in blocks(document, "sh"):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


def links(document: str) -> list[str]:
    """The targets of links and pictures outside of code."""
    text = re.sub(r"`[^`]*`", "", _FENCED.sub("", text_of(document)))
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:href|src)="([^"]+)"', text)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings: a repeated one gets a number."""
    text = _FENCED.sub("", path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        repeated = [anchor, *(f"{anchor}-{number}" for number in range(1, 100))]
        found.add(next(name for name in repeated if name not in found))
    return found
