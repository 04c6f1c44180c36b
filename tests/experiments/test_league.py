"""The league's figures."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.conftest import REPOSITORY

_DRAW = """
import hashlib, io
import numpy as np, pandas as pd
from experiments.league.standings import ranks_figure

rng = np.random.default_rng(0)
rows = [
    {"data": f"d{d}", "head": f"head_{h}", "seed": 0, "jaccard_samples": h / 20 + rng.random()}
    for d in range(8)
    for h in range(12)
]
stream = io.BytesIO()
ranks_figure(pd.DataFrame(rows), "jaccard_samples").savefig(stream, metadata={"Software": None})
print(hashlib.sha256(stream.getvalue()).hexdigest())
"""


def test_the_ranks_are_drawn_alike_whatever_order_sets_have() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DRAW],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in (0, 1, 3)
    ]
    drawn = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(drawn)) == 1
