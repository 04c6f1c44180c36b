"""The site as `make docs` has built it, in headless Chromium: nothing overflows, nothing is loaded."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browsing import MARKS, browser_of
from tests.conftest import REPOSITORY

SITE = REPOSITORY / "site"
pytestmark = [
    *MARKS,
    pytest.mark.skipif(not (SITE / "index.html").is_file(), reason="no site: make docs builds it"),
]
PAGES = ("index", "docs/start", "docs/theory", "docs/heads", "docs/heads/pairwise",
         "experiments/thresholds/index")  # fmt: skip
# The width of the page beyond the window, and whether the font of the formulas is there.
SHOWN = """
const done = arguments[0];
document.fonts.ready.then(() => done([
  document.documentElement.scrollWidth - window.innerWidth,
  !document.querySelector('math') || document.fonts.check('16px Formulas'),
]));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_of() as driver:
        yield driver


def narrowed(browser: Any, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_window(browser: Any, width: int) -> None:
    narrowed(browser, width)
    for page in PAGES:
        browser.get((SITE / f"{page}.html").as_uri())
        beyond, has_font = browser.execute_async_script(SHOWN)
        assert beyond <= 0, page
        assert has_font, page
        assert browser.get_log("browser") == [], page


def test_the_search_needs_no_server(browser: Any) -> None:
    narrowed(browser, 1280)
    browser.get((SITE / "docs/theory.html").as_uri())
    browser.find_element("css selector", "input.md-search__input").click()
    browser.switch_to.active_element.send_keys("pairwise")
    deadline = time.monotonic() + 30
    while not (found := browser.find_elements("css selector", ".md-search-result__item h1")):
        assert time.monotonic() < deadline, "The search found nothing."
        time.sleep(0.1)
    assert "pairwise" in [result.text for result in found]


def test_no_page_loads_anything_from_the_network() -> None:
    loaded = re.compile(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=\"?https?:", re.IGNORECASE)
    pages = list(SITE.rglob("*.html"))
    assert len(pages) > 100
    for page in pages:
        assert not loaded.search(page.read_text(encoding="utf-8")), page
