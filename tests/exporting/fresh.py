"""Run the code of a document in a process that cannot import mlc: DOCUMENT FOLDER.

In the folder, the second and third block predict rows.npy with a file of torch.export and a folder of
plain torch; results.npz gets the scores and label sets of each.
"""

import re
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
document, folder = map(Path, sys.argv[1:])
blocks = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
rows = np.load(folder / "rows.npy")
results = {}
for name, block in zip(("pt2", "torch"), blocks[1:3], strict=True):
    for n in (len(rows), 1):
        names = {"rows": rows[:n], "torch": torch}
        exec(compile(block, f"{document} {name}", "exec"), names)
        results[f"{name} {n} scores"] = np.asarray(names["scores"])
        results[f"{name} {n} label_sets"] = np.asarray(names["label_sets"])
        results[f"{name} {n} named"] = np.array([";".join(row) for row in names["named"]])
np.savez(folder / "results.npz", **results)
assert not any(name.partition(".")[0] == "mlc" for name in sys.modules)
