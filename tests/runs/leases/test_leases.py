"""At most one process at a time holds a run's folder, on any number of machines."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlc.config.errors import BeingTrainedError, RunFolderError
from mlc.runs.leases import (
    LEASE,
    Lease,
    holder,
    holders,
    holding,
    owner,
    renewing,
    take,
    wait_for_free,
)
from mlc.runs.leases.files import chain
from mlc.runs.leases.owner import Owner, this_process
from tests.runs.leases.others import THIS_BOOT, elsewhere, leave

# The package has a function of that name.
HOLDING = "mlc.runs.leases.holding"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew every 20 ms; an owner on another machine is gone after 200 ms without a renewal."""
    monkeypatch.setattr(renewing, "BEAT", 0.02)
    monkeypatch.setattr(sys.modules[HOLDING], "STALE", 0.2)
    monkeypatch.setattr(sys.modules[HOLDING], "_POLL", 0.005)


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    """Release leases and end their thread after each test."""
    yield
    for lease in list(renewing.renewals._leases):
        lease.release()
    assert "leases" not in {thread.name for thread in threading.enumerate()}


def in_child(act: Callable[[], None]) -> int:
    """Start a process that runs this; its exit status is 1 if another process holds the folder."""
    number = os.fork()
    if number == 0:
        status = 2
        try:
            act()
            status = 0
        except BeingTrainedError:
            status = 1
        finally:
            os._exit(status)
    return number


def hold(folder: Path) -> None:
    take(folder)


