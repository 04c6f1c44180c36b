"""TensorBoard's event files, written as plain records."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

Value = str | float | bool


class EventFile:
    """An event file opened for appending; each record is flushed when `add` returns.

    Args:
        path: of the file; its folder is created.
        began: time of the first record, by which TensorBoard orders runs.
    """

    def __init__(self, path: Path, began: float | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        self._file = path.open("ab")
        self._records = RecordWriter(self._file)
        if is_new:
            began = time.time() if began is None else began
            self._write(Event(wall_time=began, file_version="brain.Event:2"))

    def add(self, summary: Summary, step: int = 0) -> None:
        """Append a record."""
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def start_again(self) -> None:
        """Write a record that makes TensorBoard discard all earlier records of the file."""
        log = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=time.time(), step=0, session_log=log))

    def close(self) -> None:
        """Close the file; no record is lost if this is never called."""
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()


def scalars(values: Mapping[str, float], description: str = "") -> Summary:
    """Return a record of scalars at one step, by tag."""
    if not description:
        return Summary(
            value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        )
    described = SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=scalar_metadata.PLUGIN_NAME),
        summary_description=description,
    )
    return Summary(
        value=[
            Summary.Value(tag=tag, simple_value=value, metadata=described)
            for tag, value in values.items()
        ]
    )


def image(tag: str, picture: NDArray[np.uint8]) -> Summary:
    """Return a record of an image (height, width, 3), as a PNG of at most 256 colours."""
    stream = io.BytesIO()
    colours = Image.fromarray(picture).quantize(256, dither=Image.Dither.NONE)
    colours.save(stream, format="png", optimize=True)
    height, width, channels = picture.shape
    content = Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=stream.getvalue()
    )
    return Summary(value=[Summary.Value(tag=tag, image=content)])


def session_start(hyperparameters: Mapping[str, Value]) -> Summary:
    """Return the record that adds the run to the HParams page, with its values."""
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for key, value in hyperparameters.items():
        _set(start.hparams[key], value)
    content = plugin_data_pb2.HParamsPluginData(session_start_info=start)
    return _hparams(metadata.SESSION_START_INFO_TAG, content)


def session_end() -> Summary:
    """Return the record that marks the run as finished on the HParams page."""
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
    content = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    return _hparams(metadata.SESSION_END_INFO_TAG, content)


def experiment(
    values: Mapping[str, Sequence[Value]], metrics: Sequence[str], *, is_complete: bool = True
) -> Summary:
    """Return the record of the columns of the HParams page: hyperparameters, then metrics.

    Args:
        values: values of each hyperparameter in the runs, by name.
        metrics: tags of scalars, of which the page shows the last values.
        is_complete: whether the values are final; TensorBoard hides runs with a value not listed.
    """
    description = api_pb2.Experiment()
    for key, occurring in values.items():
        info = description.hparam_infos.add(name=key, display_name=key.strip(), differs=True)
        distinct = list(dict.fromkeys(occurring))
        is_number = all(isinstance(value, (int, float)) for value in distinct)
        info.type = api_pb2.DATA_TYPE_FLOAT64 if is_number else api_pb2.DATA_TYPE_STRING
        if not is_complete:
            continue
        if is_number:
            numbers = [float(value) for value in distinct]
            info.domain_interval.min_value = min(numbers)
            info.domain_interval.max_value = max(numbers)
        else:
            info.domain_discrete.extend([_text(str(value)) for value in distinct])
    for tag in metrics:
        description.metric_infos.add(name=api_pb2.MetricName(tag=tag))
    content = plugin_data_pb2.HParamsPluginData(experiment=description)
    return _hparams(metadata.EXPERIMENT_TAG, content)


def _set(field: Any, value: Value) -> None:
    if isinstance(value, str):
        field.string_value = _text(value)
    elif isinstance(value, bool):
        field.bool_value = value
    else:
        field.number_value = value


def _text(value: str) -> str:
    """Return a text for a record, which holds UTF-8: names of files may not be in it."""
    return value.encode(errors="backslashreplace").decode()


def _hparams(tag: str, content: plugin_data_pb2.HParamsPluginData) -> Summary:
    described = metadata.create_summary_metadata(content)
    value = Summary.Value(tag=tag, metadata=described, tensor=metadata.NULL_TENSOR)
    return Summary(value=[value])
