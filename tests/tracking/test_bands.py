from pathlib import Path

import pandas as pd
import pytest

from mlc.tracking.bands import Band
from tests.tracking.test_events import read

TAG = "val/jaccard_samples"


def write_history(folder: Path, number: int, values: list[float]) -> Path:
    path = folder / f"history{number}.csv"
    epochs = range(1, len(values) + 1)
    pd.DataFrame({"epoch": epochs, TAG: values, "learning_rate": 0.1}).to_csv(path, index=False)
    return path


def curve(folder: Path, tag: str = TAG) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def test_bands_are_mean_lowest_and_highest_at_each_epoch_and_grow_with_the_runs(
    tmp_path: Path,
) -> None:
    first = write_history(tmp_path, 0, [0.25, 0.5, 0.75])
    second = write_history(tmp_path, 1, [0.75, 0.0])  # ended early
    band = Band(tmp_path / "sigmoid", 1.0, {"head": "sigmoid"})
    band.write([first], [(3, {"test": 0.5})])
    assert curve(tmp_path / "sigmoid" / "mean") == [(1, 0.25), (2, 0.5), (3, 0.75)]
    band.write([first, second], [(3, {"test": 0.5}), (1, {"test": 0.25})])
    assert curve(tmp_path / "sigmoid" / "mean") == [(1, 0.5), (2, 0.25), (3, 0.75)]
    assert curve(tmp_path / "sigmoid" / "lowest") == [(1, 0.25), (2, 0.0), (3, 0.75)]
    assert curve(tmp_path / "sigmoid" / "highest") == [(1, 0.75), (2, 0.5), (3, 0.75)]
    assert curve(tmp_path / "sigmoid" / "mean", "test") == [(2, pytest.approx(0.375))]
    assert set(read(tmp_path / "sigmoid" / "lowest").Tags()["scalars"]) == {TAG}


def test_nothing_is_written_where_nothing_is_new(tmp_path: Path) -> None:
    history = write_history(tmp_path, 0, [0.5])
    band = Band(tmp_path / "a", 1.0, {})
    band.write([history], [(1, {})])
    (events,) = (tmp_path / "a" / "lowest").iterdir()
    size = events.stat().st_size
    band.write([history], [(1, {})])
    assert events.stat().st_size == size
