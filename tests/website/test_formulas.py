"""Every formula of the documents and docstrings becomes MathML."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from mlc.config.registry import DECISIONS
from mlc.heads.base import HEADS
from tests.documents import DOCUMENTS, text_of

pytest.importorskip("latex2mathml", reason="latex2mathml is not installed: make docs")
pytest.importorskip("markdown", reason="markdown is not installed: make docs")
from markdown import markdown

from website.formulas import FORMULA, mathml


def sources() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        yield document, text_of(document)
    for parts in (HEADS, DECISIONS):
        for name in parts:
            yield name, inspect.getdoc(parts[name]) or ""


def test_every_formula_is_known() -> None:
    formulas = {
        (source, match["latex"])
        for source, text in sources()
        for match in re.finditer(FORMULA, text)
    }
    assert len(formulas) > 150
    for source, formula in sorted(formulas):
        assert "<math" in mathml(formula), source


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown command \\nonsense"):
        mathml(r"x + \nonsense")


def test_a_formula_stands_between_dollar_and_backtick() -> None:
    page = markdown("**Let ($`a_k * b_k`$), `$x$` and $y$.**", extensions=["website.formulas"])
    assert page.count("<math") == 1
    assert "<em>" not in page
    # The brackets stay in the formula's line.
    assert '<span class="formula">(<math' in page
    assert "</math>),</span>" in page
    assert "<code>$x$</code> and $y$." in page


@pytest.mark.parametrize(
    ("latex", "part"),
    [
        (r"\lvert y \rvert", '<mo lspace="0" rspace="0" stretchy="false">&#x0007C;</mo>'),
        (r"y \neq \emptyset", "<mi>&#x02205;</mi>"),
        (r"a \log b", '</mi><mspace width="0.17em" /><mi>log</mi><mspace width="0.17em" /><mi>b'),
    ],
)
def test_bars_and_functions_have_their_spaces(latex: str, part: str) -> None:
    assert part in mathml(latex)
