"""What a reader sees: TensorBoard on a finished sweep, and the report's page, in headless Chromium.

MLC_PICTURES_OF=multirun/DATE/TIME python -m pytest tests/tracking/test_browser.py -k pictures
takes the README's pictures of a sweep with a report.html.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on the PATH"
    ),
]

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


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two heads, two seeds, on data with a label whose name is an attack."""
    folder = tmp_path_factory.mktemp("browser")
    rows = [
        f"{int(i % 3 == 0)},{int(i % 2 == 0)},{i % 3 + 0.1 * (i % 7)},{i % 2 + 0.1 * (i % 5)}"
        for i in range(80)
    ]
    header = ["@relation 'toy: -C 2'", f'@attribute "{HOSTILE}" {{0,1}}', "@attribute even {0,1}"]
    header += ["@attribute x numeric", "@attribute y numeric", "@data"]
    (folder / "toy.arff").write_text("\n".join([*header, *rows]) + "\n")
    arguments = ["data=arff", f"data.path={folder}/toy", "head=sigmoid,powerset", "seed=0,1"]
    arguments += ["trainer.max_epochs=4", "backbone.widths=[8]", f"hydra.sweep.dir={folder}/sweep"]
    run("mlc.train", "-m", *arguments)
    run("mlc.report", str(folder / "sweep"), "--html")
    return folder / "sweep"


def run(module: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        cwd=REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def tensorboard(sweep: Path) -> Iterator[str]:
    """The address of a TensorBoard on the sweep."""
    with serve(sweep) as address:
        yield address


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    command = [
        "-m",
        "tensorboard.main",
        "--logdir",
        str(folder),
        "--port",
        "0",
        "--load_fast=false",
    ]
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", *command], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                break
        yield found[0] if found else pytest.fail("TensorBoard did not start")
        process.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--window-size=1400,900",
    ):  # fmt: skip
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


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


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("scalars", ["loss/train", "learning_rate"]),
        ("custom_scalars", ["jaccard_samples"]),
        ("hparams", ["optimizer.lr", "test/global/jaccard_samples"]),
        ("pr_curves", ["precision_recall/even", HOSTILE]),
    ],
)
def test_tensorboard_shows_the_sweep(
    page: str, texts: list[str], tensorboard: str, browser: Any
) -> None:
    browser.get("about:blank")
    browser.get(f"{tensorboard}#{page}")
    seen = wait_for(browser, *texts)
    if page in ("scalars", "pr_curves"):
        assert "toy/powerset/seed=1" in seen


def test_the_report_is_one_page_that_sorts_and_runs_nothing_it_was_given(
    sweep: Path, browser: Any
) -> None:
    browser.get((sweep / "report.html").as_uri())
    seen = wait_for(browser, "4 runs finished, 0 failed", f"{HOSTILE} (", "jaccard_samples")
    assert browser.title == "sweep - mlc"
    assert "http" not in re.sub(r"http-equiv", "", (sweep / "report.html").read_text())
    assert len(browser.find_elements("css selector", "svg.threshold polyline")) == 2 * 3
    assert "One threshold on all scores" in seen

    def column(number: int) -> list[float]:
        cells = browser.find_elements("css selector", f"table.sortable td:nth-child({number})")
        return [float(cell.get_attribute("data-value")) for cell in cells]

    button = browser.find_elements("css selector", "table.sortable th button")[3]
    button.click()
    assert column(4) == sorted(column(4), reverse=True)
    button.click()
    assert column(4) == sorted(column(4))
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


@pytest.mark.skipif("MLC_PICTURES_OF" not in os.environ, reason="MLC_PICTURES_OF names no sweep")
def test_pictures_for_the_readme(browser: Any) -> None:
    folder = Path(os.environ["MLC_PICTURES_OF"]).absolute()
    images = REPOSITORY / "docs" / "images"
    with serve(folder) as address:
        browser.get(f"{address}#custom_scalars")
        wait_for(browser, "heads side by side")
        time.sleep(3)  # Charts are drawn after their titles.
        browser.save_screenshot(str(images / "tensorboard.png"))
    browser.get((folder / "report.html").as_uri())
    wait_for(browser, "Click a column to sort")
    browser.save_screenshot(str(images / "report.png"))
