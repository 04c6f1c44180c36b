"""The site's pages: links that hold there, and all that is linked."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import pytest

from website import parts
from website.pages import collect


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for folder in ("docs", "experiments/one", "results/one", "code"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "README.md").write_text(
        "# It\n\n[page](docs/a.md#b), [one](experiments/one), [out](https://x.org), [up](#it)\n"
        "![drawn](results/one/p.png) `[not](a.link)`\n\n<!--=x.y-->3<!--/--> rows\n\n"
        "```md\n[not](one)\n<!--kept-->\n```\n<details><summary>more</summary>\n\ntext\n\n</details>\n"
    )
    (tmp_path / "docs/a.md").write_text(
        "# A\n\n## B\n\n[back](../README.md) [file](../code/x.py)\n"
    )
    (tmp_path / "experiments/one/README.md").write_text("# One\n\n[rows](../../results/one)\n")
    (tmp_path / "results/one/p.png").write_bytes(b"")
    (tmp_path / "results/one/t.md").write_text("| a |\n")
    (tmp_path / "code/x.py").write_text('"""See [it](no.md). <!--kept-->"""\n')
    return tmp_path


def test_pages_and_files_are_those_that_links_lead_to(repository: Path) -> None:
    site = collect({}, repository)
    assert set(site.pages) == {
        "README.md", "docs/a.md", "experiments/one/README.md", "results/one/README.md",
        "results/one/t.md", "code/x.py.md",
    }  # fmt: skip
    assert site.files == {"results/one/p.png"}
    assert "[one](experiments/one/README.md)" in site.pages["README.md"]
    assert "[page](docs/a.md#b)" in site.pages["README.md"]
    assert "[file](../code/x.py.md)" in site.pages["docs/a.md"]
    assert "- [p.png](p.png)\n- [t.md](t.md)\n" in site.pages["results/one/README.md"]
    assert "[it](no.md). <!--kept-->" in site.pages["code/x.py.md"]


def test_a_list_begins_where_github_begins_it(repository: Path) -> None:
    (repository / "docs/a.md").write_text("**Text**\n- one\n- two\n\n~~~~~\na\n- not\n~~~~~\n")
    (repository / "README.md").write_text("[page](docs/a.md)\n")
    page = collect({}, repository).pages["docs/a.md"]
    assert page == "**Text**\n\n- one\n- two\n\n~~~~~\na\n- not\n~~~~~\n"


def test_comments_and_code_are_left_as_the_reader_sees_them(repository: Path) -> None:
    page = collect({}, repository).pages["README.md"]
    assert "\n3 rows\n" in page
    assert "`[not](a.link)`" in page
    assert "[not](one)\n<!--kept-->" in page
    assert "<details markdown>" in page


def test_a_link_to_nothing_is_refused(repository: Path) -> None:
    (repository / "docs/a.md").write_text("[gone](b.md)\n")
    with pytest.raises(ValueError, match=r"docs/a.md links to b.md, and there is no such file"):
        collect({}, repository)


def test_every_link_of_the_site_leads_to_a_page_or_a_file() -> None:
    generated = parts.pages()
    site = collect(generated)
    assert set(generated) < set(site.pages)
    for path, text in site.pages.items():
        text = re.sub(r"~~~~~.*?~~~~~|```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", text):
            if not re.match(r"\w+:", target):
                linked = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
                assert linked in site.pages or linked in site.files, (path, target)
