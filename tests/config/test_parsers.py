"""The parser of names of columns."""

from __future__ import annotations

import pytest

from mlc.config.parsers import Parser


def test_a_name_that_begins_with_a_hyphen(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="mlc-data")
    parser.add_argument("--labels", action="extend", nargs="+")
    parser.add_argument("--seed")
    assert parser.parse_args(["--labels=-x", "--labels", "a", "b"]).labels == ["-x", "a", "b"]
    for words, advised in ((["--labels", "-x"], True), (["--seed"], False)):
        with pytest.raises(SystemExit) as ended:
            parser.parse_args(words)
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert ("write a name that begins with - as --labels=-NAME" in error) == advised
