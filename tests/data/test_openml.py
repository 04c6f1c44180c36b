"""OpenML, by a local server that replays its protocol."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest

from mlc.config.errors import DataError
from mlc.data.base import SOURCES, Dataset
from mlc.data.openml import STANDARD

ARFF = """@RELATION toy
@ATTRIBUTE x NUMERIC
@ATTRIBUTE kind {a,b}
@ATTRIBUTE red {FALSE,TRUE}
@ATTRIBUTE round {FALSE,TRUE}
@DATA
1.5,a,TRUE,FALSE
?,b,FALSE,FALSE
3,b,TRUE,TRUE
"""
COLUMNS = {"x": "numeric", "kind": "nominal", "red": "nominal", "round": "nominal"}
NUMBER = 40597


def answers(name: str) -> dict[str, Any]:
    features = [
        {
            "index": str(place), "name": column, "data_type": kind, "is_ignore": "false",
            "is_target": str(column in ("red", "round")).lower(), "is_row_identifier": "false",
            "number_of_missing_values": "1" if column == "x" else "0",
        }
        for place, (column, kind) in enumerate(COLUMNS.items())
    ]  # fmt: skip
    description = {
        "id": str(NUMBER), "name": name, "version": "4", "format": "ARFF", "status": "active",
        "file_id": "7", "url": "https://api.openml.org/data/v1/download/7/toy.arff",
        "default_target_attribute": "red,round", "description": "A toy.", "visibility": "public",
        "md5_checksum": hashlib.md5(ARFF.encode()).hexdigest(),
    }  # fmt: skip
    listed = {"did": NUMBER, "name": name, "version": 4, "status": "active"}
    return {
        f"/api/v1/json/data/list/data_name/{name}/limit/2/status/active/": {
            "data": {"dataset": [listed]}
        },
        f"/api/v1/json/data/{NUMBER}": {"data_set_description": description},
        f"/api/v1/json/data/features/{NUMBER}": {"data_features": {"feature": features}},
        f"/api/v1/json/data/qualities/{NUMBER}": {
            "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": "3"}]}
        },
        "/data/v1/download/7/toy.arff": ARFF,
        "/data/v1/download/7": ARFF,
    }


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that were asked of the replayed server."""
    asked: list[str] = []

    class Replay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = {**answers("yeast"), **answers_of_others()}.get(self.path)
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            if answer is not None:
                text = answer if isinstance(answer, str) else json.dumps(answer)
                self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            return None

    def answers_of_others() -> dict[str, Any]:
        return {path: answer for path, answer in answers("toy").items() if "data_name" in path}

    server = HTTPServer(("127.0.0.1", 0), Replay)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    real = urllib.request.urlopen

    def redirected(request: Any, *arguments: Any, **more: Any) -> Any:
        path = urllib.request.urlparse(request.full_url).path  # type: ignore[attr-defined]
        return real(f"http://127.0.0.1:{server.server_port}{path}", *arguments, **more)

    monkeypatch.setattr("sklearn.datasets._openml.urlopen", redirected)
    yield asked
    server.shutdown()
    server.server_close()


def load(**options: Any) -> Dataset:
    return SOURCES["openml"].load(SOURCES.options("openml", **options))


def test_a_standard_set_is_fetched_by_its_number_and_cached(requests: list[str]) -> None:
    dataset = load(title="yeast")
    assert dataset.label_names == ("red", "round")
    assert dataset.feature_names == ("x", "kind=a", "kind=b")
    np.testing.assert_array_equal(dataset.features, [[1.5, 1, 0], [np.nan, 0, 1], [3, 0, 1]])
    assert dataset.targets.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert f"/api/v1/json/data/{NUMBER}" in requests
    n_asked = len(requests)
    load(title="yeast")
    assert len(requests) == n_asked


def test_labels_may_be_named(requests: list[str]) -> None:
    assert load(title="yeast", labels=["round"]).label_names == ("round",)


def test_a_number_that_names_another_set_is_refused(
    requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STANDARD, "toy", NUMBER)
    with pytest.raises(DataError, match=r"number 40597 there is 'yeast': state data.data_id"):
        load(title="toy")


def test_an_unknown_set_is_told(requests: list[str]) -> None:
    with pytest.raises(
        DataError, match=r"openml.org's data set 'scene' cannot be fetched .HTTP 404"
    ):
        load(title="scene")


def test_no_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: Any, **more: Any) -> Any:
        raise URLError("Name or service not known")

    monkeypatch.setattr("sklearn.datasets._openml.urlopen", offline)
    monkeypatch.setattr("sklearn.datasets._openml.time.sleep", lambda seconds: None)
    with pytest.raises(DataError) as told:
        load(title="yeast")
    assert str(told.value) == (
        "openml.org's data set 'yeast' cannot be fetched (Name or service not known): connect to the"
        " network, or use a file with data=arff or data=table."
    )


def test_labels_with_commas_between_them_are_taken_as_meant(requests: list[str]) -> None:
    taken = load(title="yeast", labels=["round, red,"])
    assert taken.label_names == ("round", "red")
    assert "There is no label column 'round, red,'; it is taken as round and red." in taken.notes
    assert taken.feature_names == ("x", "kind=a", "kind=b")
    with pytest.raises(DataError, match=r"there is no column 'flat' \(of 'red,flat'\)"):
        load(title="yeast", labels=["red,flat"])
