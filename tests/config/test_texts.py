"""What strangers wrote steers no terminal, no Markdown and no spreadsheet."""

from __future__ import annotations

import pytest

from mlc.config.errors import BeingTrainedError, DataError
from mlc.config.texts import cell, escaped, markdown, readable


def test_control_characters_are_shown_as_escapes() -> None:
    assert escaped("a\x1b[31mb\x9b\u202e\udce9\n\tc") == "a\\x1b[31mb\\x9b\\u202e\\udce9\n\tc"
    assert readable("café\r\n x") == "café x"


def test_an_error_is_one_short_line_with_its_beginning_and_end() -> None:
    for name in ("x" * 10**6, "x y " * 10**6, "\x1b[2J" * 10**5):
        for error in (DataError(f"file.csv: {name!s} is bad: name another."),
                      BeingTrainedError(name, "node")):  # fmt: skip
            text = str(error)
            assert len(text) <= 1500
            assert text.isprintable()
    text = str(DataError(f"file.csv: {'x' * 10**6} is bad: name another."))
    assert text.startswith("file.csv: x")
    assert text.endswith("is bad: name another.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a|b", "a\\|b"), ("<img>", "\\<img>"), ("`x`", "\\`x\\`"), (">0.5", ">0.5"), ("a\nb", "a b")],
)
def test_markdown_is_escaped(text: str, expected: str) -> None:
    assert markdown(text) == expected


def test_formulas_are_guarded_and_numbers_stay() -> None:
    assert cell("=1+1") == "'=1+1"
    assert cell("@x") == "'@x"
    for value in ("-1", "-0.5e3", "+2", -0.5, 3, None, "seed=1"):
        assert cell(value) == value
