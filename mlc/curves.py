"""Entry point: show the learning curves of sweeps in TensorBoard.

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
from mlc.config.imports import add_import_flag, import_parts, uncollected
from mlc.config.texts import counted
from mlc.launching.printing import is_read, printing

_REFRESH_SECONDS = 2
# TensorBoard initially selects no run if there are more.
_MOST_SELECTED = 500


@printing("mlc-curves")
def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, serve the view and keep it up to date until Ctrl-C."""
    parser = _parser()
    args = parser.parse_args(arguments)
    # SIGTERM must end the server too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        import_parts(args.imports)
        _show(args.sweeps, args.port, args.runs, args.bands)
    except KeyboardInterrupt:
        return
    except re.error as error:
        parser.error(f"--runs {args.runs} is not a regular expression ({error})")
    except MlcError as error:
        print(f"mlc-curves: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlc-curves", description="Show the learning curves of sweeps, finished or running."
    )
    parser.add_argument("sweeps", type=Path, nargs="+", help="folders of sweeps, or of single runs")
    parser.add_argument("--port", type=int, help="port of the server (default: any free port)")
    curves = parser.add_mutually_exclusive_group()
    curves.add_argument(
        "--runs", nargs="?", const="", metavar="REGEX",
        help="show each run (whose path matches REGEX), even if there are many",
    )  # fmt: skip
    curves.add_argument(
        "--bands", action="store_true",
        help="show mean, lowest and highest over seeds (default if there are many runs)",
    )  # fmt: skip
    add_import_flag(parser)
    return parser


def _show(sweeps: list[Path], port: int | None, runs: str | None, bands: bool) -> None:
    # Imports torch and matplotlib, which take seconds.
    with uncollected():
        from mlc.reporting.curves import Curves
        from mlc.tracking.server import serve
        from mlc.tracking.view import MOST_RUNS, View

    curves = Curves(sweeps, runs or "")
    first = curves.read()
    if not first:
        raise RunFolderError(
            f"There is no run with curves under {', '.join(map(str, sweeps))}: wait for one, or"
            " name another folder."
        )
    if runs is None:
        bands = bands or len(first) > MOST_RUNS
    elif len(first) > _MOST_SELECTED:
        print(f"{len(first)} runs: select some in TensorBoard's list, or name fewer with --runs.")
    with tempfile.TemporaryDirectory(prefix="mlc-curves-") as folder:
        view = View(Path(folder), bands=bands)
        view.refresh(first)
        with serve(Path(folder), port) as address:
            link = curves.link(address)
            bands_of = "mean, lowest and highest of " if bands else ""
            print(f"{bands_of}{counted(len(first), 'run')}; Ctrl-C ends it\n{link}", flush=True)
            if not is_read():
                return
            if _has_display():
                webbrowser.open(link)
            while True:
                time.sleep(_REFRESH_SECONDS)
                view.refresh(curves.read())


def _has_display() -> bool:
    is_set = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return is_set or sys.platform in ("darwin", "win32")


if __name__ == "__main__":
    main()
