"""Folders of finished runs from a stranger: loaded, reported, exported or refused; never executed."""

from __future__ import annotations

import atexit
import io
import json
import os
import pickle
import random
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import mlc
from mlc.backbones.base import BACKBONES
from mlc.config.errors import RunFolderError
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import SOURCES
from mlc.decisions.base import DECISIONS
from mlc.exporting.command import export_run
from mlc.heads.base import HEADS
from mlc.reporting.collect import collect
from mlc.reporting.page import render
from mlc.reporting.summary import summarise
from mlc.runs import recording
from mlc.runs.folder import RunFacts
from mlc.runs.predicting import predict
from mlc.runs.recording import Run, train_runs
from mlc.training.stacked import OPTIMIZERS
from tests.conftest import toy_arff
from tests.torture.inputs import Reader, mangled
from tests.torture.run_folders import VALUES
from tests.torture.sources import CLAIMS

HEADS_TRIED = ("sigmoid", "label_powerset", "chain")
RULES = ("fixed", "global", "mode", "expected_jaccard", "seen")
ROWS = np.array([[0.5, 1.0], [-1.0, 0.2], [2.0, -2.0]], dtype=np.float32)
JSON = ("status.json", "rules.json", "metrics.json", "data.json", "baselines.json")
ARRAYS = ("preprocessing.npz", "predictions.npz", "split.npz")
WEIGHTS = "checkpoint.safetensors"
# What strangers put beside the weights; none of it is ours to read.
STRANGE = (
    "model.onnx",
    "model.pt2",
    "weights.pt",
    "pytorch_model.bin",
    "model.safetensors",
    "hook.py",
    "a.pkl",
)


class Bomb:
    """What is executed where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("/tmp/mlc-torture-was-executed",)


EXECUTED = Path("/tmp/mlc-torture-was-executed")


@cache
def _runs() -> Path:
    """Finished runs of some heads, in a folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = str(toy_arff(folder))
    for head in HEADS_TRIED:
        config = Config(
            seed=0,
            data=SOURCES.options("arff", path=path),
            backbone=BACKBONES.options("mlp", widths=[4]),
            head=HEADS.options(head),
            optimizer=OPTIMIZERS.options("adamw"),
            decision={name: DECISIONS[name].Options() for name in DECISIONS},
            decisions=list(RULES),
            trainer=TrainerOptions(max_epochs=1),
            device="cpu",
        )
        name = f"toy/{head}/seed=0"
        facts = RunFacts(name, "toy", head, 0, config=asdict(config))
        # The linear models would take seconds.
        with patch.object(recording, "judge_yardsticks", lambda *_: {}):
            (outcome,) = train_runs([Run(config, folder / name, facts)])
        assert isinstance(outcome, float), outcome
    return folder


@cache
def _scores(head: str) -> Any:
    return mlc.load(_runs() / f"toy/{head}/seed=0").scores(ROWS)


def loaded_run_case(draw: random.Random, folder: Path) -> None:
    """A run with one damaged file, or with a stranger's files beside its own: all readers read it."""
    head, root = draw.choice(HEADS_TRIED), folder / "toy"
    shutil.rmtree(root, ignore_errors=True)
    run = root / f"toy/{head}/seed=0"
    shutil.copytree(_runs() / f"toy/{head}/seed=0", run)
    kind = draw.choice(list(DAMAGES))
    DAMAGES[kind](run, draw)
    try:
        _report(root, draw)
        loaded = mlc.load(run, draw.choice((None, *RULES[:2])))
        scores = loaded.scores(ROWS)
        assert scores.shape == (3, 2), "a score for each label"
        assert np.isfinite(scores).all(), "finite scores"
        assert loaded.predict(ROWS).dtype == bool
        if kind == "strange files":
            np.testing.assert_array_equal(scores, _scores(head))
        if draw.random() < 0.3:
            _predict_a_file(run, folder)
        if draw.random() < 0.03:
            output = folder / "exported"
            shutil.rmtree(output, ignore_errors=True)
            export_run(run, "torch", output)
    finally:
        assert not EXECUTED.exists(), "what a stranger's file holds was executed"


def _report(root: Path, draw: random.Random) -> None:
    results = collect(root, ["jaccard_samples"])
    if results.folders and draw.random() < 0.3:
        summarise(results, ["jaccard_samples"], "sigmoid").text()
        if draw.random() < 0.2:
            page = render(results, root, ["jaccard_samples"], "sigmoid")
            assert "<script>alert" not in page
    elif results.unreadable:
        raise RunFolderError(next(iter(results.unreadable.values())))


def _predict_a_file(run: Path, folder: Path) -> None:
    path = folder / "new.arff"
    path.write_text((_runs() / "toy.arff").read_text(encoding="utf-8"), encoding="utf-8")
    assert len(predict(run, path)) == 60


def _mangle(run: Path, draw: random.Random) -> None:
    path = run / draw.choice((*JSON, *ARRAYS, WEIGHTS, WEIGHTS))
    content = path.read_bytes()
    path.write_bytes(
        mangled(content, draw) if draw.random() < 0.7 else content[: draw.randrange(len(content))]
    )


