import io
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from mlc.config.registry import HEADS
from mlc.reporting.collect import collect
from mlc.reporting.figures import draw_means, means_figure, styles_of
from mlc.tracking.palette import head_style
from tests.reporting.test_tables import write_run


def test_a_picture_is_drawn_for_one_and_for_several_data_sets(tmp_path: Path) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0")
    narrow = imread(io.BytesIO(draw_means(collect(tmp_path), "jaccard_samples")))
    for data in ("scene", "emotions"):
        write_run(tmp_path, f"{data}/powerset/seed=0")
    wide = imread(io.BytesIO(draw_means(collect(tmp_path), "jaccard_samples")))
    assert wide.shape[1] > narrow.shape[1]
    assert narrow.std() > 0


def test_rows_have_the_colours_of_their_heads_whatever_the_order(tmp_path: Path) -> None:
    for index, head in enumerate(("chain", "sigmoid", "powerset")):
        write_run(tmp_path, f"yeast/{head}/seed=0")
        status = tmp_path / "yeast" / head / "seed=0" / "status.json"
        status.write_text(json.dumps({**json.loads(status.read_text()), "index": index}))
    results = collect(tmp_path)
    assert styles_of(results) == {h: head_style(h) for h in ("sigmoid", "chain", "powerset")}
    # Equal values: the rows stand as in the table, each in its head's colour.
    picture = imread(io.BytesIO(draw_means(results, "jaccard_samples")))
    rows = [
        np.isclose(picture[:, :, :3], to_rgb(head_style(head).colour), atol=0.01)
        .all(axis=2)
        .any(axis=1)
        .argmax()
        for head in ("chain", "powerset")
    ]
    assert 0 < rows[0] < rows[1]


def drawn(tmp_path: Path, values: dict[str, float]) -> Figure:
    for head in values:
        write_run(tmp_path, f"yeast/{head}/seed=0")
    results = collect(tmp_path)
    runs = results.runs.assign(jaccard_samples=results.runs["head"].map(values))
    return means_figure(replace(results, runs=runs), "jaccard_samples")


def test_one_outlier_does_not_squeeze_the_rest_and_is_named_at_the_edge(tmp_path: Path) -> None:
    values = {"sigmoid": 0.5, "chain": 0.52, "powerset": 0.49, "pick_one": 0.05}
    (panel,) = drawn(tmp_path, values).axes
    assert 0.4 < panel.get_xlim()[0] < 0.49 < 0.52 < panel.get_xlim()[1] < 0.6
    texts = [text.get_text() for text in panel.texts]
    assert texts
    assert all("0.05" in text for text in texts)
    # The best is on top.
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert names == ["chain", "sigmoid", "powerset", "pick_one"]


def test_values_that_are_not_far_apart_are_all_on_the_axis(tmp_path: Path) -> None:
    (panel,) = drawn(tmp_path, {"sigmoid": 0.5, "chain": 0.52, "pick_one": 0.45}).axes
    assert panel.get_xlim()[0] < 0.45
    assert not panel.texts


def test_a_sweep_of_many_heads_is_not_a_tall_picture(tmp_path: Path) -> None:
    for head in [*HEADS][:30]:
        write_run(tmp_path, f"yeast/{head}/seed=0")
    picture = imread(io.BytesIO(draw_means(collect(tmp_path), "jaccard_samples")))
    assert picture.shape[0] <= 1200


def test_the_name_of_a_data_set_may_be_in_any_script(tmp_path: Path) -> None:
    write_run(tmp_path, "工单/sigmoid/seed=0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw_means(collect(tmp_path), "jaccard_samples")
