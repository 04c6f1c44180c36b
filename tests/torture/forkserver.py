"""Starts commands by forking a process that has imported everything, which takes longer than they do.

Each line of its input is a JSON list: the file for what the command prints, Python that runs first in
its process, and the words after its name. The answer is the process's number, and when it has ended
the number and its exit status. The name of the command, train or compare, is this program's argument.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

# A launch imports these late.
import mlc.launching.command  # noqa: F401
import mlc.launching.fused  # noqa: F401
import mlc.reporting.curves  # noqa: F401
from mlc.config.schema import register_configs

_LATE = {"train": (), "compare": ("mlc.comparing.command", "mlc.comparing.answer")}


def serve(main: Callable[[], None]) -> None:
    """Until the input ends."""
    children = 0
    open_for_input = True
    while open_for_input or children:
        ready, _, _ = select.select([sys.stdin] if open_for_input else [], [], [], 0.01)
        if ready:
            line = sys.stdin.readline()
            if line:
                print(json.dumps({"started": start(main, *json.loads(line))}), flush=True)
                children += 1
            else:
                open_for_input = False
        if children:
            number, status = os.waitpid(-1, os.WNOHANG)
            if number:
                children -= 1
                ended = {"ended": number, "status": os.waitstatus_to_exitcode(status)}
                print(json.dumps(ended), flush=True)


def start(main: Callable[[], None], printed: str, prelude: str, *words: str) -> int:
    """Start the command in a process group of its own; return its number."""
    number = os.fork()
    if number:
        return number
    os.setsid()
    # Where this process was started in the background, it ignores what a terminal would send.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sink = os.open(os.devnull, os.O_RDWR)
    log = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    for place, opened in enumerate((sink, log, log)):
        os.dup2(opened, place)
    sys.argv = ["mlc", *words]
    status = 1
    try:
        exec(prelude, {})
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        # As Python itself does.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    (program,) = sys.argv[1:]
    for module in _LATE[program]:
        importlib.import_module(module)
    # Imports every part.
    register_configs()
    serve(importlib.import_module(f"mlc.{program}").main)
