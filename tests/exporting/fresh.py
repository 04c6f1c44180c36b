"""Predictions of exported files in a process that cannot import mlc: FOLDER."""

import sys
from pathlib import Path

import numpy as np
import torch


class NoMlc:
    """An importer that has no mlc."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mlc":
            raise ImportError("mlc is not here")


sys.meta_path.insert(0, NoMlc())
folder = Path(sys.argv[1])
rows = torch.from_numpy(np.load(folder / "rows.npy"))
extra = {"metadata.json": ""}
loaded = torch.export.load(folder / "model.pt2", extra_files=extra).module()
sys.path.insert(0, str(folder / "model_torch"))
from predict import labels, predict  # noqa: E402

results = {}
for name, function in (("pt2", loaded), ("torch", predict)):
    for n in (len(rows), 1):
        scores, label_sets = function(rows[:n])
        results[f"{name}_scores_{n}"] = scores.numpy()
        results[f"{name}_sets_{n}"] = label_sets.numpy()
np.savez(folder / "fresh.npz", labels=np.array(labels), **results)
(folder / "metadata.json").write_text(str(extra["metadata.json"]), encoding="utf-8")
assert not any(name.partition(".")[0] == "mlc" for name in sys.modules)
