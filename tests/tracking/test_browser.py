"""What a reader sees: TensorBoard on a finished sweep, and the report's page, in headless Chromium.

MLC_PICTURES_OF=multirun/DATE/TIME python -m pytest tests/tracking/test_browser.py -k pictures
takes the README's pictures of a sweep with a report.html.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex as hex_of
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from mlc.report import main as report_main
from mlc.tracking.palette import head_style
from mlc.train import main as train_main
from tests.browsing import MARKS, Redrawn, browser_of
from tests.conftest import REPOSITORY, exit_status

pytestmark = MARKS

HOSTILE = "<img src=x onerror=document.title='owned'>"
# TensorBoard's pages hide their text in shadow roots.
TEXT = """
const seen = [];
const walk = node => {
  if (node.nodeType === Node.TEXT_NODE) seen.push(node.textContent.trim());
  if (node.tagName === 'STYLE' || node.tagName === 'SCRIPT') return;
  if (node.shadowRoot) node.shadowRoot.childNodes.forEach(walk);
  node.childNodes.forEach(walk);
};
walk(document.body);
return seen.filter(text => text).join('\\n');
"""


HEADS = ("sigmoid", "powerset", "pick_one")
RUNS = [f"{place} {head}/seed={seed}" for place, head in enumerate(HEADS, 1) for seed in range(5)]
COLOURS = [head_style(head).colour for head in HEADS]
METRICS = ("jaccard_samples", "f1_macro", "subset_accuracy")
PINNED = [
    "loss/train", "loss/val", *(f"val/{metric}" for metric in METRICS),
    "val/jaccard_samples_at_chosen_epoch",
]  # fmt: skip


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Three heads, five seeds, on data with a label whose name is an attack; and what was printed."""
    folder = tmp_path_factory.mktemp("browser")
    rows = [
        f"{int(i % 3 == 0)},{int(i % 2 == 0)},{i % 3 + 0.1 * (i % 7)},{i % 2 + 0.1 * (i % 5)}"
        for i in range(80)
    ]
    header = ["@relation 'toy: -C 2'", f'@attribute "{HOSTILE}" {{0,1}}', "@attribute even {0,1}"]
    header += ["@attribute x numeric", "@attribute y numeric", "@data"]
    (folder / "toy.arff").write_text("\n".join([*header, *rows]) + "\n")
    arguments = ["data=arff", f"data.path={folder}/toy", f"head={','.join(HEADS)}"]
    arguments += ["seed=range(5)", "trainer.max_epochs=8", "backbone.widths=[8]"]
    printed = run(train_main, folder, "-m", *arguments, f"hydra.sweep.dir={folder}/sweep")
    run(report_main, folder, str(folder / "sweep"), "--html")
    return folder / "sweep", printed


@pytest.fixture(scope="module")
def sweep(ended: tuple[Path, str]) -> Path:
    return ended[0]


def run(main: Callable[[], None], folder: Path, *arguments: str) -> str:
    """What an entry point prints."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        assert exit_status(main, arguments, patch) == 0
    return printed.getvalue()


@pytest.fixture(scope="module")
def link(sweep: Path) -> Iterator[str]:
    """What mlc-curves prints of the sweep, while it serves it."""
    with shown(sweep) as address:
        yield address


@contextmanager
def shown(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-W", "ignore", "-m", "mlc.curves", str(folder), "--port", "0"]
    environment = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("http"):
                break
        else:
            pytest.fail("mlc-curves did not start")
        yield line.strip()
        process.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browser_of() as driver:
        yield driver


def wait_for(browser: Any, *texts: str, seconds: float = 60) -> str:
    """The page's text once all of these are in it."""
    deadline = time.monotonic() + seconds
    seen = ""
    while time.monotonic() < deadline:
        seen = str(browser.execute_script(TEXT))
        if all(text in seen for text in texts):
            return seen
        time.sleep(0.2)
    pytest.fail(
        f"The page never showed {[text for text in texts if text not in seen]}:\n{seen[:2000]}"
    )


def elements(within: Any, css: str, enough: int = 1, seconds: float = 60) -> list[Any]:
    """The elements, once there are so many."""
    deadline = time.monotonic() + seconds
    while len(found := within.find_elements("css selector", css)) < enough:
        assert time.monotonic() < deadline, f"{css}: {len(found)} of {enough}"
        time.sleep(0.2)
    return list(found)


