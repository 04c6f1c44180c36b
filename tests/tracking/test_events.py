"""Records read back by TensorBoard's own reader."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mlc.files.names import EVENTS
from mlc.tracking.events import EventFile, experiment, image, scalars, session_start


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def test_records_are_on_the_disk_at_once(tmp_path: Path) -> None:
    events = EventFile(tmp_path / "run" / f"{EVENTS}.0", began=3.0)
    events.add(scalars({"a": 0.5, "b": -1.0}), 1)
    events.add(scalars({"a": 0.25}, "What it is."), 2)
    found = read(tmp_path / "run")
    assert found.FirstEventTimestamp() == 3.0
    assert [(event.step, event.value) for event in found.Scalars("a")] == [(1, 0.5), (2, 0.25)]
    assert [event.value for event in found.Scalars("b")] == [-1.0]
    events.close()


def test_starting_again_replaces_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / f"{EVENTS}.0"
    for value in (1.0, 2.0):
        events = EventFile(path)
        events.start_again()
        for step in (1, 2, 3):
            events.add(scalars({"a": value}), step)
        events.close()
    assert [(event.step, event.value) for event in read(tmp_path).Scalars("a")] == [
        (1, 2.0), (2, 2.0), (3, 2.0),
    ]  # fmt: skip


def test_a_picture_comes_back_as_it_was(tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), dtype=np.uint8)
    picture[1, 2] = (66, 80, 102)
    events = EventFile(tmp_path / f"{EVENTS}.0")
    events.add(image("figure", picture), 7)
    events.close()
    (event,) = read(tmp_path).Images("figure")
    assert (event.step, event.height, event.width) == (7, 4, 6)
    stored = Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")
    assert np.array_equal(np.asarray(stored), picture)


def test_the_name_of_a_file_that_is_not_in_utf_8_is_written_as_escapes() -> None:
    name = "caf\udce9.csv"
    for record in (session_start({"data.path": name}), experiment({"data.path": [name]}, [])):
        assert b"caf\\udce9.csv" in record.SerializeToString()
