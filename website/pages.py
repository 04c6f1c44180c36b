"""The pages of the site: Markdown files of the repository, with links that hold on the site.

Paths on the site are those of the repository. A link to a folder leads to its README.md or to a
list of its files, a link to code or to another text file leads to a page that shows it, and pictures and
tables of numbers are copied.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
# The pages from which all others are reached by links.
SOURCES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/*.md", "experiments/*/README.md")
COPIED = {".png", ".csv", ".json", ".svg", ".npz"}
_FENCED = r"~~~~~.*?~~~~~|```.*?```"
_CODE = rf"{_FENCED}|`[^`]*`"
_LINK = re.compile(rf"({_CODE})|\]\(([^)\s]+)\)", re.DOTALL)
# The experiments mark their numbers by comments; one at the beginning of a line would end a paragraph.
_COMMENT = re.compile(rf"({_CODE})|<!--.*?-->", re.DOTALL)
# GitHub begins a list after any line, Python-Markdown after an empty one.
_LIST = re.compile(rf"({_FENCED})|^((?![-*] |[|#>\s])[^\n]+\n)(?=- )", re.DOTALL | re.MULTILINE)
_UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n"


@dataclass
class Site:
    """What the site consists of.

    Attributes:
        pages: Markdown by path.
        files: the paths of files that are copied.
    """

    pages: dict[str, str] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


def collect(generated: Mapping[str, str], root: Path = ROOT) -> Site:
    """Collect the pages and all that they link to.

    Args:
        generated: further pages, or other texts of existing ones, by path.

    Raises:
        ValueError: a link leads to no file.
    """
    sources = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for pattern in SOURCES
        for path in sorted(root.glob(pattern))
    }
    waiting, site = {**sources, **generated}, Site()
    while waiting:
        path, text = waiting.popitem()
        site.pages[path] = text
        site.pages[path] = _with_links(path, text, waiting, site, root)
    return site


def _with_links(path: str, text: str, waiting: dict[str, str], site: Site, root: Path) -> str:
    """Return a page with the links of the site; add what they lead to."""

    def replaced(match: re.Match[str]) -> str:
        target = match[2]
        if match[1] is not None or re.match(r"\w+:|#", target):
            return match[0]
        name, _, anchor = target.partition("#")
        linked = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if linked not in waiting and linked not in site.pages:
            linked = _added(linked, f"{path} links to {target}", waiting, site, root)
        relative = posixpath.relpath(linked, posixpath.dirname(path) or ".")
        return f"]({relative}{'#' if anchor else ''}{anchor})"

    text = _COMMENT.sub(lambda match: match[1] or "", text)
    text = _LIST.sub(lambda match: match[1] or f"{match[2]}\n", text)
    return _LINK.sub(replaced, text.replace("<details>", "<details markdown>"))


def _added(linked: str, origin: str, waiting: dict[str, str], site: Site, root: Path) -> str:
    """Add a linked file to the site and return its path there."""
    file = root / linked
    if file.is_dir():
        page = posixpath.normpath(f"{linked}/README.md")
        content = (root / page).read_text(encoding="utf-8") if (root / page).exists() else ""
        content = content or f"# {linked}\n"
        if linked.partition("/")[0] == "results":
            content += "\n" + listing(file)
    elif not file.is_file():
        raise ValueError(f"{origin}, and there is no such file.")
    elif file.suffix in COPIED:
        site.files.add(linked)
        return linked
    elif file.suffix == ".md":
        page, content = linked, _UNSEARCHED + file.read_text(encoding="utf-8")
    else:
        page, content = f"{linked}.md", source_page(linked, file)
    if page not in site.pages:
        waiting.setdefault(page, content)
    return page


def listing(folder: Path) -> str:
    """Return a list of the files and folders in a folder, as links."""
    names = sorted(path.name for path in folder.iterdir() if path.name != "README.md")
    return "".join(f"- [{name}]({name})\n" for name in names)


def source_page(name: str, file: Path) -> str:
    """Return a page that shows a text file."""
    language = {".py": "python", ".cff": "yaml", ".toml": "toml"}.get(file.suffix, "text")
    text = file.read_text(encoding="utf-8").rstrip()
    return f"{_UNSEARCHED}# {name}\n\n~~~~~{language}\n{text}\n~~~~~\n"
