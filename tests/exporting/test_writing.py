"""Files for onnxruntime predict as mlc does, and what cannot be exported is named."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlc.config.errors import ConfigError, MlcError
from mlc.data.preprocessing import Scaling
from mlc.decisions.base import DecisionRule
from mlc.exporting import formats, writing
from mlc.exporting.inputs import metadata_of, rows_of
from mlc.exporting.module import PortableModel
from mlc.exporting.tracing import traced
from mlc.exporting.usage import usage
from mlc.exporting.writing import require_absent, require_format, write_predictor
from mlc.heads.base import Head
from tests.exporting.predictors import drawn_predictor, features_of, fine_predictor

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


def metadata() -> dict[str, Any]:
    predictor = drawn_predictor("sigmoid")
    return metadata_of(predictor, rows_of(predictor))


def test_onnxruntime_predicts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the code of the document."""
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    predictors, features = [drawn_predictor(*pair) for pair in PAIRS], features_of(30)
    models = SideBySide([PortableModel(one, rows_of(one)) for one in predictors])
    monkeypatch.chdir(tmp_path)
    program = traced(models, torch.as_tensor(features))  # type: ignore[arg-type]
    formats.write_onnx(program, metadata(), Path("model.onnx"))
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    block = usage("onnx", Path("model.onnx")).partition("named = ")[0]
    for n in (30, 1):
        names: dict[str, Any] = {"rows": features[:n].astype(float)}
        exec(compile(block, "docs/export.md", "exec"), names)
        scores, label_sets = names["scores"], names["label_sets"]
        for index, predictor in enumerate(predictors):
            np.testing.assert_allclose(scores[:, index], predictor.scores(features)[:n], atol=1e-6)
            np.testing.assert_array_equal(label_sets[:, index], predictor.predict(features)[:n])
    assert names["labels"] == metadata()["labels"]
    properties = names["session"].get_modelmeta().custom_metadata_map
    assert {key: json.loads(value) for key, value in properties.items()} == metadata()


@pytest.mark.parametrize("to", ["onnx", "pt2", "torch"])
def test_a_file_may_take_64_bits(tmp_path: Path, to: str) -> None:
    if to == "onnx":
        pytest.importorskip("onnxruntime", reason="the extra export is not installed")
        pytest.importorskip("onnxscript", reason="the extra export is not installed")
    predictor = fine_predictor()
    rows = rows_of(predictor)
    write_predictor(predictor, tmp_path / "model", to, rows, metadata_of(predictor, rows))
    assert metadata_of(predictor, rows)["rows"]["dtype"] == "float64"


class Pooling(nn.Module):
    """The pooling of the network for images, which has windows of unequal size."""

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        pooled = nn.functional.adaptive_max_pool2d(rows, (3, 4)).flatten(1)
        return pooled, pooled > 1


def test_onnxruntime_pools_as_torch_does(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    pytest.importorskip("onnxscript", reason="the extra export is not installed")
    # 7 rows in 3 windows, which overlap; 3 columns in 4 windows.
    rows = torch.randn(5, 2, 7, 3, generator=torch.Generator().manual_seed(0))
    program = traced(Pooling(), rows)  # type: ignore[arg-type]
    maxima, above = formats.write_onnx(program, {}, tmp_path / "model.onnx")(rows)
    expected = Pooling()(rows)
    assert torch.equal(maxima, expected[0])
    assert torch.equal(above, expected[1])


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
    with pytest.raises(MlcError, match=r"would not predict as the run does \(\d+ of 64 random"):
        written(tmp_path, lambda predictor: None)
    assert not list(tmp_path.iterdir())


def test_the_file_is_compared_with_the_predictor_and_not_with_its_copy(tmp_path: Path) -> None:
    """A copy that forgets the scaling predicts otherwise, and the file as the copy does."""
    forgetful = drawn_predictor("sigmoid")
    correct = copy.copy(forgetful)
    correct.scalings = [Scaling(np.zeros(4, np.float32), np.ones(4, np.float32))]

    class Forgetting(PortableModel):
        def __init__(self, predictor: Any, *others: Any) -> None:
            super().__init__(forgetful if predictor is correct else predictor, *others)

    rows = rows_of(correct)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "PortableModel", Forgetting)
        with pytest.raises(MlcError, match=r"would not predict as the run does"):
            write_predictor(correct, tmp_path / "a", "torch", rows, metadata_of(correct, rows))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("one_class", [False, True])
def test_the_check_compares_every_row_with_missing_values(tmp_path: Path, one_class: bool) -> None:
    predictor = drawn_predictor("sigmoid", "fixed", {"threshold": 0.7})
    rows = rows_of(predictor)
    assert rows.examples(64, predictor).isnan().sum() == 8
    described = metadata_of(predictor, rows)
    path = tmp_path / "model"
    check = write_predictor(predictor, path, "torch", rows, described, one_class=one_class)
    assert (check.n_rows, check.n_equal) == (64, 64)
    assert check.gap < 1e-6
    assert str(check).startswith(
        "64 of 64 random rows get the same label set as from the predictor"
    )


def test_the_loader_converts_floats_and_refuses_other_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = formats._LOADER.replace("from model import forward", "forward = lambda rows: rows")
    assert "lambda" in loader
    torch.save({}, tmp_path / "weights.pt")
    (tmp_path / "predict.py").touch()

    def loaded(dtype: str) -> Any:
        described = {"labels": ["a"], "rows": {"shape": [2], "dtype": dtype}}
        (tmp_path / "metadata.json").write_text(json.dumps(described))
        names: dict[str, Any] = {"__file__": str(tmp_path / "predict.py")}
        exec(loader, names)
        return names["predict"]

    for values in (np.array([[0.5, np.nan]]), [[1, 2]], np.array([[True, False]])):
        rows = loaded("float32")(values)
        assert rows.dtype == torch.float32
        np.testing.assert_array_equal(rows, np.asarray(values, dtype=np.float32))
    assert loaded("int64")(np.array([[1, -1]], dtype=np.int32)).tolist() == [[1, -1]]
    with pytest.raises(TypeError, match=r"rows are torch.float64: give torch.uint8."):
        loaded("uint8")(np.array([[0.5, 0.1]]))
    with pytest.raises(TypeError, match=r"rows are torch.int64: give torch.uint8."):
        loaded("uint8")(np.array([[300, 1]]))
    with pytest.raises(ValueError, match=r"a row has the shape \(3,\): give rows of \(2,\)"):
        loaded("float32")(np.zeros((1, 3)))


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
