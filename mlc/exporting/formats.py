"""Writing a traced predictor as ONNX, as a file of torch.export, or as a folder of plain torch."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from mlc.config.errors import ConfigError
from mlc.exporting.tracing import INPUT, OUTPUTS, quiet
from mlc.files.writing import write_atomically, write_text

Metadata = Mapping[str, Any]
Predict = Callable[[Tensor], tuple[Tensor, Tensor]]

METADATA = "metadata.json"
# A protobuf file, which an ONNX model is, cannot be larger.
_MOST_BYTES = 2**31
# The optimizer takes minutes for thousands of operations; onnxruntime optimises what it loads anyway.
_MOST_OPTIMIZED = 1000
_HEADER = '''\
"""A multi-label classifier as plain torch: preprocessing, network, head and decision rule.

Written by mlc-export. `forward` takes the weights of weights.pt by name, and rows.
"""

from math import inf, nan  # noqa: F401

import torch
from torch import device  # noqa: F401


'''
_LOADER = '''\
"""Predict label sets: `predict(rows)`, with rows as metadata.json says. It needs torch alone."""

import json
from pathlib import Path

import torch

from model import forward

folder = Path(__file__).parent
weights = torch.load(folder / "weights.pt", weights_only=True)
metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
labels = metadata["labels"]
shape, dtype = tuple(metadata["rows"]["shape"]), getattr(torch, metadata["rows"]["dtype"])


def predict(rows):
    """Return scores (N, K), and label sets (N, K) whose columns are `labels`.

    Other floats become the dtype of metadata.json, as in the training.
    """
    rows = torch.as_tensor(rows)
    if tuple(rows.shape[1:]) != shape:
        raise ValueError(f"a row has the shape {tuple(rows.shape[1:])}: give rows of {shape}.")
    if not dtype.is_floating_point and torch.promote_types(rows.dtype, dtype) != dtype:
        raise TypeError(f"rows are {rows.dtype}: give {dtype}.")
    with torch.no_grad():
        return forward(**weights, rows=rows.to(dtype))
'''


def require_onnx() -> None:
    """Raise ConfigError unless the packages that write and run ONNX are installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--to onnx needs packages of the extra export ({error}): pip install 'mlc[export]', or"
            " choose --to pt2 or torch."
        ) from error


def write_onnx(program: ExportedProgram, metadata: Metadata, path: Path) -> Predict:
    """Write an ONNX file, whose metadata are the entries in JSON; return its predictions.

    Raises:
        ConfigError: the model is too large, or has an operation without an equivalent in ONNX.
    """
    import onnxruntime

    sizes = [tensor.numel() * tensor.element_size() for tensor in program.state_dict.values()]
    if sum(sizes) > _MOST_BYTES:
        raise ConfigError(
            f"The weights take {sum(sizes) / 2**30:.1f} GiB, and an ONNX file at most 2: choose --to"
            " pt2 or torch."
        )
    content = _onnx_bytes(program, metadata)
    with write_atomically(path) as file:
        file.write(content)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def predict(rows: Tensor) -> tuple[Tensor, Tensor]:
        scores, label_sets = session.run(list(OUTPUTS), {INPUT: rows.numpy()})
        return torch.as_tensor(scores), torch.as_tensor(label_sets)

    return predict


def _onnx_bytes(program: ExportedProgram, metadata: Metadata) -> bytes:
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.onnx"
        try:
            exported = torch.onnx.export(
                program,
                (),
                dynamo=True,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                external_data=False,
                optimize=len(program.graph.nodes) <= _MOST_OPTIMIZED,
                verbose=False,
                custom_translation_table=_translations(),
            )
        except Exception as error:
            raise ConfigError(
                f"The model has an operation without an equivalent in ONNX ({_operation(error)}):"
                " choose --to pt2 or torch."
            ) from error
        assert exported is not None
        for key, value in metadata.items():
            exported.model.metadata_props[key] = json.dumps(value, ensure_ascii=False)
        exported.save(path, external_data=False)
        return path.read_bytes()


