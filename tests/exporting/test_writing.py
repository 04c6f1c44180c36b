"""Written files predict as mlc does, in onnxruntime and in a process without mlc."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlc.config.errors import ConfigError, MlcError
from mlc.decisions.base import DecisionRule
from mlc.exporting import formats, writing
from mlc.exporting.inputs import metadata_of, rows_of
from mlc.exporting.module import PortableModel
from mlc.exporting.tracing import traced
from mlc.exporting.writing import require_absent, require_format, write_predictor
from mlc.heads.base import Head
from tests.exporting.predictors import drawn_predictor, features_of

# The operations that ONNX has in another form: sorts, and a choice between truth values.
# test_module.py has all heads and rules.
PAIRS: list[tuple[str, str, dict[str, Any]]] = [
    ("pick_one", "top_k", {"k": 2}),
    ("label_powerset", "mode", {"at_least_one": True}),
]


class SideBySide(nn.Module):
    """Several exported models as one, which is traced in half the time."""

    def __init__(self, models: list[PortableModel]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Stack scores and label sets: (N, models, K)."""
        scores, label_sets = zip(*(model(rows) for model in self.models), strict=True)
        return torch.stack(scores, dim=1), torch.stack(label_sets, dim=1)


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    predictors = [drawn_predictor(*pair) for pair in PAIRS]
    features = features_of(30)
    return {
        "scores": np.stack([one.scores(features) for one in predictors], axis=1),
        "label_sets": np.stack([one.predict(features) for one in predictors], axis=1),
    }


@pytest.fixture(scope="module")
def program() -> Any:
    predictors = [drawn_predictor(*pair) for pair in PAIRS]
    models = [PortableModel(one, rows_of(one)) for one in predictors]
    return traced(SideBySide(models), torch.as_tensor(features_of(5)))  # type: ignore[arg-type]


def metadata() -> dict[str, Any]:
    predictor = drawn_predictor("sigmoid")
    return metadata_of(predictor, rows_of(predictor))


def check(scores: Any, label_sets: Any, expected: dict[str, np.ndarray], n: int) -> None:
    np.testing.assert_allclose(scores, expected["scores"][:n], atol=1e-6)
    np.testing.assert_array_equal(label_sets, expected["label_sets"][:n])


def test_a_process_without_mlc_predicts_the_same(
    program: Any, expected: dict[str, np.ndarray], tmp_path: Path
) -> None:
    formats.write_pt2(program, metadata(), tmp_path / "model.pt2")
    formats.write_torch(program, metadata(), tmp_path / "model_torch")
    np.save(tmp_path / "rows.npy", features_of(30))
    script = Path(__file__).parent / "fresh.py"
    ended = subprocess.run(
        [sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    with np.load(tmp_path / "fresh.npz") as stored:
        results = dict(stored)
    for name in ("pt2", "torch"):
        for n in (30, 1):
            check(results[f"{name}_scores_{n}"], results[f"{name}_sets_{n}"], expected, n)
    assert results["labels"].tolist() == ["label 0", "label 1", "label 2"]
    assert json.loads((tmp_path / "metadata.json").read_text()) == metadata()


def test_onnxruntime_predicts_the_same(
    program: Any, expected: dict[str, np.ndarray], tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    path = tmp_path / "model.onnx"
    formats.write_onnx(program, metadata(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for n in (30, 1):
        check(*session.run(["scores", "label_sets"], {"rows": features_of(30)[:n]}), expected, n)
    properties = session.get_modelmeta().custom_metadata_map
    assert {key: json.loads(value) for key, value in properties.items()} == metadata()


def test_the_columns_and_labels_are_named() -> None:
    described = metadata()
    assert described["labels"] == ["label 0", "label 1", "label 2"]
    assert described["rows"] == {
        "shape": [4],
        "dtype": "float32",
        "holds": "numbers, NaN for a missing value",
        "columns": ["x0", "x1", "x2", "x3"],
    }
    assert described["rule"].startswith("global, threshold 0.")


class Looping(DecisionRule):
    """A rule that decides by values how often it halves them."""

    name = "looping"

    def by_scores(self, scores: Tensor) -> Tensor:
        while float(scores.max()) > 0.5:
            scores = scores / 2
        return scores > 0.25


def loops(self: Head, outputs: Tensor) -> Tensor:
    """A head that does."""
    return outputs.sigmoid() if bool(outputs.max() > 0) else outputs


def written(tmp_path: Path, change: Callable[[Any], None], to: str = "pt2") -> None:
    predictor = drawn_predictor("sigmoid")
    change(predictor)
    rows = rows_of(predictor)
    write_predictor(predictor, tmp_path / "model", to, rows, metadata_of(predictor, rows))


def test_what_cannot_be_traced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rule(predictor: Any) -> None:
        predictor.rule = Looping(None)

    with pytest.raises(
        ConfigError, match=r"^The rule 'looping' cannot be exported, because .* --rule\.$"
    ):
        written(tmp_path, rule)
    with monkeypatch.context() as patch:
        patch.setattr("mlc.heads.sigmoid.SigmoidScores.scores", loops)
        with pytest.raises(ConfigError, match=r"^The head 'sigmoid' cannot be .* another head\.$"):
            written(tmp_path, lambda predictor: None)
    assert not list(tmp_path.iterdir())


def test_a_file_that_predicts_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(program: Any, metadata: Any, path: Path) -> Any:
        path.touch()
        return lambda rows: (torch.zeros(len(rows), 3).double(), torch.zeros(len(rows), 3).bool())

    monkeypatch.setitem(formats.FORMATS, "pt2", wrong)
    monkeypatch.setattr(writing, "traced", lambda module, rows: None)
    with pytest.raises(MlcError, match=r"does not predict as the run does \(\d+ of 64 random rows"):
        written(tmp_path, lambda predictor: None)


def test_an_unknown_format_and_a_missing_package_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no format 'tflite': choose one of onnx, pt2, torch"):
        require_format("tflite")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"extra export .*pip install 'mlc\[export\]', or"):
        require_format("onnx")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="link exists: name another path with --output"):
        require_absent(tmp_path / "link", "--output")
