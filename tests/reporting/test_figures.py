import io
from pathlib import Path

from matplotlib.image import imread

from mlc.reporting import collect
from mlc.reporting.figures import draw_means
from tests.reporting.test_tables import write_run


def test_a_picture_is_drawn_for_one_and_for_several_data_sets(tmp_path: Path) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0")
    narrow = imread(io.BytesIO(draw_means(collect(tmp_path), "jaccard_samples")))
    for data in ("scene", "emotions"):
        write_run(tmp_path, f"{data}/powerset/seed=0")
    wide = imread(io.BytesIO(draw_means(collect(tmp_path), "jaccard_samples")))
    assert wide.shape[1] > narrow.shape[1]
    assert narrow.std() > 0
