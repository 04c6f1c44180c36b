"""Entry point: the learning curves of sweeps in TensorBoard, as they should be seen.

python -m mlc.curves multirun/2026-01-31/12-00-00
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile
import time
import webbrowser
from pathlib import Path

from mlc.config.errors import MlcError, RunFolderError
from mlc.config.imports import add_import_flag, import_parts
from mlc.reporting.curves import Curves
from mlc.tracking.server import serve
from mlc.tracking.view import MOST_RUNS, View

_LOOK_EVERY = 2  # seconds between two looks for new runs
# TensorBoard shows none of the runs at first where there are more.
_MOST_SELECTED = 500


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, serve the view and keep it up to date until Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="mlc-curves", description="Show the learning curves of sweeps, finished or running."
    )
    parser.add_argument("sweeps", type=Path, nargs="+", help="folders of sweeps, or of single runs")
    parser.add_argument("--port", type=int, help="of the server; any free one if not stated")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument(
        "--runs", nargs="?", const="", metavar="REGEX",
        help="show each run (whose path matches), also where there are many",
    )  # fmt: skip
    shown.add_argument(
        "--bands", action="store_true",
        help=f"show mean, lowest and highest over seeds; so by itself above {MOST_RUNS} runs",
    )  # fmt: skip
    add_import_flag(parser)
    stated = parser.parse_args(arguments)
    # However it is ended, the server ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        import_parts(stated.imports)
        _show(stated.sweeps, stated.port, stated.runs, stated.bands)
    except KeyboardInterrupt:
        return
    except re.error as error:
        parser.error(f"--runs {stated.runs} is no regular expression ({error})")
    except MlcError as error:
        print(f"mlc-curves: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _show(sweeps: list[Path], port: int | None, runs: str | None, bands: bool) -> None:
    curves = Curves(sweeps, runs or "")
    found = curves.read()
    if not found:
        raise RunFolderError(
            f"There is no run under {', '.join(map(str, sweeps))} that has curves: wait for one, or"
            " name another folder."
        )
    if runs is None:
        bands = bands or len(found) > MOST_RUNS
    elif len(found) > _MOST_SELECTED:
        print(f"{len(found)} runs: select some in TensorBoard's list, or name fewer with --runs.")
    with tempfile.TemporaryDirectory(prefix="mlc-curves-") as folder:
        view = View(Path(folder), bands=bands)
        view.refresh(found)
        with serve(Path(folder), port) as address:
            link = curves.link(address)
            what = "mean, lowest and highest of " if bands else ""
            print(f"{what}{len(found)} runs; Ctrl-C ends it\n{link}", flush=True)
            if _has_display():
                webbrowser.open(link)
            while True:
                time.sleep(_LOOK_EVERY)
                view.refresh(curves.read())


def _has_display() -> bool:
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return named or sys.platform in ("darwin", "win32")


if __name__ == "__main__":
    main()
