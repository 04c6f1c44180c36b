from pathlib import Path

from mlc.heads.base import HEADS
from mlc.heads.catalogue import Entry, table

DOCUMENT = Path(__file__).parents[2] / "docs" / "heads.md"


def test_the_document_agrees_with_the_docstrings() -> None:
    is_current = DOCUMENT.read_text() == table()
    assert is_current, "docs/heads.md is stale: run python -m mlc.heads.catalogue > docs/heads.md"


def test_every_docstring_has_all_four_parts() -> None:
    for name in HEADS:
        entry = Entry.of(HEADS[name])
        assert all((entry.summary, entry.loss, entry.consistency, entry.source))
