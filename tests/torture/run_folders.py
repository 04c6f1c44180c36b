"""Folders of runs whose files are damaged: the run is named with its reason, the others are reported."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlc.config.errors import RunFolderError
from mlc.reporting.collect import check_comparable, collect
from mlc.reporting.summary import summarise
from tests.reporting.test_tables import write_run
from tests.torture.inputs import Reader, mangled

GOOD, BAD = "yeast/sigmoid/seed=0", "yeast/sigmoid/seed=1"
FILES = ("status.json", "metrics.json", "rules.json", "baselines.json")


def of(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Replaces what the file holds."""

    def spoil(run: Path) -> None:
        path = run / file
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return spoil


def raw(file: str, content: bytes) -> Callable[[Path], None]:
    """Replaces the file's bytes."""
    return lambda run: (run / file).write_bytes(content) and None


def a_folder(run: Path) -> None:
    """Where a file should be."""
    (run / "status.json").unlink()
    (run / "status.json").mkdir()


def missing(run: Path) -> None:
    """A file of a finished run."""
    (run / "rules.json").unlink()


def without(key: str) -> Callable[[Any], Any]:
    """An object that lacks a key."""
    return lambda content: {name: own for name, own in content.items() if name != key}


# Damages after which a run cannot be read.
FORMS: dict[str, Callable[[Path], None]] = {
    **{f"no {key}": of("status.json", without(key))
       for key in ("state", "data", "head", "seed", "overrides", "monitor")},
    **{f"{key} of another type": of("status.json", lambda own, key=key: own | {key: [{}]})
       for key in ("state", "data", "head", "seed", "overrides", "monitor", "config", "identity")},
    "unhashable fingerprint": of("status.json", lambda own: own | {"identity": {"data": []}}),
    "decisions of another type": of("status.json", lambda own: own | {"config": {"decisions": 3}}),
    "a huge seed": of("status.json", lambda own: own | {"seed": 10**100}),
    "an override named run": of("status.json", lambda own: own | {"overrides": {"run": "1"}}),
    "a folder": a_folder,
    "no rules": missing,
    **{f"{file} {name}": raw(file, content)
       for file in FILES
       for name, content in {
           "empty": b"", "binary": bytes(range(256)), "a list": b"[]", "cut": b'{"state": "comp',
           "deep": b'{"a": ' * 50_000, "a long number": b'{"a": ' + b"9" * 5000 + b"}",
           "infinite": b'{"test/global/x": Infinity}', "overflow": b'{"test/global/x": 1e999}',
           "twice": b'{"a": 1, "a": 2}', "text": b'{"test/global/jaccard_samples": "x"}',
       }.items()},
    "a metric named head": of("metrics.json", lambda own: own | {"test/head": 0.5}),
    "of no rule": of("metrics.json", lambda own: own | {"test/nobody/f1_macro": 0.5}),
    "huge": of("metrics.json", lambda own: own | {"test/global/f1_macro": 10**400}),
    "rules of text": raw("rules.json", b'{"global": "x"}'),
    "tuned on a list": raw("rules.json", b'{"global": {"tuned_on": []}}'),
}  # fmt: skip
VALUES = (
    None, True, -1, 0, 2**70, 1e308, "", "x\n\x1b[31m", "|`<b>", "run", "=1+1", [], [1], {}, {"": 1},
    {"a": {"b": [None]}}, [[[]]], "x" * 3000, "../..", "\u202e", "completed", "failed", "running",
)  # fmt: skip


def run_folder_case(draw: random.Random, folder: Path) -> None:
    """A finished run with one of the damages, odd values or mangled bytes, beside one that is whole."""
    root = folder / "toy"
    shutil.rmtree(root, ignore_errors=True)
    for name in (GOOD, BAD):
        write_run(root, name, jaccard=draw.random())
    kind = draw.randrange(4)
    if kind == 0:
        FORMS[draw.choice(list(FORMS))](root / BAD)
    elif kind == 1:
        path = root / BAD / draw.choice(FILES)
        path.write_bytes(mangled(path.read_bytes(), draw))
    else:
        for _ in range(draw.randint(1, 2)):
            _replace(root / BAD / draw.choice(FILES), draw)
    results = collect(root, ["jaccard_samples"])
    assert GOOD in results.folders, "the whole run counts"
    assert kind or BAD in results.unreadable, "what is damaged is refused"
    known = {*results.folders, *results.unreadable, *results.failed, *results.unfinished}
    assert BAD in known | set(results.repeats), "each run is named"
    check_comparable(results.statuses)
    summary = summarise(results, ["jaccard_samples"], "sigmoid")
    for said in (summary.text(), summary.markdown()):
        assert "\x1b" not in said, "no control character"
    if BAD in results.unreadable:
        raise RunFolderError(results.unreadable[BAD])


def _replace(path: Path, draw: random.Random) -> None:
    """A value, or a key, somewhere in the file's object."""
    content = json.loads(path.read_text(encoding="utf-8"))
    part = content
    while isinstance(part, dict) and part:
        key = draw.choice(list(part))
        if isinstance(part[key], dict) and part[key] and draw.random() < 0.7:
            part = part[key]
            continue
        value = draw.choice(VALUES)
        if draw.random() < 0.3:
            part[str(value)] = part.pop(key)
        elif draw.random() < 0.1:
            part[str(draw.choice(VALUES))] = value
        else:
            part[key] = value
        break
    path.write_text(json.dumps(content), encoding="utf-8")


READERS = {"folders of runs": Reader(run_folder_case, 0.01, "seed=1")}
