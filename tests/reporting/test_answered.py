"""The answer of a comparison on the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlc.config.errors import RunFolderError
from mlc.files.names import ANSWER, DIFFERENCES
from mlc.reporting.answered import read_answer

SHOWN: dict[str, Any] = {
    "sentences": ["Use <b>it</b>."],
    "table": {"header": ["head"], "rows": [["sigmoid"]]},
    "others": None,
    "notes": ["A note."],
    "code": {"In PyTorch": "import torch\n"},
}


def test_a_folder_without_an_answer_has_none(tmp_path: Path) -> None:
    assert read_answer(tmp_path) is None


def test_an_answer_is_read_with_its_figure(tmp_path: Path) -> None:
    (tmp_path / ANSWER).write_text(json.dumps({"generator": "mlc", "shown": SHOWN}))
    more = {"rules": {}, "gaps": None, "metric": "", "reference": ""}
    assert read_answer(tmp_path) == {**SHOWN, **more, "image": None}
    (tmp_path / DIFFERENCES).write_bytes(b"png")
    answer = read_answer(tmp_path)
    assert answer is not None
    assert answer["image"] == "cG5n"


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"shown": 3}', '{"shown": {"sentences": 1}}', "x"]
)
def test_a_damaged_answer_is_said_in_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / ANSWER).write_text(content)
    with pytest.raises(RunFolderError, match="is not the answer of a comparison"):
        read_answer(tmp_path)
