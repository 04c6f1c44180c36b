"""TensorBoard itself, on bands that are written again."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from mlc.config.errors import MlcError
from mlc.tracking.server import serve
from mlc.tracking.view import View
from tests.tracking.test_view import make_run


@pytest.mark.slow
def test_tensorboard_shows_bands_as_they_were_written_last(tmp_path: Path) -> None:
    (tmp_path / "view").mkdir()
    view = View(tmp_path / "view", bands=True)
    runs = [make_run(tmp_path, "sigmoid", seed, chosen=1) for seed in (2, 4)]
    with serve(tmp_path / "view", 0) as address:
        query = f"?tag={quote('val/f1_macro')}&run={quote('1 sigmoid/highest')}"

        def until_highest_is(wanted: float) -> None:
            deadline, curve = time.monotonic() + 60, list[list[float]]()
            while time.monotonic() < deadline:
                # 404 until the run is loaded
                with (
                    suppress(HTTPError),
                    urlopen(f"{address}/data/plugin/scalars/scalars{query}") as reply,
                ):
                    curve = json.load(reply)
                if curve and curve[-1][2] == pytest.approx(wanted):
                    break
                time.sleep(0.2)
            assert [(step, pytest.approx(wanted)) for _, step, _ in curve] == [(1, wanted)]

        view.refresh(runs)
        until_highest_is(0.4)
        view.refresh([*runs, make_run(tmp_path, "sigmoid", 9, chosen=1)])
        until_highest_is(0.9)


@pytest.mark.slow
def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(MlcError, match=r"did not start .* choose another --port"),
        serve(tmp_path, 70_000),
    ):
        pass


def test_a_port_that_is_taken_is_told_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(
                MlcError, match=f"^--port {port} is taken: choose another, or omit --port."
            ),
            serve(tmp_path, port),
        ):
            pass