def status_of(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def test_one_process_holds_it_until_release(folder: Path) -> None:
    lease = take(folder)
    with pytest.raises(BeingTrainedError, match=f"is being trained by process {os.getpid()} on"):
        take(folder)
    assert status_of(in_child(lambda: hold(folder))) == 1
    assert holder(folder) is None  # no other process
    lease.release()
    assert list(folder.iterdir()) == []
    assert status_of(in_child(lambda: hold(folder))) == 0


def test_a_process_that_was_killed_is_followed_at_once(folder: Path) -> None:
    def hold_and_die() -> None:
        take(folder)
        os.kill(os.getpid(), signal.SIGKILL)

    assert status_of(in_child(hold_and_die)) == -signal.SIGKILL
    assert holder(folder) is None
    lease = take(folder)
    assert lease.is_valid()
    assert len(list(folder.iterdir())) == 2
    lease.release()
    assert list(folder.iterdir()) == []


def test_a_process_that_is_stopped_keeps_it(folder: Path) -> None:
    reader, writer = os.pipe()

    def hold_and_tell() -> None:
        take(folder)
        os.write(writer, b".")
        time.sleep(60)

    number = in_child(hold_and_tell)
    os.read(reader, 1)
    os.kill(number, signal.SIGSTOP)
    try:
        with pytest.raises(BeingTrainedError, match=f"process {number} on"):
            take(folder)
        assert wait_for_free([folder]) == []
    finally:
        os.kill(number, signal.SIGKILL)
        status_of(number)
    assert wait_for_free([folder]) == [folder]


@pytest.mark.parametrize("round_", range(10))
def test_one_of_many_followers_succeeds(round_: int, folder: Path) -> None:
    leave(folder, dataclasses.replace(this_process(), process=2**22 + 1))
    start, go = os.pipe()
    done, finish = os.pipe()

    def follow() -> None:
        os.close(go)
        os.read(start, 1)
        try:
            take(folder)
        finally:
            os.close(finish)
        os.read(done, 1)

    children = [in_child(follow) for _ in range(6)]
    os.close(start)
    os.close(go)
    os.close(finish)
    # The winner stays until all have tried.
    while os.read(done, 1):
        pass
    assert sorted(status_of(number) for number in children) == [0, 1, 1, 1, 1, 1]


def test_another_process_with_the_same_number_is_not_the_owner(folder: Path) -> None:
    """Process numbers are used again, this process's number included."""
    for started in ("1", this_process().started):
        leave(folder, dataclasses.replace(this_process(), started=started))
        take(folder).release()


class TestElsewhere:
    """Owners on another machine, whose life shows only in renewals."""

    def test_it_is_followed_only_after_its_renewals_end(self, folder: Path, fast: None) -> None:
        path = leave(folder, elsewhere())
        assert holder(folder) == "process 4711 on node7"
        end = threading.Event()

        def beat() -> None:
            while not end.wait(0.02):
                os.utime(path)

        renewer = threading.Thread(target=beat)
        renewer.start()
        began = time.monotonic()
        assert wait_for_free([folder]) == []
        assert time.monotonic() - began < 0.2
        with pytest.raises(BeingTrainedError, match="process 4711 on node7"):
            take(folder)
        end.set()
        renewer.join()
        # It was alive a moment ago.
        assert wait_for_free([folder]) == []
        time.sleep(0.2)
        assert wait_for_free([folder]) == [folder]
        assert list(folder.iterdir()) == []

    @pytest.mark.parametrize("offset", [-10_000_000, 0, 10_000_000])
    def test_its_clock_does_not_matter(self, offset: int, folder: Path, fast: None) -> None:
        path = leave(folder, elsewhere())
        now = time.time()
        os.utime(path, (now + offset, now + offset))
        with pytest.raises(BeingTrainedError):
            take(folder)
        began = time.monotonic()
        assert wait_for_free([folder]) == [folder]
        assert 0.15 < time.monotonic() - began < 2

    def test_time_without_readings_does_not_count(self, folder: Path, fast: None) -> None:
        """Neither does the time in which the file system hung."""
        leave(folder, elsewhere())
        assert holder(folder) is not None
        time.sleep(0.3)
        assert holder(folder) is not None

    def test_machines_with_the_same_name_are_distinguished(self, folder: Path, fast: None) -> None:
        for other in ({"boot": "of another boot"}, {"namespace": "pid:[1]"}):
            leave(folder, dataclasses.replace(this_process(), **other))
            with pytest.raises(BeingTrainedError):
                take(folder)
            assert wait_for_free([folder]) == [folder]

    @pytest.mark.parametrize(
        "content", ["", "[", "[1]", '{"process": -1}', '{"host": 1, "process": true}']
    )
    def test_an_unknown_lease_is_respected_for_a_while(
        self, content: str, folder: Path, fast: None
    ) -> None:
        folder.mkdir()
        (folder / LEASE).write_text(content)
        with pytest.raises(BeingTrainedError, match="the unknown owner of"):
            take(folder)
        assert wait_for_free([folder]) == [folder]

    def test_a_process_that_lost_it_finds_out(self, folder: Path) -> None:
        """A process that was suspended leaves the lease of the present holder as it is."""
        lease = take(folder)
        path = leave(folder, elsewhere(), chain(folder)[-1].follower)
        assert not lease.is_valid()
        with pytest.raises(BeingTrainedError, match="process 4711 on node7"):
            lease.require()
        lease.release()
        assert path.is_file()
        assert holder(folder) == "process 4711 on node7"


def test_it_is_renewed_while_it_is_held(folder: Path, fast: None) -> None:
    leases = [take(folder / str(number)) for number in range(3)]
    for lease in leases:
        os.utime(lease.folder / LEASE, (0, 0))
    assert [thread.name for thread in threading.enumerate()].count("leases") == 1
    deadline = time.monotonic() + 5
    while any((lease.folder / LEASE).stat().st_mtime == 0 for lease in leases):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    def renew_none() -> None:
        assert renewing.renewals.of(folder / "0") is None
        assert threading.active_count() == 1

    assert status_of(in_child(renew_none)) == 0
    for lease in leases:
        lease.release()


def test_holding_takes_a_lease_unless_this_process_holds_it(folder: Path) -> None:
    with holding(folder):
        assert (folder / LEASE).is_file()
        assert status_of(in_child(lambda: hold(folder))) == 1
    assert list(folder.iterdir()) == []
    lease = take(folder)
    with holding(folder):
        assert lease.is_valid()
    assert lease.is_valid()
    lease.release()


def test_a_link_is_refused_and_its_target_stays(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    target = tmp_path / "target"
    target.write_text("mine")
    (folder / LEASE).symlink_to(target)
    with pytest.raises(RunFolderError, match=r"\.lease cannot be read as a lease"):
        take(folder)
    assert holders(tmp_path) == {}
    assert target.read_text() == "mine"


def test_the_work_of_a_claim_does_not_grow_with_their_number(tmp_path: Path) -> None:
    leases, calls = [], []
    for number in range(50):
        counted = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal counted
            counted += 1

        sys.setprofile(count)
        leases.append(take(tmp_path / str(number)))
        sys.setprofile(None)
        calls.append(counted)
    for lease in leases:
        lease.release()
    # The first one starts a thread.
    assert max(calls[1:]) < 2 * min(calls[1:])


def test_the_start_of_a_process_is_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        started = owner._started(other.pid)
        assert started is not None
        running = Owner(*owner.machine(), other.pid, started)
        assert running.is_running()
        assert not dataclasses.replace(running, started="1").is_running()
        other.communicate(b"\n")
    assert not running.is_running()
    assert json.loads(Lease(Path("x")).content)["boot"] == THIS_BOOT


def test_a_thread_that_an_interrupt_has_stopped_from_starting_does_not_hang_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "_LONGEST_END", 0.01)
    renewals, lease = renewing.Renewals(), renewing.Lease(tmp_path / LEASE)
    renewals._leases = [lease]
    released = threading.Event()
    renewals._thread = threading.Thread(target=released.wait, daemon=True)
    renewals._thread.start()
    renewals.remove(lease)
    released.set()
    assert renewals.of(tmp_path) is None
