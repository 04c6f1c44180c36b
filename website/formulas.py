"""Formulas as MathML, which a browser draws without scripts, fonts or network."""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

# GitHub's form of an inline formula, with the punctuation that must not end or begin a line.
FORMULA = r"(?P<before>[(]?)\$`(?P<latex>[^`]+)`\$(?P<after>[.,;:)]*)"
# A longer formula does not fit the width of a phone and scrolls.
_LONG = 30
# latex2mathml takes bars for operators, the empty set too, and sets no space behind a function.
_BAR = r"<mo>(&#x0007C;|&#x02016;)</mo>"
_REPAIRED = (
    (_BAR, r'<mo lspace="0" rspace="0" stretchy="false">\1</mo>'),
    ("<mo>&#x02205;</mo>", "<mi>&#x02205;</mi>"),
    (r"(<mi>(?:log|exp|tanh)</mi>)(?!<mo[^>]*>&#x00028;)", r'\1<mspace width="0.17em" />'),
    (r"(</m(?!o)[a-z]+>)(<mi>(?:log|exp|tanh)</mi>)", r'\1<mspace width="0.17em" />\2'),
)


def mathml(latex: str) -> str:
    """Convert LaTeX to MathML.

    Raises:
        ValueError: a command is unknown.
    """
    latex = re.sub(r"\s+", " ", latex)
    formula: str = convert(latex)
    for pattern, replacement in _REPAIRED:
        formula = re.sub(pattern, replacement, formula)
    unknown = re.search(r"\\[A-Za-z]+", re.sub(r"<[^>]*>", "", formula))
    if unknown:
        raise ValueError(f"The formula {latex!r} has the unknown command {unknown[0]}.")
    return formula


class _Inline(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:
        """Return the formula in a span; a long one is a box that scrolls."""
        kind = "long formula" if len(m["latex"]) > _LONG else "formula"
        html = f'<span class="{kind}">{m["before"]}{mathml(m["latex"])}{m["after"]}</span>'
        return self.md.htmlStash.store(html), m.start(0), m.end(0)


class Formulas(Extension):
    """Markdown extension for formulas between a dollar sign and a backtick."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Register the pattern before those of code and escapes."""
        md.inlinePatterns.register(_Inline(FORMULA, md), "formula", 195)


def makeExtension(**settings: Any) -> Formulas:
    """Return the extension, as Markdown finds it by the module's name."""
    return Formulas(**settings)
