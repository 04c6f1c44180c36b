"""Foreign text is harmless in a terminal, in Markdown and in a spreadsheet."""

from __future__ import annotations

import logging

import pytest

from mlc.config.errors import BeingTrainedError, ConfigError, DataError
from mlc.config.texts import (
    LogFormatter,
    as_written,
    cell,
    counted,
    display_width,
    escaped,
    fitted,
    fold,
    listed,
    markdown,
    named_choices,
    readable,
    span,
)
from mlc.heads.base import HEADS
from mlc.launching.checks import unknown_choice


def test_control_characters_are_shown_as_escapes() -> None:
    assert escaped("a\x1b[31mb\x9b\u202e\udce9\n\tc") == "a\\x1b[31mb\\x9b\\u202e\\udce9\n\tc"
    assert escaped("\ufefftags\u200b") == "\\ufefftags\\u200b"
    assert readable("café\r\n x") == "café x"


def test_a_listed_name_that_could_be_two_is_quoted() -> None:
    names = ["red, dark", "a,b", "blue", "x"]
    assert listed(names, 3) == '"red, dark", a,b, blue, and 1 more'


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


def test_width_is_counted_in_columns_of_a_terminal() -> None:
    assert [display_width(text) for text in ("abc", "日本", "e\u0301", "🐶", "ｱ")] == [
        3,
        4,
        1,
        2,
        1,
    ]
    lines = fold("日本料理 " * 9 + "x" * 25 + " 旅行" * 40, 20)
    assert max(map(display_width, lines)) <= 20
    assert "".join(lines).replace(" ", "") == "日本料理" * 9 + "x" * 25 + "旅行" * 40
    assert fold("", 20) == [""]
    assert fold("a\n b", 20) == ["a b"]


def test_a_wide_name_keeps_its_beginning_and_its_end() -> None:
    assert fitted("日本料理" * 20 + "1", 15) == "日本料理...理1"
    assert fitted("short", 15) == "short"
    assert fitted("a\x1b[2J\n", 15) == "a\\x1b[2J "


@pytest.mark.parametrize("name", ["label", "日本語"])
def test_a_folded_record_fits_the_terminal(name: str) -> None:
    message = "made: 3 of 7 labels have no positive in some part: " + ", ".join([name] * 30)
    record = logging.LogRecord("mlc", logging.INFO, "", 0, "%s", (message,), None)
    formatter = LogFormatter("[%(asctime)s] %(message)s", "%H:%M:%S")
    assert "\n" not in formatter.format(record)
    record.folded = True
    lines = formatter.format(record).split("\n")
    assert len(lines) > 1
    assert max(map(display_width, lines)) <= 80
    assert " ".join(map(str.strip, lines)).endswith(message)


def test_one_of_a_kind_and_a_range_of_one_value() -> None:
    assert [counted(n, "row") for n in (0, 1, 1_234_567)] == ["0 rows", "1 row", "1,234,567 rows"]
    assert counted(1.0, "minute") == "1 minute"
    assert counted(0.5, "minute") == "0.5 minutes"
    assert (span("1.0 s", "1.0 s"), span("1.0 s", "2.0 s")) == ("1.0 s", "1.0 s to 2.0 s")


def test_choices_are_listed_up_to_a_length() -> None:
    assert named_choices(["sgd", "adam"]) == "sgd, adam"
    many = [f"head_{number}" for number in range(60)]
    listed_ones = named_choices(many, 40)
    assert listed_ones == "head_0, head_1, head_2, head_3, head_4, and 55 more (mlc-train --help)"
    assert len(named_choices(many)) < 300


def test_an_unknown_head_is_one_sentence_of_at_most_400_characters() -> None:
    with pytest.raises(ConfigError) as refused:
        HEADS["x" * 200]
    assert len(str(refused.value)) <= 400
    assert len(str(unknown_choice("head", "x" * 60))) <= 400


def test_names_are_taken_as_written_but_for_accents() -> None:
    one, two = "\u00fcber", "u\u0308ber"
    assert as_written([one, "b"], [two, "b", 3]) == [two, "b"]
    assert as_written([one, "c"], [one, two]) == [one, "c"]
    # Of two columns each keeps its own name.
    assert as_written([one, two], [one]) == [one, two]
