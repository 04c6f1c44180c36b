"""The areas of the page: what each tries, by row, and the code that it speaks of."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.torture import clocks, cluster, files, inputs, kills, limits, sharing
from tests.torture.inputs import LONGEST, LONGEST_SENTENCE, MOST_MEMORY
from tests.torture.readers import READERS

N_KILLS = {"fused": 50, "basic": 50, "search": 10, "compare": 6}
N_STOPS = {"fused": 10, "basic": 10, "search": 3, "compare": 3}
N_SHARED, N_JUMPS = 6, 6
N_INPUTS, N_FOLDERS = 100_000, 5_000
SEED = 2026
CHUNK = 1000  # Inputs between two entries in the store.


@dataclass
class Tried:
    """What came of a row.

    Attributes:
        cells: those of the row.
        faults: what went wrong.
        partial: what a stopped row goes on with; None if it is whole.
    """

    cells: list[str]
    faults: list[str] = field(default_factory=list)
    partial: dict[str, object] | None = None


class Bench:
    """A folder, a scale, and one server for each command."""

    def __init__(self, folder: Path, scale: float) -> None:
        self.folder, self.scale = folder, scale
        self._stack, self._servers = ExitStack(), dict[str, kills.ForkServer]()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def place(self, *names: object) -> Path:
        """Return a folder of this name; Hydra would take a comma for a sweep."""
        return self.folder / "_".join(re.findall(r"[\w.]+", " ".join(map(str, names))))

    def count(self, full: int) -> int:
        """How often at this scale."""
        return max(1, round(full * self.scale))

    def server(self, program: str = "train", number: int = 1) -> kills.ForkServer:
        """Return the server of a command; another one for each number."""
        key = f"{program} {number}"
        if key not in self._servers:
            self._servers[key] = self._stack.enter_context(kills.ForkServer(program))
        return self._servers[key]

    def server_of(self, kind: str) -> kills.ForkServer:
        """Return the server of a kind of command."""
        return self.server(kills.KINDS[kind].program)


# Tries a row, beginning with what an earlier try has left; yields what there is so far.
Measure = Callable[[Bench, str, dict[str, object]], Iterator[Tried]]


@dataclass(frozen=True)
class Area:
    """A part of the page.

    Attributes:
        title: its heading.
        text: what it promises and how that is tried.
        header: of its table.
        rows: the first cells of the rows.
        measure: tries one row.
        code: the folders and files of the package that it speaks of.
    """

    title: str
    text: str
    header: tuple[str, ...]
    rows: Mapping[str, object]
    measure: Measure
    code: tuple[str, ...]


def _kill(bench: Bench, kind: str, partial: dict[str, object]) -> Iterator[Tried]:
    server = bench.server_of(kind)
    whole = kills.Job(server, kind, bench.place("whole", kind))
    seconds = whole.undisturbed()
    moments = kills.moments(bench.count(N_KILLS[kind]), seconds, SEED)
    finished: list[int] = []
    faults: list[str] = []
    survived = 0
    for number, moment in enumerate(moments):
        job = kills.Job(server, kind, bench.place("killed", kind, number))
        killed = kills.kill_and_resume(job, moment, whole.results(), kind)
        finished.append(killed.n_finished)
        survived += not killed.faults
        faults += [f"{kind}, killed at {moment:.3f} s: {fault}" for fault in killed.faults]
    spread = ", ".join(f"{finished.count(n)} with {n}" for n in sorted(set(finished)))
    yield Tried([kind, f"0 to {seconds:.1f} s", spread, f"{survived} of {len(moments)}"], faults)


def _interrupt(bench: Bench, row: str, partial: dict[str, object]) -> Iterator[Tried]:
    kind, _, stop = row.partition(", ")
    slowest, survived = 0.0, 0
    faults: list[str] = []
    moments = kills.moments(bench.count(N_STOPS[kind]), 3.0, SEED)
    for number, moment in enumerate(moments):
        job = kills.Job(bench.server_of(kind), kind, bench.place(row, number))
        seconds, found = kills.interrupt(job, kills.STOPS[stop], moment)
        slowest, survived = max(slowest, seconds), survived + (not found)
        faults += [f"{row} at {moment:.2f} s: {fault}" for fault in found]
    yield Tried([row, f"{slowest:.2f} s", f"{survived} of {len(moments)}"], faults)


def _share(bench: Bench, row: str, partial: dict[str, object]) -> Iterator[Tried]:
    case = sharing.CASES[row]
    n, survived = bench.count(N_SHARED), 0
    faults: list[str] = []
    moments = kills.moments(n, case.latest or 0.0, SEED)
    servers = bench.server(number=1), bench.server(number=2)
    for number, moment in enumerate(moments):
        folder = bench.place("shared", row, number)
        found = sharing.share(servers, folder, case, moment if case.latest else None)
        survived += not found
        faults += [f"{row}: {fault}" for fault in found]
    yield Tried([row, f"{survived} of {n}"], faults)


def _jump(bench: Bench, row: str, partial: dict[str, object]) -> Iterator[Tried]:
    n, survived = bench.count(N_JUMPS), 0
    faults: list[str] = []
    for number in range(n):
        draw = random.Random(f"{SEED}/{row}/{number}")
        found = clocks.CASES[row](bench.server(), bench.place(row, number), draw)
        survived += not found
        faults += [f"{row}: {fault}" for fault in found]
    doc = " ".join((clocks.CASES[row].__doc__ or "").split())
    yield Tried([row, doc, f"{survived} of {n}"], faults)


def _meet_limit(bench: Bench, row: str, partial: dict[str, object]) -> Iterator[Tried]:
    case = limits.CASES[row]
    if row in limits.WITH_ROOT and not limits.can_mount(bench.folder / "mount"):
        yield Tried([row, "not tried: it needs root", "-"])
        return
    faults = case(bench.server(), bench.place(row))
    doc = " ".join((case.__doc__ or "").split())
    yield Tried([row, doc, "no" if faults else "yes"], [f"{row}: {fault}" for fault in faults])


def _on_cluster(bench: Bench, row: str, partial: dict[str, object]) -> Iterator[Tried]:
    reason = cluster.missing()
    if reason is not None:
        yield Tried([row, f"not tried: {reason}"])
        return
    faults = cluster.CASES[row](bench.place(row))
    yield Tried([row, "no" if faults else "yes"], [f"{row}: {fault}" for fault in faults])


def _fuzz(readers: Mapping[str, inputs.Reader], n_all: int) -> Measure:
    def fuzz(bench: Bench, row: str, partial: dict[str, object]) -> Iterator[Tried]:
        reader = readers[row]
        n = bench.count(round(n_all * reader.share))
        found = inputs.Fuzzed(**partial.get("found", {}))  # type: ignore[arg-type]
        done = found.read + found.refused + found.crashed
        while done < n:
            step = min(CHUNK, n - done)
            found.add(inputs.fuzz(step, SEED, reader.case, reader.names, done))
            done += step
            counts = [
                f"{count:,}" for count in (done, found.read, found.refused, len(found.faults))
            ]
            faults = [f"{row}: {fault}" for fault in found.faults]
            yield Tried([row, *counts], faults, {"found": vars(found)} if done < n else None)

    return fuzz


_LAUNCHING = (
    "mlc/launching",
    "mlc/runs",
    "mlc/files",
    "mlc/reporting",
    "mlc/training",
    "hydra_plugins",
)
AREAS: dict[str, Area] = {
    "kills": Area(
        "A killed command is resumed to the same bytes",
        "A sweep of six runs (three heads, two seeds) by the launchers fused and basic, a search of"
        " eight runs, and `mlc-compare` are killed (SIGKILL) at a random moment of their work, then"
        " started again with `resume=true` (`mlc-compare` by the same command). They survive if no file"
        " under its final name is truncated, no finished run is written again, and all runs finish. The"
        " tables, the choice of the search and the answer of the comparison must equal those of an"
        " uninterrupted command, byte for byte but for the seconds that it took. The number of runs that"
        " were finished at the kill shows which moments were tested.",
        ("command", "killed after", "runs finished at the kill", "survived"),
        N_KILLS, _kill, (*_LAUNCHING, "mlc/search", "mlc/comparing"),
    ),
    "stops": Area(
        "Ctrl-C and SIGTERM end a command within five seconds",
        "The command keeps its finished runs and leaves no process behind. It exits with the status 130"
        " (Ctrl-C) or 143 (SIGTERM, to the first process alone or to all), and the end of its output"
        " says how to go on.",
        ("command and signal", "slowest end", "survived"),
        {f"{kind}, {stop}": 0 for kind in N_STOPS for stop in kills.STOPS}, _interrupt,
        ("mlc/launching", "mlc/comparing", "hydra_plugins"),
    ),
    "sharing": Area(
        "Several processes share one sweep",
        "The same command runs twice at once in one folder: on one machine, or on two (two processes"
        " that appear to be on different machines). Each run is trained by one of them; if a process is"
        " killed, the other takes over its runs, or the same command does.",
        ("processes", "each run trained once, none left"),
        sharing.CASES, _share, ("mlc/launching", "mlc/runs", "mlc/files"),
    ),
    "clocks": Area(
        "A clock that jumps changes nothing",
        "The clock of the process and the times of its files jump back and forth by hours to decades."
        " The sweep ends or is resumed to the same bytes, and no finished run is written again.",
        ("clock", "what was done", "survived"),
        clocks.CASES, _jump, ("mlc/launching", "mlc/runs", "mlc/files", "mlc/tracking"),
    ),
    "limits": Area(
        "A limit of the machine ends in one sentence",
        "The command prints no traceback, its exit status is not 0, and finished runs are kept. A cache"
        " without room costs time alone: the status is 0.",
        ("limit", "what was done", "held"),
        limits.CASES, _meet_limit, (*_LAUNCHING, "mlc/data/cache.py", "mlc/data/image_cache.py"),
    ),
    "cluster": Area(
        "A job that the cluster ends is resumed",
        "Sweeps through Slurm, on a cluster of one machine.",
        ("what happens", "held"),
        cluster.CASES, _on_cluster, ("mlc/launching", "hydra_plugins"),
    ),
    "folders": Area(
        "Nothing of the user's is deleted, overwritten or followed",
        "The folders hold dot files, files and folders with the names that mlc uses, symbolic and"
        " hard links, and named pipes, with or without a run of mlc. Each is used as its row says,"
        " or refused in one sentence before anything is written. A fault is anything else: an entry"
        " that mlc did not write is missing or changed, there or behind a link, or a path leaves"
        " its folder. A run's folder is used if it is missing, empty, or holds the status of a"
        " run; a report replaces only files that have the mark of a report.",
        ("what is done", "folders", "used", "refused", "faults"),
        files.FOLDERS, _fuzz(files.FOLDERS, N_FOLDERS), ("mlc/files", "mlc/runs"),
    ),
    "inputs": Area(
        "Malformed input is read correctly or refused in one sentence",
        "The inputs are files, tables, images, targets, overrides, settings, caches and folders of"
        " runs, in every accepted form. Some are intact; others have one odd value, or a header that"
        " claims absent content. Others are packed to a thousandth of their size, or have bytes changed,"
        " removed, doubled, moved or inserted. Intact inputs are read back as they were written, and so"
        " are the rows beside an odd value. A cache that is cut off, damaged, stale or on a full disk is"
        " computed again. Anything else is a fault:\n\n"
        "- a crash, an error of another library or a warning;\n"
        f"- more than {LONGEST:g} s of computing, or {MOST_MEMORY >> 30} GiB of memory;\n"
        f"- a message of more than {LONGEST_SENTENCE} characters, with control characters, or without"
        " the name of what is wrong;\n"
        "- data that contradict what was written;\n"
        "- code in a stranger's file that runs.",
        ("reader", "inputs", "read", "refused", "faults"),
        READERS, _fuzz(READERS, N_INPUTS),
        ("mlc/data", "mlc/config", "mlc/runs", "mlc/files", "mlc/reporting", "mlc/exporting",
         "mlc/estimator.py"),
    ),
}  # fmt: skip
