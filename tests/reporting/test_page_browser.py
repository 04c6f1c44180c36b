"""The page in headless Chromium, on a phone and on a desktop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.files.names import ANSWER, DIFFERENCES
from mlc.metrics.final import decision_metrics, ranking_metrics
from mlc.reporting.collect import collect
from mlc.reporting.page import render
from tests.browsing import MARKS, browser_of
from tests.reporting.test_tables import write_run

pytestmark = MARKS

HEADS = [
    "sigmoid",
    "label_powerset",
    "a_head_with_a_name_that_is_far_longer_than_others",
    *"abcd",
]
N_LABELS = 33
METRICS = ["jaccard_samples", "hamming_loss", "f1_macro", "lrap"]
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\x9cc\xf8\xff"
    b"\xff?\0\5\xfe\2\xfe\xa7V\x81\xfa\0\0\0\0IEND\xaeB`\x82"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of a sweep, of a comparison, and of a comparison whose answer holds no differences."""
    folder = tmp_path_factory.mktemp("page")
    _write_runs(folder)
    results = collect(folder)
    figure = {
        "metric": METRICS[0], "margin": 0.01, "reference": "sigmoid",
        "heads": {head: [{"rule": "global"}] for head in HEADS}, "chosen": {"head": HEADS[1]},
        "differences": {head: {"mean": 0.01, "half_width": 0.02} for head in HEADS[1:]}
        | {"d": {"mean": -0.9, "half_width": None}},
    }  # fmt: skip
    shown = {
        "sentences": ["Use label_powerset.", "It leads sigmoid.", "Training takes 1 s."],
        "table": {"header": ["head", "test"], "rows": [[f">{head}", "0.500"] for head in HEADS]},
        "others": {"header": ["head", "rule"], "rows": [["sigmoid", "expected_jaccard"]]},
        "notes": ["A note."],
        "code": {"In PyTorch": f"import torch  # {'x' * 200}\n", "As an estimator": "fit()\n"},
    }
    mark = {"generator": "mlc", "shown": shown}
    pages = {}
    for name, answer in (("sweep", None), ("former", mark), ("compared", mark | figure)):
        if answer is not None:
            (folder / ANSWER).write_text(json.dumps(answer))
            (folder / DIFFERENCES).write_bytes(PNG)
        pages[name] = folder / f"{name}.html"
        pages[name].write_text(render(results, folder, METRICS), encoding="utf-8")
    return pages


def _write_runs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((50, N_LABELS)) < 0.3
    for place, head in enumerate(HEADS):
        for seed in (0, 1):
            scores = np.clip(targets * 0.4 + rng.random(targets.shape) * (0.5 + 0.02 * place), 0, 1)
            stored = {f"decisions_{rule}": scores > 0.5 for rule in ("global", "oracle")}
            run = folder / f"toy/{head}/seed={seed}"
            write_run(folder, f"toy/{head}/seed={seed}")
            np.savez(run / "predictions.npz", scores=scores, targets=targets, **stored)
            metrics = json.loads((run / "metrics.json").read_text())
            values = decision_metrics(scores > 0.5, targets)
            for part in ("val", "test"):
                metrics |= {
                    f"{part}/{r}/{k}": v for r in ("global", "oracle") for k, v in values.items()
                }
                metrics |= {f"{part}/{k}": v for k, v in ranking_metrics(scores, targets).items()}
            (run / "metrics.json").write_text(json.dumps(metrics))
            prior = {f"test/global/{name}": 0.25 for name in METRICS[:3]}
            (run / "baselines.json").write_text(json.dumps({"prior": prior}))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_of() as driver:
        yield driver


def opened(browser: Any, page: Path, width: int) -> None:
    screen = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(page.as_uri())


# The heights of the details that were closed, after a click on each.
OPENED = """
const closed = [...document.querySelectorAll("details:not([open])")];
closed.forEach(details => details.querySelector("summary").click());
return closed.map(details => details.open ? details.getBoundingClientRect().height : 0);
"""


def width_of(browser: Any) -> int:
    """The width of what is shown; a phone's window grows with it, so that innerWidth proves nothing."""
    return int(browser.execute_script("return document.documentElement.scrollWidth"))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["sweep", "compared", "former"])
