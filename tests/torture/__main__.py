"""What the package promises about nights, files and strangers, tried at full count.

python -m tests.torture writes docs/reliability.md; --only Ctrl-C tries and replaces that part of it;
--scale 0.1 tries a tenth and writes nothing; --resume FILE goes on with inputs where it was stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.measuring import machine
from mlc.files.writing import write_text
from mlc.reporting.tables import Table
from tests.torture import files, inputs, kills, limits, sharing
from tests.torture.readers import READERS

N_KILLS, N_INTERRUPTS, N_INPUTS, N_FOLDERS, N_SHARED, SEED = 50, 10, 100_000, 5_000, 6, 2026
CHUNK = 1000  # Inputs after which a file to resume from is written.
Row = tuple[str, ...]


class Torture:
    """Tries everything, and remembers what went wrong."""

    def __init__(self, folder: Path, scale: float, resume: Path | None = None) -> None:
        self.folder, self.scale, self.resume = folder, scale, resume
        self.faults: list[str] = []

    def count(self, full: int) -> int:
        """How often at this scale."""
        return max(1, round(full * self.scale))

    def note(self, what: str, faults: Sequence[str]) -> bool:
        """Remember faults; whether there were none."""
        self.faults += [f"{what}: {fault}" for fault in faults]
        return not faults

    def kill(self) -> list[Row]:
        """Sweeps killed and resumed, by launcher."""
        rows = []
        with kills.ForkServer() as forkserver:
            for launcher in kills.LAUNCHERS:
                whole = kills.Sweep(forkserver, launcher, self.folder / f"whole {launcher}")
                seconds = whole.undisturbed()
                survived, finished = 0, []
                moments = kills.moments(self.count(N_KILLS), seconds, SEED)
                for number, moment in enumerate(moments):
                    folder = self.folder / f"killed {launcher} {number}"
                    killed = kills.kill_and_resume(
                        forkserver, launcher, folder, moment, whole.results()
                    )
                    finished.append(killed.n_finished)
                    survived += self.note(f"{launcher}, killed at {moment:.3f} s", killed.faults)
                    _say(f"{launcher} {number + 1}: {killed}")
                spread = ", ".join(f"{finished.count(n)} with {n}" for n in sorted(set(finished)))
                rows.append(
                    (launcher, f"0 to {seconds:.1f} s", spread, f"{survived} of {len(moments)}")
                )
        return rows

    def interrupt(self) -> list[Row]:
        """Sweeps stopped by Ctrl-C, by launcher."""
        rows = []
        with kills.ForkServer() as forkserver:
            for launcher in kills.LAUNCHERS:
                slowest, survived, n = 0.0, 0, self.count(N_INTERRUPTS)
                for number, moment in enumerate(kills.moments(n, 3.0, SEED)):
                    folder = self.folder / f"interrupted {launcher} {number}"
                    seconds, said, status = kills.interrupt(forkserver, launcher, folder, moment)
                    faults = [] if status == 130 else [f"exit status {status}"]
                    faults += ["no resume command"] if "resume=true" not in said else []
                    faults += ["a traceback"] if "Traceback" in said else []
                    faults += [f"{seconds:.1f} s"] if seconds > 5 else []
                    survived += self.note(f"{launcher}, interrupted", faults)
                    slowest = max(slowest, seconds)
                rows.append((launcher, f"{slowest:.2f} s", f"{survived} of {n}"))
        return rows

    def share(self) -> list[Row]:
        """Sweeps on two machines, one of which may be killed."""
        rows = []
        with kills.ForkServer() as one, kills.ForkServer() as other:
            for name, seconds in (("both stay", None), ("one is killed", 2.0)):
                survived, n = 0, self.count(N_SHARED)
                moments = [None] * n if seconds is None else kills.moments(n, seconds, SEED)
                for number, moment in enumerate(moments):
                    folder = self.folder / f"shared {name} {number}"
                    faults = sharing.share((one, other), folder, moment)
                    survived += self.note(f"two machines, {name}", faults)
                rows.append((name, f"{survived} of {n}"))
        return rows

    def meet_limits(self) -> list[Row]:
        """Each limit once."""
        cases = dict(limits.ALWAYS)
        if limits.can_mount(self.folder / "mount"):
            cases |= limits.WITH_ROOT
        rows = []
        with kills.ForkServer() as forkserver:
            for name, case in cases.items():
                held = self.note(name, case(forkserver, self.folder / name.replace(" ", "_")))
                rows.append((name, (case.__doc__ or "").strip(), "yes" if held else "no"))
                _say(f"{name}: {rows[-1][-1]}")
        left_out = [name for name in limits.WITH_ROOT if name not in cases]
        return rows + [(name, "not tried: it needs root", "-") for name in left_out]

    def fuzz(self) -> list[Row]:
        """Malformed inputs, by reader."""
        return self._fuzz(READERS, N_INPUTS)

    def fill(self) -> list[Row]:
        """Folders with a user's files, by what is done there."""
        return self._fuzz(files.FOLDERS, N_FOLDERS)

    def _fuzz(self, readers: Mapping[str, inputs.Reader], n_all: int) -> list[Row]:
        rows = []
        for name, reader in readers.items():
            began = time.monotonic()
            n = self.count(round(n_all * reader.share))
            found = self._continued(name, reader, n)
            self.note(name, found.faults)
            rows.append(
                (name, f"{n:,}", f"{found.read:,}", f"{found.refused:,}", f"{len(found.faults)}")
            )
            _say(f"{name}: {rows[-1][1:]}, {time.monotonic() - began:.0f} s")
        return rows

    def _continued(self, name: str, reader: inputs.Reader, n: int) -> inputs.Fuzzed:
        """The first n inputs, less those that an earlier try with the same file has left in it."""
        done = json.loads(self.resume.read_text()) if self.resume and self.resume.is_file() else {}
        state = done.get(name, {"n": 0, "found": {}})
        found = inputs.Fuzzed(**state["found"])
        while state["n"] < n:
            step = min(CHUNK, n - state["n"])
            more = inputs.fuzz(step, SEED, reader.case, reader.names, state["n"])
            found.read += more.read
            found.refused += more.refused
            found.faults += more.faults
            state = {"n": state["n"] + step, "found": dataclasses.asdict(found)}
            if self.resume:
                self.resume.write_text(json.dumps(done | {name: state}))
        return found


