"""Formulas as MathML, which a browser draws without scripts, fonts or network."""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

# GitHub's form of an inline formula.
FORMULA = r"\$`([^`]+)`\$"
# A longer formula does not fit the width of a phone and scrolls.
_LONG = 30


def mathml(latex: str) -> str:
    """Convert LaTeX to MathML; a long formula is put into a box that scrolls.

    Raises:
        ValueError: a command is unknown.
    """
    latex = re.sub(r"\s+", " ", latex)
    formula: str = convert(latex)
    unknown = re.search(r"\\[A-Za-z]+", re.sub(r"<[^>]*>", "", formula))
    if unknown:
        raise ValueError(f"The formula {latex!r} has the unknown command {unknown[0]}.")
    return f'<span class="formula">{formula}</span>' if len(latex) > _LONG else formula


class _Inline(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:  # type: ignore[override]
        """Keep the formula from further processing."""
        return self.md.htmlStash.store(mathml(m[1])), m.start(0), m.end(0)


class Formulas(Extension):
    """Markdown extension for formulas between a dollar sign and a backtick."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the pattern before those of code and escapes."""
        md.inlinePatterns.register(_Inline(FORMULA, md), "formula", 195)


def makeExtension(**settings: Any) -> Formulas:
    """Return the extension, as Markdown finds it by the module's name."""
    return Formulas(**settings)
