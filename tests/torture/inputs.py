"""Malformed files and configs by the thousand: each is read correctly or refused in one sentence."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import psutil
from scipy.sparse import issparse

from mlc.config.errors import MlcError
from mlc.data.base import Dataset
from mlc.data.missing_labels import Mask

# A disk takes ten times as long to make and remove small files.
_IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
LONGEST = 10.0  # Seconds of computing, of a file of a kilobyte; and of waiting, six times as many.
MOST_MEMORY = 2**31  # Bytes more than this process had before.
LONGEST_SENTENCE = 400
_SPECIAL = (
    b"'", b'"', b"\\", b",", b"{", b"}", b"%", b"@", b"@data", b"@attribute", b"@relation", b"\n",
    b"\r\n", b"\r", b"\t", b" ", b"?", b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"1", b";",
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "é".encode(), "\u2028".encode(), b"numeric", b"{0,1}",
    b"-C 99", b"-C -1", b"999999999999", b"=", b"<", b"&amp;", b"string", b"date",
)  # fmt: skip


# Control characters, line separators, surrogates, marks of direction and of byte order.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff]"
)
Case = Callable[[random.Random, Path], Any]


class Reader(NamedTuple):
    """A case, its share of the inputs, and what each refusal names: the file, or a setting."""

    case: Case
    share: float
    names: str = "toy"


@dataclass
class Fuzzed:
    """How many inputs were tried, and what came of them.

    Attributes:
        read: inputs that gave data.
        refused: inputs that an error of ours refused.
        crashed: inputs that were neither.
        faults: an input, and what was wrong with it or with its refusal.
    """

    read: int = 0
    refused: int = 0
    crashed: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, more: Fuzzed) -> None:
        """Count further inputs too."""
        self.read += more.read
        self.refused += more.refused
        self.crashed += more.crashed
        self.faults += more.faults


def fuzz(n: int, seed: int, case: Case, names: str = "", first: int = 0) -> Fuzzed:
    """`case` n times from input `first`; it returns what it read, or raises what matches `names`."""
    found = Fuzzed()
    with tempfile.TemporaryDirectory(dir=_IN_MEMORY) as folder, _within(MOST_MEMORY):
        for number in range(first, first + n):
            draw = random.Random(f"{seed}/{number}")
            faults: list[str] = []
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                try:
                    with _at_most(LONGEST):
                        case(draw, Path(folder))
                    found.read += 1
                except MlcError as error:
                    found.refused += 1
                    faults += _not_a_sentence(str(error), names)
                except Exception:
                    found.crashed += 1
                    faults.append(traceback.format_exc(limit=-3))
            faults += [f"warned: {own.category.__name__}: {own.message}" for own in warned]
            found.faults += [f"input {number}: {fault}" for fault in faults]
    return found


def _not_a_sentence(said: str, names: str) -> list[str]:
    """What is wrong with a refusal: one line, of a readable length, that names its cause."""
    faults = [] if said.endswith(".") and not _UNSEEN.search(said) else ["no sentence"]
    faults += [] if re.search(names, said) else ["names nothing"]
    faults += [f"{len(said)} characters"] if len(said) > LONGEST_SENTENCE else []
    return [f"{fault}: {said!r}" for fault in faults]


def mangled(content: bytes, draw: random.Random) -> bytes:
    """Bytes changed, removed, doubled, moved, or special ones put in, a few times."""
    for _ in range(draw.randint(1, 3)):
        if not content:
            return draw.choice(_SPECIAL)
        at, width = draw.randrange(len(content)), draw.randint(1, 12)
        kind = draw.choices(range(6), (5, 5, 5, 5, 1, 5))[0]
        piece = content[at : at + width]
        if kind == 0:
            content = content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]
        elif kind == 1:
            content = content[:at] + content[at + width :]
        elif kind == 2:
            content = content[:at] + piece * draw.randint(2, 4) + content[at:]
        elif kind == 3:
            content = content[:at] + draw.choice(_SPECIAL) + content[at:]
        elif kind == 4:
            content = content[:at]
        else:
            to = draw.randrange(len(content))
            content = content[:to] + piece + content[to:]
    return content


@contextmanager
def _within(n_bytes: int) -> Iterator[None]:
    """At most as much memory more: beyond it an allocation fails."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (used + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"longer than {seconds} seconds")

    timers = {signal.SIGPROF: signal.ITIMER_PROF, signal.SIGALRM: signal.ITIMER_REAL}
    before = {number: signal.signal(number, too_long) for number in timers}
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 6 * seconds)
    try:
        yield
    finally:
        for number, timer in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def check(dataset: Dataset) -> None:
    """What every data set must be."""
    n_samples, n_features = dataset.features.shape
    assert dataset.targets.shape == (n_samples, len(dataset.label_names)), "a label for each column"
    assert dataset.targets.dtype == bool, "labels of 0 and 1"
    if dataset.known is not None:
        assert dataset.known.shape == dataset.targets.shape, "known or not for each"
        assert not dataset.targets[~dataset.known].any(), "no unknown label is positive"
    if dataset.soft is not None:
        assert ((dataset.soft >= 0) & (dataset.soft <= 1)).all(), "probabilities"
    assert len(set(dataset.label_names)) == len(dataset.label_names), "each label once"
    assert len(dataset.feature_names) == len(dataset.numeric) == n_features, "a name for each"
    values = dataset.features.data if issparse(dataset.features) else dataset.features
    assert np.isfinite(values[~np.isnan(values)]).all(), "finite or missing"


def check_gaps(gaps: Mask, choice: str, targets: Mask, known: Mask | None) -> None:
    """Missing labels, marked by `gaps`, are not read by default; else they are unknown, or 0."""
    assert choice != "refuse" or not gaps.any(), "a missing label was read"
    assert not targets[gaps].any(), "a missing label is positive"
    marked = np.ones_like(gaps) if known is None else known
    np.testing.assert_array_equal(~marked, gaps & (choice == "mask"), "unknown labels")
