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
metadata = {{key: json.loads(value) for key, value in properties.items()}}
{texts}labels, dtype = metadata["labels"], metadata["rows"]["dtype"]
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
{texts}labels, dtype = metadata["labels"], metadata["rows"]["dtype"]
rows = numpy.asarray(rows).astype(dtype, casting="same_kind")
scores, label_sets = model(torch.as_tensor(rows))
""",
    "torch": """\
import sys

sys.path.insert(0, "{name}")
from predict import labels, metadata, predict

{texts}scores, label_sets = predict(rows)
""",
}
# Without the hashed columns of data.buckets.
_TEXTS = """\
from sklearn.feature_extraction.text import CountVectorizer

texts, columns = metadata["texts"], metadata["rows"]["columns"]
counter = CountVectorizer(
    vocabulary=columns,
    token_pattern=texts["token_pattern"],
    lowercase=texts["lowercase"],
    ngram_range=tuple(texts["ngram_range"]),
)
rows = counter.transform(["a new text"]).toarray().astype("float32")
"""
_NAMED = "named = [[label for label, has in zip(labels, row) if has] for row in label_sets]\n"


def usage(to: str, output: Path, counts_words: bool = False) -> str:
    """Return code that predicts `label_sets` and their names from an array `rows`, or from texts.

    The file takes rows of one dtype: other floats become it, floats in place of integers are refused.

    Args:
        to: the format.
        output: the exported file.
        counts_words: whether the code makes the rows of texts, with scikit-learn.
    """
    return _CODE[to].format(name=output.name, texts=_TEXTS if counts_words else "") + _NAMED