def test_the_answer_is_first_and_the_page_fits(
    name: str, width: int, folders: dict[str, Path], browser: Any
) -> None:
    opened(browser, folders[name], width)
    lead = browser.find_element("css selector", "p.lead")
    words = "has the best jaccard_samples" if name == "sweep" else "Use label_powerset."
    assert words in lead.text
    assert lead.rect["y"] + lead.rect["height"] < 844 / 2
    assert width_of(browser) <= width
    heights = browser.execute_script(OPENED)
    # The other pairs, further curves, rarer labels; an answer's other rules and code.
    assert len(heights) == (3 if name == "sweep" else 5)
    assert min(heights) > 60
    assert width_of(browser) <= width
    images = "return [...document.images].map(image => image.complete && image.naturalWidth > 0)"
    assert browser.execute_script(images) == [True] * (name == "former")
    rows = browser.find_elements("css selector", ".gap:not(.axis)")
    assert len(rows) == (0 if name == "former" else len(HEADS) - 1)
    if name == "compared":
        assert "-0.900" in rows[-1].text
        assert len(browser.find_elements("css selector", ".beyond")) == 1
    charts = browser.find_elements("css selector", "svg.threshold")
    assert len(charts) == 2 * 3
    assert len(browser.find_elements("css selector", "svg.threshold polyline")) == 3 * len(HEADS)
    assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []


# For each table: the columns, and each column's cells after one click and after two.
SORTED = """
return [...document.querySelectorAll("table.sortable")].map(table =>
  [...table.querySelectorAll("th[data-column]")].map(head => {
    const column = Number(head.dataset.column);
    const clicked = () => {
      head.querySelector("button").click();
      const cells = [...table.tBodies[0].rows].map(row => row.cells[column]);
      return [head.getAttribute("aria-sort"), cells.map(c => c.dataset.value ?? c.textContent.trim())];
    };
    return [head.classList.contains("number"), clicked(), clicked()];
  }));
"""


def test_each_table_sorts_by_each_column(folders: dict[str, Path], browser: Any) -> None:
    opened(browser, folders["compared"], 1280)
    tables = browser.execute_script(SORTED)
    # The answer's two, the metrics' two and the labels' two.
    assert [len(columns) for columns in tables] == [2, 2, 11, 11, 7, 7]
    for is_number, *clicks in (column for columns in tables for column in columns):
        assert [direction for direction, _ in clicks] == ["descending", "ascending"]
        for direction, cells in clicks:
            if is_number:
                texts = [cell.strip(">").replace(",", "") for cell in cells]
                values = [float(text) for text in texts if text not in ("", "-")]
                # Cells without a value are last.
                assert all(text not in ("", "-") for text in texts[: len(values)])
            else:
                values = [cell.casefold() for cell in cells]
            assert values == sorted(values, reverse=direction == "descending")


def test_the_code_is_copied_or_selected(folders: dict[str, Path], browser: Any) -> None:
    opened(browser, folders["compared"], 390)
    button = browser.find_element("css selector", "button.copy")
    button.click()
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert button.text in ("Copied", "Selected: copy it with Ctrl+C")


# Of each element with text of its own: the text, and the contrast of its colour with what is behind it
# (WCAG 2.2, section 1.4.3).
CONTRASTS = """
const parts = colour => colour.match(/[0-9.]+/g).map(Number);
const luminance = ([r, g, b]) => [r, g, b]
  .map(v => v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = element => {
  for (let each = element; each; each = each.parentElement) {
    const colour = parts(getComputedStyle(each).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const shown = [...document.querySelectorAll("body *")].filter(each =>
  !["SCRIPT", "STYLE", "TITLE"].includes(each.tagName.toUpperCase()) &&
  [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()));
return shown.map(each => {
  const style = getComputedStyle(each);
  const ink = parts(each.namespaceURI.endsWith("svg") ? style.fill : style.color);
  const [one, other] = [luminance(ink), luminance(behind(each))];
  return [each.textContent.trim(), (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_is_readable_in_both_colour_schemes(
    scheme: str, folders: dict[str, Path], browser: Any
) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    try:
        opened(browser, folders["compared"], 1280)
        browser.execute_script(OPENED)
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 22, 22)")
        contrasts = browser.execute_script(CONTRASTS)
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(contrasts) > 100
    assert min(contrasts, key=lambda each: each[1])[1] >= 4.5
