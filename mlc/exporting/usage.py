"""The code that predicts with an exported file."""

from __future__ import annotations

from pathlib import Path

_CODE = {
    "onnx": """\
import json

import numpy
import onnxruntime

session = onnxruntime.InferenceSession("{name}", providers=["CPUExecutionProvider"])
properties = session.get_modelmeta().custom_metadata_map
labels, dtype = json.loads(properties["labels"]), json.loads(properties["rows"])["dtype"]
rows = numpy.asarray(rows).astype(dtype, casting="same_kind")
scores, label_sets = session.run(["scores", "label_sets"], {{"rows": rows}})
""",
    "pt2": """\
import json

import numpy
import torch

extra = {{"metadata.json": ""}}
model = torch.export.load("{name}", extra_files=extra).module()
metadata = json.loads(extra["metadata.json"])
labels, dtype = metadata["labels"], metadata["rows"]["dtype"]
rows = numpy.asarray(rows).astype(dtype, casting="same_kind")
scores, label_sets = model(torch.as_tensor(rows))
""",
    "torch": """\
import sys

sys.path.insert(0, "{name}")
from predict import labels, predict

scores, label_sets = predict(rows)
""",
}
_NAMED = "named = [[label for label, has in zip(labels, row) if has] for row in label_sets]\n"


def usage(to: str, output: Path) -> str:
    """Return code that predicts `label_sets` and their names from an array `rows`.

    The file takes rows of one dtype: float64 becomes float32, floats in place of integers are refused.
    """
    return _CODE[to].format(name=output.name) + _NAMED
