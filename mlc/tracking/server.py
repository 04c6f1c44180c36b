"""A TensorBoard server on the loopback address."""

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
_RELOAD_EVERY = 2  # seconds


@contextmanager
def serve(folder: Path, port: int | None = None) -> Iterator[str]:
    """Run a TensorBoard server in a context; the context's value is its address.

    Args:
        folder: the log directory.
        port: None for TensorBoard's default port, or any free port if that is taken.

    Raises:
        MlcError: the port is taken, or TensorBoard did not start.
    """
    if port is None:
        port = PORT if _is_free(PORT) else 0
    elif 0 < port < 2**16 and not _is_free(port):
        raise MlcError(f"--port {port} is taken: choose another, or omit --port.")
    command = [sys.executable, "-W", "ignore", "-m", "mlc.tracking.board", "--logdir", str(folder)]
    command += ["--host", _HOST, "--port", str(port)]
    command += ["--reload_interval", str(_RELOAD_EVERY)]
    # In a new session, so that Ctrl-C reaches only this process, which then stops the server.
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


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((_HOST, port))
        return True
    return False


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    lines: deque[str] = deque(maxlen=5)
    for line in process.stderr:
        if match := re.search(r"http://[^\s/]+", line):
            # Further output must be read, or the server blocks on a full pipe.
            threading.Thread(target=lambda: deque(process.stderr or (), 0), daemon=True).start()
            return match[0]
        lines.append(line.strip())
    raise MlcError(f"TensorBoard did not start ({' '.join(lines)}): choose another --port.")
