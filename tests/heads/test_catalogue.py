from dataclasses import fields

import pytest

from mlc.heads.base import HEADS
from mlc.heads.catalogue import Entry, document, linked, options_of
from tests.documents import text_of


def test_the_document_agrees_with_the_docstrings() -> None:
    is_current = text_of("docs/heads.md") == document()
    assert is_current, "docs/heads.md is stale: run python -m mlc.heads.catalogue > docs/heads.md"


@pytest.mark.parametrize("name", list(HEADS))
def test_every_docstring_has_its_parts(name: str) -> None:
    entry = Entry.of(HEADS[name])
    assert all((entry.summary, entry.loss, entry.consistency, entry.source))
    # A reader of the page must know the meaning of each letter: formulas are LaTeX, not text.
    assert "$`" in entry.loss
    assert not {"Use:", "Avoid:", "Source:"} & set(" ".join(vars(entry).values()).split())


def test_a_docstring_without_a_part_is_refused() -> None:
    class Bare:
        """A head. loss = 0. Consistent for nothing."""

    with pytest.raises(ValueError, match=r"docstring of Bare must have .* 'Source: '"):
        Entry.of(Bare)  # type: ignore[arg-type]


def test_options_are_described_with_limits_and_search_space() -> None:
    assert (
        options_of(HEADS["focal"].Options)[0] == "`gamma=2.0` (at least 0; searched over 0.5 to 4)"
    )
    for name in HEADS:
        assert len(options_of(HEADS[name].Options)) == len(fields(HEADS[name].Options))


def test_paths_become_links() -> None:
    text = "as there (docs/theory.md, statement 2; experiments/league)."
    assert linked(text, "docs/heads") == (
        "as there ([docs/theory.md](../theory.md), statement 2;"
        " [experiments/league](../../experiments/league))."
    )