def read(browser: Any, css: str, enough: int, value: Callable[[Any], str]) -> list[str]:
    """A value of each element; once more if the page has redrawn them meanwhile."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return [value(element) for element in elements(browser, css, enough)]
        except Redrawn:
            assert time.monotonic() < deadline, f"{css}: drawn anew all the time"


def go(browser: Any, link: str, page: str = "timeseries") -> None:
    browser.get("about:blank")
    browser.get(link.replace("#timeseries", f"#{page}"))


def to_hex(css: str) -> str:
    """The colour of "rgb(66, 80, 102)" or "rgba(...)"."""
    return hex_of([int(part) / 255 for part in re.findall(r"\d+", css)[:3]])


def colours_in(card: Any) -> set[str]:
    """Which of the heads' colours there are in what is drawn of an element."""
    picture = imread(io.BytesIO(card.screenshot_as_png))[:, :, :3]
    return {
        colour
        for colour in COLOURS
        if np.isclose(picture, to_rgb(colour), atol=0.02).all(axis=2).any()
    }


def test_the_printed_link_is_that_of_the_view(ended: tuple[Path, str], link: str) -> None:
    (printed,) = re.findall(r"http://\S+", ended[1])
    assert printed.partition("/?")[2] == link.partition("/?")[2]


def test_each_run_is_there_once_in_its_heads_colour_and_nothing_is_smoothed(
    link: str, browser: Any
) -> None:
    go(browser, link)
    names = read(
        browser, "runs-data-table tb-data-table-content-row", len(RUNS),
        lambda row: row.get_attribute("data-id").removeprefix("defaultExperimentId/"),
    )  # fmt: skip
    assert names == RUNS
    found = read(
        browser, "runs-data-table .run-color-swatch", len(RUNS),
        lambda swatch: to_hex(swatch.value_of_css_property("background-color")),
    )  # fmt: skip
    assert found == [colour for colour in COLOURS for _ in range(5)]
    (smoothing,) = elements(browser, ".scalars-smoothing input.slider-input")
    assert smoothing.get_attribute("value") == "0"


@pytest.mark.parametrize("width", [1500, 900])
def test_the_pinned_curves_stand_in_their_order_and_are_drawn(
    width: int, link: str, browser: Any
) -> None:
    browser.set_window_size(width, 1000)
    go(browser, link)
    cards = elements(browser, "metrics-pinned-view card-view", len(PINNED))
    for card, tag in zip(cards, PINNED, strict=True):
        browser.execute_script("arguments[0].scrollIntoView()", card)
        deadline = time.monotonic() + 60
        while colours_in(card) != set(COLOURS) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert colours_in(card) == set(COLOURS)
        title = card.find_element("css selector", "tb-truncated-path")
        assert title.get_attribute("textContent").strip() == tag
    browser.set_window_size(1500, 1000)


def test_each_head_has_its_figures(link: str, browser: Any) -> None:
    go(browser, link)
    cards = elements(browser, "card-view", len(PINNED) + 4 * len(HEADS))[len(PINNED) :]
    titles = []
    for card in cards:
        # What is out of sight is not made.
        browser.execute_script("arguments[0].scrollIntoView()", card)
        title, *_ = elements(card, "image-card tb-truncated-path")
        titles.append(title.get_attribute("title"))
    assert titles[3:6] == [
        f"figure_decisions/threshold {place} {head}" for place, head in enumerate(HEADS, 1)
    ]
    assert len(titles) == 4 * len(HEADS)


def test_hparams_begin_with_what_varies_and_have_a_row_for_each_run(
    link: str, browser: Any
) -> None:
    go(browser, link, "hparams")
    lines = wait_for(browser, f"test/global/{METRICS[-1]}", RUNS[-1]).splitlines()
    columns = lines[lines.index("Trial ID") :]
    assert columns[:7] == [
        "Trial ID", "Show Metrics", "head", "seed", *(f"test/global/{name}" for name in METRICS),
    ]  # fmt: skip
    assert [line for line in lines if line in RUNS] == RUNS
    assert "optimizer.lr" not in lines


def test_the_report_runs_nothing_that_it_was_given(sweep: Path, browser: Any) -> None:
    browser.get((sweep / "report.html").as_uri())
    seen = wait_for(browser, "15 runs finished", HOSTILE, "jaccard_samples")
    assert browser.title == "sweep - mlc"
    assert len(browser.find_elements("css selector", "svg.threshold polyline")) == 3 * 3
    assert "One threshold on all scores" in seen
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


@pytest.mark.skipif("MLC_PICTURES_OF" not in os.environ, reason="MLC_PICTURES_OF names no sweep")
def test_pictures_for_the_readme(browser: Any) -> None:
    folder = Path(os.environ["MLC_PICTURES_OF"]).absolute()
    images = REPOSITORY / "docs" / "images"
    with shown(folder) as link:
        browser.set_window_size(1500, 1690)
        go(browser, link)
        elements(browser, "metrics-pinned-view card-view", 3)
        time.sleep(15)  # Charts are drawn after their titles.
        browser.save_screenshot(str(images / "tensorboard.png"))
        browser.set_window_size(1500, 1000)
    browser.get((folder / "report.html").as_uri())
    wait_for(browser, "One threshold on all scores")
    browser.save_screenshot(str(images / "report.png"))
