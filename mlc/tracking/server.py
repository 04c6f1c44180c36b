"""A TensorBoard of one's own, on loopback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlc.config.errors import MlcError
from mlc.tracking.view import PORT

_HOST = "127.0.0.1"
_RELOAD_EVERY = 2  # seconds between two looks at the folder


@contextmanager
def serve(folder: Path, port: int | None = None) -> Iterator[str]:
    """The address of a TensorBoard on the folder, which ends with the context.

    Args:
        folder: its logdir.
        port: None for TensorBoard's own, or any other that is free where that is taken.

    Raises:
        MlcError: the port is taken, or TensorBoard did not start.
    """
    if port is not None and 0 < port < 2**16 and not _is_free(port):
        raise MlcError(f"--port {port} is taken: choose another, or state none.")
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", "--logdir", str(folder)]
    command += ["--host", _HOST, "--port", str(_free_port() if port is None else port)]
    command += ["--reload_interval", str(_RELOAD_EVERY)]
    # In a session of its own, so that Ctrl-C reaches this process alone, which then ends it.
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
        errors="replace", start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        try:
            yield _address(process)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()


def _free_port() -> int:
    return PORT if _is_free(PORT) else 0


def _is_free(port: int) -> bool:
    with socket.socket() as tried, suppress(OSError):
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind((_HOST, port))
        return True
    return False


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said: deque[str] = deque(maxlen=5)
    for line in process.stderr:
        if found := re.search(r"http://[^\s/]+", line):
            # What it says later must be read, or it would wait for that.
            threading.Thread(target=lambda: deque(process.stderr or (), 0), daemon=True).start()
            return found[0]
        said.append(line.strip())
    raise MlcError(f"TensorBoard did not start ({' '.join(said)}): choose another --port.")
