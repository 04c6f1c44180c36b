"""Whether docs/reliability.md is older than the code: python -m tests.torture.freshness says so."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import tokenize
from collections.abc import Iterable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent.parent
STORE = Path(__file__).parent / "results"


def fingerprints(code: Iterable[str]) -> dict[str, str]:
    """Return a hash of the code in each folder or file; comments and docstrings do not count."""
    return {part: _of_part(REPOSITORY / part) for part in sorted(code)}


def _of_part(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(REPOSITORY).as_posix()} {bare(file)}\n".encode())
    return digest.hexdigest()[:12]


def bare(file: Path) -> str:
    """Return a module's text without comments, docstrings and white space."""
    source = file.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    spans = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            spans.append((starts[row - 1] + column, starts[row - 1] + token.end[1]))
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            assert first.end_lineno is not None
            spans.append((starts[first.lineno - 1], starts[first.end_lineno]))
    for begin, end in sorted(spans, reverse=True):
        source = source[:begin] + source[end:]
    return "".join(source.split())


def stored(store: Path = STORE) -> dict[str, dict[str, Any]]:
    """Return the stored results by area."""
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(store.glob("*.json"))
    }


def changed(results: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Return the code that has changed since each area was tried, by area."""
    found = {}
    now = fingerprints({part for content in results.values() for part in content["code"]})
    for area, content in results.items():
        parts = [part for part, before in content["code"].items() if now[part] != before]
        if parts:
            found[area] = parts
    return found


def sentence(results: dict[str, dict[str, Any]]) -> str:
    """Return one line on how old the page is."""
    if not results:
        return "docs/reliability.md has no stored results: run make torture FULL=1."
    older = changed(results)
    if not older:
        return "docs/reliability.md is as new as the code that it speaks of."
    parts = sorted({part for parts in older.values() for part in parts})
    return (
        f"docs/reliability.md is older than the code for {len(older)} of {len(results)} areas"
        f" ({', '.join(older)}): {', '.join(parts)} changed since; make torture FULL=1 tries it again."
    )


if __name__ == "__main__":
    print(sentence(stored()))
