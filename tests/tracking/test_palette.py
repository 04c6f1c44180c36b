import re
from pathlib import Path
from zipfile import ZipFile

import tensorboard

from mlc.tracking.palette import COLOURS, styles


def test_the_colours_are_those_that_tensorboard_gives_to_groups_of_runs() -> None:
    with ZipFile(Path(tensorboard.__file__).parent / "webfiles.zip") as files:
        script = files.read("index.js").decode()
    palette = re.search(r'colorPalette:\{id:"default".*?colors:\[(.*?)\]', script)
    assert palette is not None
    assert tuple(re.findall(r'lightHex:"(#\w+)"', palette[1])) == COLOURS


def test_a_head_has_one_colour_and_each_of_its_settings_dashes_of_its_own() -> None:
    found = styles({"sigmoid lr=1": "sigmoid", "sigmoid lr=2": "sigmoid", "chain lr=1": "chain"})
    assert [style.colour for style in found.values()] == [COLOURS[0], COLOURS[0], COLOURS[1]]
    assert len({style.dash for style in found.values()}) == 3


def test_settings_of_a_single_head_have_colours() -> None:
    found = styles({f"sigmoid lr={place}": "sigmoid" for place in range(8)})
    assert [style.colour for style in found.values()] == [*COLOURS, COLOURS[0]]
    assert styles({}) == {}
