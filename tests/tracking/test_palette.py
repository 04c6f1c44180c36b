import colorsys
import itertools
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import tensorboard

from mlc.config.registry import HEADS
from mlc.tracking.board import coloured, page_files
from mlc.tracking.palette import COLOURS, head_style, known_heads, series_style, styles

# The heads that people ask about most.
ASKED = (
    "sigmoid", "pick_one", "powerset", "label_powerset", "pairwise", "chain", "zlpr", "asymmetric",
    "focal", "weighted_sigmoid", "softmax_uniform", "bernoulli_mixture",
)  # fmt: skip


def test_each_registered_head_has_a_style_of_its_own() -> None:
    assert set(known_heads()) == set(HEADS)
    found = [(style.colour, style.dash, style.marker) for style in map(head_style, HEADS)]
    assert len(set(found)) == len(found)


def test_the_heads_that_are_asked_about_differ_in_colour_and_in_marker() -> None:
    found = [head_style(head) for head in ASKED]
    assert len({style.colour for style in found}) == len(ASKED) == len(COLOURS)
    assert len({style.marker for style in found}) == len(ASKED)
    hues = [colorsys.rgb_to_hls(*(int(c[i : i + 2], 16) for i in (1, 3, 5))) for c in COLOURS]
    assert all(a != b for a, b in itertools.combinations(hues, 2))


def test_sigmoid_alone_is_black_and_it_is_thicker() -> None:
    black = head_style("sigmoid")
    others = [head_style(head) for head in (*HEADS, "mine", "of_mine") if head != "sigmoid"]
    assert black.colour == "#000000"
    assert all(other.colour != black.colour and other.width < black.width for other in others)
    assert all(series_style(place).colour != black.colour for place in range(30))


@pytest.mark.parametrize("heads", [("sigmoid", "chain", "mine"), ("mine", "chain", "sigmoid")])
def test_a_head_has_one_style_whatever_the_others_are(heads: tuple[str, ...]) -> None:
    found = styles({f"{head} lr=1": head for head in heads})
    assert found == {f"{head} lr=1": head_style(head) for head in heads}
    assert styles({"chain": "chain"}) == {"chain": head_style("chain")}


def test_settings_of_one_of_several_heads_have_its_colour_and_dashes_of_their_own() -> None:
    found = styles({"sigmoid lr=1": "sigmoid", "sigmoid lr=2": "sigmoid", "chain lr=1": "chain"})
    first, second, chain = found.values()
    assert first.colour == second.colour != chain.colour
    assert first.dash != second.dash


def test_settings_of_a_single_head_have_colours() -> None:
    found = styles({f"sigmoid lr={place}": "sigmoid" for place in range(12)})
    assert [style.colour for style in found.values()] == [*COLOURS[1:], COLOURS[1]]
    assert styles({}) == {}


def test_tensorboard_gives_heads_the_same_colours() -> None:
    # The installed version has the form that is looked for.
    files = page_files()
    assert files is not None
    with files() as file, ZipFile(file) as opened:
        script = opened.read("index.js").decode()
    assert re.findall(r'"lightHex": "(#\w+)"', script) == list(COLOURS)
    assert script.count("??mlcPlace(") == 2


def test_an_unknown_page_of_tensorboard_stays_as_it_is() -> None:
    with ZipFile(Path(tensorboard.__file__).parent / "webfiles.zip") as opened:
        script = opened.read("index.js").decode()
    assert coloured(script) is not None
    assert coloured(script.replace("colorPalette:{", "palette:{")) is None
    assert coloured(script.replace(".size;", ".length;")) is None


def test_the_board_imports_absls_log_only_to_serve() -> None:
    """The log keeps the standard error of its import, and closes it when logging is configured."""
    code = "import sys, mlc.tracking.board; print('absl.logging' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"
