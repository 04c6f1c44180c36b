"""The generated pages: each head and rule with its results as stored."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from mlc.config.registry import DECISIONS
from mlc.heads.base import HEADS
from website import parts


@pytest.mark.parametrize("name", list(HEADS))
def test_a_head_has_a_page(name: str) -> None:
    page = parts.head_page(name)
    assert page.startswith(f"# {name}\n")
    for heading in ("**Loss**", "**What it estimates**", "**Source**", "**Code**", "league"):
        assert heading in page
    assert (parts.ROOT / parts.source_of(HEADS[name])).is_file()


def test_the_results_of_a_head_are_those_of_the_league() -> None:
    page = parts.head_page("pairwise")
    for file in parts.COLUMNS.values():
        stored = parts.rows_of(parts.LEAGUE / f"{file}.md")["pairwise"]
        assert stored["yeast"] in page
    (line,) = (line for line in page.splitlines() if line.startswith("| bibtex |"))
    jaccard = (parts.LEAGUE / "jaccard_samples.md").read_text(encoding="utf-8")
    assert line.split(" | ")[1] in jaccard
    assert "has no rows of this head" in parts.head_page("hill")


@pytest.mark.parametrize("name", list(DECISIONS))
def test_a_rule_has_a_page(name: str) -> None:
    page = parts.rule_page(name)
    assert page.startswith(f"# {name}\n")
    assert f'build_decision("{name}")' in page
    assert "Attributes:" not in page
    assert f"](decisions/{name}.md)" in parts.rules_index()


def test_every_head_is_in_the_index_with_its_rank() -> None:
    index = parts.heads_index()
    assert index.count("](heads/") == len(HEADS)
    rank = parts.rows_of(parts.LEAGUE / "jaccard_samples.md")["sigmoid"]["rank"]
    (line,) = (line for line in index.splitlines() if line.startswith("| [`sigmoid`]"))
    assert line.endswith(f"| {rank} |")


@pytest.mark.parametrize("module", parts.INTERFACE)
def test_the_interface_names_what_the_module_has(module: str) -> None:
    loaded = importlib.import_module(module)
    page = parts.interface_page(module)
    names = parts.public_names(module)
    assert set(getattr(loaded, "__all__", ())) - {"__version__"} <= set(names)
    for name in names:
        assert hasattr(loaded, name)
        assert f"\n::: {module}.{name}\n" in page


def test_docstrings_name_the_parameters_that_there_are() -> None:
    """mkdocstrings warns of others, and a warning ends the build."""
    for module in parts.INTERFACE:
        for name in parts.public_names(module):
            part = getattr(importlib.import_module(module), name)
            arguments = re.search(r"\nArgs:\n((?:    .*\n|\n)+)", f"{inspect.getdoc(part)}\n")
            if arguments and callable(part):
                named = re.findall(r"^    \*{0,2}(\w.*?):", arguments[1], re.MULTILINE)
                assert set(named) <= set(inspect.signature(part).parameters), (module, name)
