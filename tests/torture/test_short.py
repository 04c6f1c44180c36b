"""The short form of `make torture`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from mlc.report import main as report_main
from mlc.runs import ownership
from tests.torture import clocks, files, inputs, kills, limits, sharing
from tests.torture.readers import READERS


@pytest.fixture(scope="module")
def forkserver() -> Iterator[kills.ForkServer]:
    with kills.ForkServer() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*kills.LAUNCHERS, "search"])
def test_a_killed_sweep_is_resumed_to_the_same_bytes(
    kind: str, forkserver: kills.ForkServer, tmp_path: Path
) -> None:
    whole = kills.Job(forkserver, kind, tmp_path / "whole")
    seconds = whole.undisturbed()
    # Of one launcher the clock jumps, too.
    draw = random.Random(0)
    prelude = clocks.jumping(draw) if kind == "fused" else ""
    shift = partial(clocks.shift, draw) if kind == "fused" else print
    job = kills.Job(forkserver, kind, tmp_path / "killed", prelude)
    killed = kills.kill_and_resume(job, 0.5 * seconds, whole.results(), kind, shift)
    assert killed.faults == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "stop"), [("fused", "Ctrl-C"), ("basic", "Ctrl-C"), ("fused", "SIGTERM")]
)
def test_an_interrupted_sweep_says_how_to_go_on(
    kind: str, stop: str, forkserver: kills.ForkServer, tmp_path: Path
) -> None:
    job = kills.Job(forkserver, kind, tmp_path / "sweep")
    _, faults = kills.interrupt(job, kills.STOPS[stop], 1.0)
    assert faults == []


@pytest.mark.slow
@pytest.mark.parametrize("limit", limits.ALWAYS)
def test_a_limit_of_the_machine_ends_in_a_sentence(
    limit: str, forkserver: kills.ForkServer, tmp_path: Path
) -> None:
    assert limits.ALWAYS[limit](forkserver, tmp_path / "sweep") == []


@pytest.mark.slow
@pytest.mark.parametrize("limit", limits.WITH_ROOT)
def test_a_limit_of_the_disk_ends_in_a_sentence(
    limit: str, forkserver: kills.ForkServer, tmp_path: Path
) -> None:
    if not limits.can_mount(tmp_path):
        pytest.skip("this process may mount no file system")
    assert limits.WITH_ROOT[limit](forkserver, tmp_path / "sweep") == []


def test_the_shares_make_a_whole() -> None:
    assert sum(reader.share for reader in READERS.values()) == pytest.approx(1)


@pytest.mark.parametrize("reader", READERS)
def test_malformed_input_is_read_rightly_or_refused(reader: str) -> None:
    case, share, names = READERS[reader]
    least = {"images": 25, "runs that are loaded": 12}.get(reader, 40)
    found = inputs.fuzz(max(least, round(800 * share)), 0, case, names)
    assert found.faults == []
    assert found.read
    # A damaged entry is no reason to refuse the file.
    assert bool(found.refused) != reader.startswith("cache ")


@pytest.mark.parametrize("what", files.FOLDERS)
def test_nothing_of_the_users_is_touched(what: str) -> None:
    case, share, names = files.FOLDERS[what]
    found = inputs.fuzz(round(200 * share), 0, case, names)
    assert found.faults == []
    assert found.read
    assert found.refused or what == "a path from names"


@pytest.mark.parametrize("guard", ["_require_file", "_require_folder"])
def test_a_check_that_misses_links_is_noticed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = getattr(ownership, guard)

    def without_links(path: Path, **more: bool) -> bool | None:
        return path.exists() if path.is_symlink() else whole(path, **more)

    monkeypatch.setattr(ownership, guard, without_links)
    case, _, names = files.FOLDERS["a run's folder"]
    assert inputs.fuzz(110, 2026, case, names).faults


@pytest.mark.slow
def test_two_sweeps_write_into_one_folder_at_once(
    forkserver: kills.ForkServer, tmp_path: Path
) -> None:
    """As two machines with a shared disk do; the report reads the runs of both."""
    folder = tmp_path / "shared"
    with kills.ForkServer() as other:
        jobs = [kills.Job(own, "fused", folder) for own in (forkserver, other)]
        numbers = [
            job.start(f"seed={seeds}") for job, seeds in zip(jobs, ("0,1", "2,3"), strict=True)
        ]
        for job, number in zip(jobs, numbers, strict=True):
            assert job.forkserver.wait(number) == 0, job.said()
    assert len(jobs[0].finished()) == 2 * kills.N_RUNS
    report_main([str(folder)])
    table = pd.read_csv(folder / "results.csv")
    assert table["run"].nunique() == 2 * kills.N_RUNS
    assert sorted(table["seed"].unique()) == [0, 1, 2, 3]
    assert kills.broken_files(folder) == []


@pytest.mark.slow
def test_two_machines_share_one_sweep(forkserver: kills.ForkServer, tmp_path: Path) -> None:
    """Each run is trained once; those of a machine that is killed are the other's."""
    with kills.ForkServer() as other:
        for case, moment, name in (
            ("two machines whose clocks jump", None, "shared"),
            ("two machines, one is killed", 0.0, "killed"),
        ):
            servers = forkserver, other
            assert sharing.share(servers, tmp_path / name, sharing.CASES[case], moment) == []
            report_main([str(tmp_path / name)])
            table = pd.read_csv(tmp_path / name / "results.csv")
            assert table["run"].nunique() == kills.N_RUNS
