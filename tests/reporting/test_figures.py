import io
import json
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from mlc.reporting.collect import collect
from mlc.reporting.figures import draw_means, styles_of
from mlc.tracking.palette import COLOURS
from tests.reporting.test_tables import write_run


def test_a_picture_is_drawn_for_one_and_for_several_data_sets(tmp_path: Path) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0")
    narrow = imread(io.BytesIO(draw_means(collect(tmp_path), "jaccard_samples")))
    for data in ("scene", "emotions"):
        write_run(tmp_path, f"{data}/powerset/seed=0")
    wide = imread(io.BytesIO(draw_means(collect(tmp_path), "jaccard_samples")))
    assert wide.shape[1] > narrow.shape[1]
    assert narrow.std() > 0


def test_colours_follow_the_order_in_which_the_sweep_was_written(tmp_path: Path) -> None:
    for index, head in enumerate(("sigmoid", "chain", "powerset")):
        write_run(tmp_path, f"yeast/{head}/seed=0")
        status = tmp_path / "yeast" / head / "seed=0" / "status.json"
        status.write_text(json.dumps({**json.loads(status.read_text()), "index": index}))
    results = collect(tmp_path)
    found = {name: style.colour for name, style in styles_of(results).items()}
    assert found == dict(zip(("sigmoid", "chain", "powerset"), COLOURS, strict=False))
    # In the picture the rows stand as in the table, each in its head's colour.
    picture = imread(io.BytesIO(draw_means(results, "jaccard_samples")))
    rows = [
        np.isclose(picture[:, :, :3], to_rgb(found[head]), atol=0.01)
        .all(axis=2)
        .any(axis=1)
        .argmax()
        for head in ("chain", "powerset", "sigmoid")
    ]
    assert 0 < rows[0] < rows[1] < rows[2]
