"""What the package promises about nights, files and strangers, tried at full count.

python -m tests.torture tries all areas and writes docs/reliability.md; it goes on where it was stopped,
row by row. --areas kills,inputs tries these alone (two processes may try different ones at once);
--scale 0.1 tries a tenth and writes nothing; --page writes the page from the stored results; --check
says what has changed since.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measuring import machine
from mlc.files.writing import write_json, write_text
from tests.torture.areas import AREAS, Bench, Tried
from tests.torture.freshness import STORE, fingerprints, sentence, stored
from tests.torture.page import PAGE, page


def main() -> None:
    """Try, print, write the page; the exit status says whether all was survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full count")
    parser.add_argument("--areas", default=",".join(AREAS), help="names, with commas between them")
    parser.add_argument("--again", action="store_true", help="try rows that are stored again, too")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--check", action="store_true", help="only say what has changed since")
    given = parser.parse_args()
    if given.check:
        print(sentence(stored()))
        return
    if given.page:
        write_text(PAGE, page(stored()))
        return
    unknown = set(given.areas.split(",")) - set(AREAS)
    if unknown:
        parser.error(f"there is no area {', '.join(unknown)}: choose of {', '.join(AREAS)}")
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        store = STORE if given.scale == 1.0 else Path(folder) / "store"
        with Bench(Path(folder), given.scale) as bench:
            faults = [
                fault
                for name in given.areas.split(",")
                for fault in try_area(name, bench, store / f"{name}.json", given.again)
            ]
        results = stored(store)
    print(page(results), *faults, sep="\n")
    if given.scale == 1.0:
        write_text(PAGE, page(results))
    else:
        print(sentence(stored()), file=sys.stderr)
    sys.exit(bool(faults))


def try_area(name: str, bench: Bench, path: Path, again: bool = False) -> list[str]:
    """Try the rows of an area that are not stored for the code of today; return all faults.

    The results are stored after each row, and within the rows that have many inputs.
    """
    area = AREAS[name]
    code = fingerprints(area.code)
    result: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not again else {}
    )
    if result.get("code") != code:
        result = {"code": code, "rows": {}}
    for row in area.rows:
        before = result["rows"].get(row, {})
        if before and before["partial"] is None and not before["faults"]:
            continue
        began = time.monotonic() - before.get("seconds", 0.0)
        for tried in _measured(name, bench, row, before.get("partial") or {}):
            seconds = round(time.monotonic() - began, 1)
            result |= {"date": _today(), "machine": machine()}
            result["rows"][row] = {**vars(tried), "seconds": seconds}
            write_json(path, result)
        print(
            f"{name}: {result['rows'][row]['cells']}, {seconds:.0f} s", file=sys.stderr, flush=True
        )
    # Rows of an earlier form of the area are no longer of the page.
    return [fault for row in area.rows for fault in result["rows"][row]["faults"]]


def _measured(name: str, bench: Bench, row: str, partial: dict[str, object]) -> Iterator[Tried]:
    """Try a row; what ends the trial itself is a fault, too, and the other rows are tried."""
    area = AREAS[name]
    try:
        yield from area.measure(bench, row, partial)
    except Exception:
        blank = ["-"] * (len(area.header) - 1)
        yield Tried([row, *blank], [f"{row}: {traceback.format_exc(limit=-3)}"])


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


if __name__ == "__main__":
    main()
