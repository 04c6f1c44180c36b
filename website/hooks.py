"""The hooks of MkDocs: the site's pages are files of the repository and generated ones."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
# MkDocs loads this file by its path.
sys.path.insert(0, str(ROOT))

from website import font, pages, parts  # noqa: E402

STYLE = ("website/style.css", "website/iframe-worker.js")


@cache
def _site() -> pages.Site:
    return pages.collect(parts.pages())


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace each pattern in the navigation by the generated pages."""
    config.nav = [_expanded(entry) for entry in config.nav or []]
    return config


def _expanded(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    ((title, value),) = entry.items()
    if isinstance(value, list):
        value = [page for item in value for page in _matching(item)]
    return {title: value}


def _matching(entry: Any) -> list[Any]:
    if not isinstance(entry, str) or not entry.endswith("*"):
        return [_expanded(entry)]
    generated = sorted(path for path in parts.pages() if path.startswith(entry[:-1]))
    return [{Path(path).name.removesuffix(".md"): path} for path in generated]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/ by the pages of the site, under their paths in the repository."""
    theme = [file for file in files if not (file.abs_src_path or "").startswith(config.docs_dir)]
    site = _site()
    copied = [*site.files, *STYLE]
    return Files(
        [
            *theme,
            *(File.generated(config, path, content=text) for path, text in site.pages.items()),
            *(File.generated(config, path, abs_src_path=str(ROOT / path)) for path in copied),
            File.generated(config, "website/formulas.woff", content=font.formula_font()),
        ]
    )