def _translations() -> dict[Any, Callable[..., Any]]:
    """Return the translations of operations that torch.onnx or onnxruntime lacks."""
    import onnx_ir
    import onnxscript

    op: Any = onnxscript.opset18

    def sort(self: Any, stable: bool = True, dim: int = -1, descending: bool = False) -> Any:
        # By the definition of TopK the first of equal values comes first: the sort is stable.
        size = op.Reshape(op.Gather(op.Shape(self), dim, axis=0), op.Constant(value_ints=[1]))
        return op.TopK(self, size, axis=dim, largest=int(descending), sorted=1)

    def where(condition: Any, self: Any, other: Any) -> Any:
        # onnxruntime has no Where of truth values.
        if self.dtype != onnx_ir.DataType.BOOL:
            return op.Where(condition, self, other)
        return op.Or(op.And(condition, self), op.And(op.Not(condition), other))

    def adaptive_max_pool2d(self: Any, output_size: Any) -> Any:
        # The maxima of the windows, along one axis and then the other; nobody reads the indices.
        lengths = [int(self.shape[axis]) for axis in (-2, -1)]
        for axis, length, size in zip((-2, -1), lengths, output_size, strict=True):
            axes, maxima = op.Constant(value_ints=[axis]), []
            for i in range(size):
                bounds = i * length // size, -(-(i + 1) * length // size)
                first, last = (op.Constant(value_ints=[bound]) for bound in bounds)
                maxima.append(op.ReduceMax(op.Slice(self, first, last, axes), axes))
            self = op.Concat(*maxima, axis=axis)
        return self, self

    aten = torch.ops.aten
    return {
        aten.sort.stable: sort,
        aten.where.self: where,
        aten.adaptive_max_pool2d.default: adaptive_max_pool2d,
    }


def _operation(error: BaseException) -> str:
    """Return the operation that an error of the exporter names, or its first line."""
    inner: BaseException | None = error
    text = ""
    while inner is not None:
        text, inner = f"{inner}", inner.__cause__
        named = re.search(r"'?([\w.]+::[\w.]+|<OpOverload\([^)]*\)>|aten\.[\w.]+)", text)
        if named:
            return named[1]
    return text.strip().partition("\n")[0] or type(error).__name__


def write_pt2(program: ExportedProgram, metadata: Metadata, path: Path) -> Predict:
    """Write a file for torch.export.load, with the metadata as its extra file."""
    extra: dict[str, Any] = {METADATA: json.dumps(metadata, indent=2, ensure_ascii=False)}
    with tempfile.TemporaryDirectory() as folder, quiet():
        temporary = Path(folder) / "model.pt2"
        torch.export.save(program, temporary, extra_files=extra)
        with write_atomically(path) as file:
            file.write(temporary.read_bytes())
        loaded = torch.export.load(temporary).module()
    return lambda rows: tuple(loaded(rows))


def write_torch(program: ExportedProgram, metadata: Metadata, path: Path) -> Predict:
    """Write a folder of generated code, weights, metadata and a loader."""
    weights = _weights(program)
    code = _HEADER + re.sub(r"^def forward\(self, ", "def forward(", _code(program), flags=re.M)
    path.mkdir(parents=True)
    write_text(path / "model.py", code)
    write_text(path / "predict.py", _LOADER)
    write_text(path / METADATA, json.dumps(metadata, indent=2, ensure_ascii=False) + "\n")
    with write_atomically(path / "weights.pt") as file:
        torch.save(weights, file)
    names: dict[str, Any] = {}
    exec(compile(code, str(path / "model.py"), "exec"), names)

    def predict(rows: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            scores, label_sets = names["forward"](**weights, rows=rows)
        return scores, label_sets

    return predict


def _code(program: ExportedProgram) -> str:
    return f"{program.graph_module.code.strip()}\n"


def _weights(program: ExportedProgram) -> dict[str, Tensor]:
    """Return parameters, buffers and constants by their names in the generated code."""
    tensors = {}
    for spec in program.graph_signature.input_specs:
        if spec.target is not None:
            stored = program.state_dict.get(spec.target, program.constants.get(spec.target))
            assert isinstance(stored, Tensor)
            tensors[spec.arg.name] = stored.detach().clone().contiguous()
    return tensors


FORMATS: dict[str, Callable[[ExportedProgram, Metadata, Path], Predict]] = {
    "onnx": write_onnx,
    "pt2": write_pt2,
    "torch": write_torch,
}