def _mangle_member(run: Path, draw: random.Random) -> None:
    """Arrays whose archive has right checksums."""
    path, packed = run / draw.choice(ARRAYS), io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w") as new:
        spoilt = draw.choice(old.namelist())
        for name in old.namelist():
            new.writestr(name, mangled(old.read(name), draw) if name == spoilt else old.read(name))
    path.write_bytes(packed.getvalue())


def _replace_array(run: Path, draw: random.Random) -> None:
    path = run / draw.choice(ARRAYS)
    with np.load(path) as stored:
        arrays = dict(stored)
    name = draw.choice(list(arrays))
    array = arrays[name]
    changes: tuple[Callable[[], Any], ...] = (
        lambda: array.reshape(-1)[:0], lambda: array[..., None], lambda: array.astype("U"),
        lambda: np.full(array.shape, np.nan), lambda: np.full(array.shape, 1e300), lambda: np.array(3),
        lambda: np.full(array.shape, "\x1b[31m\udcff" if draw.random() < 0.5 else "x" * 5000),
        lambda: np.array([Bomb()], dtype=object), lambda: np.concatenate([array.reshape(-1)] * 2),
        lambda: np.array(["<script>alert(1)</script>", "=1+1"]),
        lambda: np.full(array.shape, -1),
    )  # fmt: skip
    arrays[name] = draw.choice(changes)()
    if draw.random() < 0.1:
        arrays.pop(name)
    np.savez(path, **arrays)


def _replace_value(run: Path, draw: random.Random) -> None:
    path = run / draw.choice(JSON)
    content = json.loads(path.read_text(encoding="utf-8"))
    part = content
    while True:
        key = draw.choice(list(part))
        if isinstance(part[key], dict) and part[key] and draw.random() < 0.8:
            part = part[key]
            continue
        part[key] = draw.choice((*VALUES, "<script>alert(1)</script>", [0.5], 3, "sigmoid", "x.py"))
        break
    path.write_text(json.dumps(content), encoding="utf-8")


def _lie_in_the_header(run: Path, draw: random.Random) -> None:
    """Weights whose header claims other shapes, places or types than there are."""
    path = run / WEIGHTS
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    name = draw.choice([name for name in header if name != "__metadata__"])
    entry, kind = header[name], draw.randrange(7)
    if kind == 0:
        entry["shape"] = [draw.choice(CLAIMS) for _ in range(draw.randint(0, 3))]
    elif kind == 1:
        entry["data_offsets"] = [draw.choice(CLAIMS) for _ in range(draw.choice((2, 2, 1, 3)))]
    elif kind == 2:
        entry["dtype"] = draw.choice(
            ("F64", "I64", "BF16", "F16", "U8", "BOOL", "F8_E4M3", "C64", "X", None)
        )
    elif kind == 3:
        header[draw.choice(("other", "", "\x1b[31m", "x" * 5000))] = header.pop(name)
    elif kind == 4:
        header[name] = draw.choice(VALUES)
    elif kind == 5:
        header["__metadata__"] = draw.choice(VALUES)
    else:
        header["other"] = entry
    packed = json.dumps(header).encode()
    length = draw.choice([len(packed)] * 8 + [abs(claim) % 2**64 for claim in CLAIMS])
    path.write_bytes(
        length.to_bytes(8, "little") + packed + content[8 + int.from_bytes(content[:8], "little") :]
    )


def _odd_numbers(run: Path, draw: random.Random) -> None:
    """Weights that are infinite, no number, or so large that sums of them are."""
    path = run / WEIGHTS
    content = bytearray(path.read_bytes())
    begin = 8 + int.from_bytes(content[:8], "little")
    number = np.array(draw.choice((np.nan, np.inf, -np.inf, 3e38)), dtype="<f4").tobytes()
    at = begin + 4 * draw.randrange((len(content) - begin) // 4)
    content[at : at + 4] = number
    path.write_bytes(content)


def _pickled(run: Path, draw: random.Random) -> None:
    path = run / draw.choice((*JSON, *ARRAYS, WEIGHTS))
    path.write_bytes(pickle.dumps(Bomb()))


def _strange_files(run: Path, draw: random.Random) -> None:
    for name in draw.sample(STRANGE, 3):
        kind = draw.randrange(4)
        if kind == 0:
            (run / name).write_bytes(pickle.dumps(Bomb()))
        elif kind == 1:
            (run / name).write_bytes(mangled(b"\x08\x0a\x12\x07pytorch" * 20, draw))
        elif kind == 2:
            (run / name).symlink_to("/dev/zero")
        else:
            os.mkfifo(run / name)


def _other_kinds(run: Path, draw: random.Random) -> None:
    """A folder, a link that never ends, or a pipe in the place of a file."""
    path = run / draw.choice((*JSON, *ARRAYS, WEIGHTS))
    path.unlink()
    kind = draw.randrange(5)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to("/dev/zero")
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.symlink_to(path.name)


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "mangled": _mangle, "members": _mangle_member, "arrays": _replace_array, "values": _replace_value,
    "headers": _lie_in_the_header, "numbers": _odd_numbers, "pickles": _pickled,
    "strange files": _strange_files, "other kinds": _other_kinds,
}  # fmt: skip
READERS = {
    "runs that are loaded": Reader(loaded_run_case, 0.02, "toy|seed=0|new.arff|features of row")
}
