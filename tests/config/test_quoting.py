"""Names in overrides come back as they were, through the shell, Hydra and OmegaConf."""

from __future__ import annotations

import random
import shlex
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mlc.config.quoting import quoted, setting

NAMES = [
    "red, dark", "a=b", "[x]", "it's", 'say "hi"', "two words", "2nd", "größe", "日本", "a:b", "{c}",
    "$x", "~t", "a\\b", "null", "true", "1.5", "-x", "#tag", "*", "a|b", "${env:HOME}", "${", "\\",
    "\\'", "''", "\\${x}", "x.y", "50%", "`ls`", "!x",
]  # fmt: skip


def read(word: str) -> list[str]:
    """The values of a list option as mlc reads them."""
    values: Any = OverridesParser.create().parse_override(word).value()
    texts = OmegaConf.create({"list": [str(value) for value in values]})
    return OmegaConf.to_container(texts, resolve=True)["list"]  # type: ignore[index,call-overload,return-value]


def test_quoted_names_are_read_as_they_are() -> None:
    draw = random.Random(0)
    drawn = ["".join(draw.choices("\\'${}a\",[]:=", k=draw.randint(1, 7))) for _ in range(100)]
    for name in [*NAMES, *drawn]:
        assert read(f"key=[{quoted(name)},b]") == [name, "b"], name


def test_settings_are_words_of_a_shell() -> None:
    for name in NAMES:
        (word,) = shlex.split(setting("key", [name, "b"]))
        assert read(word) == [name, "b"], name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["tags"], "'key=[tags]'"),
        ("two words", """"key='two words'\""""),
        ("x.y", "'key=x.y'"),
        (["red, dark", "b"], """"key=['red, dark',b]\""""),
        (["null"], """"key=['null']\""""),
    ],
)
def test_a_setting_is_quoted_where_it_must_be(value: str | list[str], text: str) -> None:
    assert setting("key", value) == text