SECTIONS: list[tuple[str, str, Row, Callable[[Torture], list[Row]]]] = [
    (
        "A killed sweep is resumed to the same bytes",
        "A sweep of six runs (three heads, two seeds) is killed (SIGKILL) at a random moment of its"
        " work, then started again with `resume=true`. It survives if no file under its final name is"
        " truncated, no finished run is written again, all six runs finish, and `results.csv` equals"
        " that of an uninterrupted sweep, byte for byte. The number of runs that were finished at the"
        " kill shows which moments were tested.",
        ("launcher", "killed after", "runs finished at the kill", "survived"),
        Torture.kill,
    ),
    (
        "Ctrl-C ends a sweep within five seconds",
        "The sweep keeps its finished runs, exits with the status 130, and ends its output with the"
        " command that resumes it.",
        ("launcher", "slowest end", "survived"),
        Torture.interrupt,
    ),
    (
        "Two machines share one sweep",
        "The same command runs on two machines at once in one folder (two processes that appear to be"
        " on different machines). Each run is trained by one of them; if a machine is killed, the other"
        " takes over its runs.",
        ("machines", "each run trained once, none left"),
        Torture.share,
    ),
    (
        "A limit of the machine ends in one sentence",
        "There is no traceback, the exit status is not 0, and finished runs are kept.",
        ("limit", "what was done", "held"),
        Torture.meet_limits,
    ),
    (
        "Nothing of the user's is deleted, overwritten or followed",
        "The folders hold dot files, files and folders with the names that mlc uses, symbolic and"
        " hard links, and named pipes, with or without a run of mlc. Each is used as its row says,"
        " or refused in one sentence before anything is written. A fault is anything else: an entry"
        " that mlc did not write is missing or changed, there or behind a link, or a path leaves"
        " its folder. A run's folder is used if it is missing, empty, or holds the status of a"
        " run; a report replaces only files that have the mark of a report.",
        ("what is done", "folders", "used", "refused", "faults"),
        Torture.fill,
    ),
    (
        "Malformed input is read correctly or refused in one sentence",
        "The inputs are files, tables, targets, overrides and settings in every accepted form:"
        " intact, with one odd value, with headers that claim absent content, packed to a"
        " thousandth of their size, or with bytes changed, removed, doubled, moved or inserted."
        " Intact inputs are read back as they were written, and so are the rows beside an odd"
        " value. A fault is anything else: a crash, an error of another library, a warning, more"
        f" than {inputs.LONGEST:g} s of computing or {inputs.MOST_MEMORY >> 30} GiB of memory, a"
        f" message of more than {inputs.LONGEST_SENTENCE} characters, with control characters or"
        " without the name of what is wrong, or data that contradict what was written.",
        ("reader", "inputs", "read", "refused", "faults"),
        Torture.fuzz,
    ),
]


def main() -> None:
    """Try, print, write the page; the exit status says whether all was survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full count")
    parser.add_argument("--only", default="", help="the parts whose title holds this")
    parser.add_argument("--resume", type=Path, help="a file that keeps the count of tried inputs")
    stated = parser.parse_args()
    scale = stated.scale
    chosen = [section for section in SECTIONS if stated.only in section[0]]
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        torture = Torture(Path(folder), scale, stated.resume)
        parts = {
            title: f"## {title}\n\n{text}\n\n{Table(header, measure(torture), len(header)).markdown()}"
            for title, text, header, measure in chosen
        }
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    minutes = (time.monotonic() - began) / 60
    head = (
        "# Reliability\n\nThe guarantees, how they were tested, and the results, by"
        f" `make torture FULL=1` ({minutes:.0f} minutes on {today}; {machine()}). A short form of each"
        " test is part of `make test`.\n"
    )
    path = kills.REPOSITORY / "docs" / "reliability.md"
    if stated.only and path.is_file():
        head, *kept = path.read_text().split("\n\n## ")
        own = {f"{part}".partition("\n")[0]: f"## {part.rstrip()}" for part in kept}
        parts = own | parts
    page = "\n\n".join([head.rstrip(), *parts.values()]) + "\n"
    print(page, *torture.faults, sep="\n")
    if scale == 1.0:
        write_text(path, page)
    sys.exit(bool(torture.faults))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
