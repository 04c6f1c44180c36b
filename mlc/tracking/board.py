"""A TensorBoard whose runs have the colours of their heads.

python -m mlc.tracking.board --logdir FOLDER
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from typing import BinaryIO

from tensorboard import assets

from mlc.tracking.palette import COLOURS, known_heads

# Black lines are drawn in white on TensorBoard's dark page.
_ON_DARK = {"#000000": "#ffffff"}
_SCRIPT = "index.js"
_PALETTE = re.compile(r'(colorPalette:\{id:"default".{0,60}?colors:)\[.*?\]')
# The place in the palette of a group of runs: TensorBoard counts the groups.
_COUNTED = re.compile(r"\b(\w+)\.get\((\w+)\)\?\?\1\.size\b")
_PLACES = 2  # in the script
# A group that is named after a head alone has the place of the head; any other, that of its number.
# Heads of one's own have the place of palette.head_style.
_FUNCTION = """
globalThis.mlcPlace = (group, count) => {
  const heads = %s, others = %d, next = 1 + count %% others;
  let name;
  try { [name] = JSON.parse(group); } catch { return next; }
  if (typeof name !== "string" || /\\s/.test(name)) return next;
  if (Object.hasOwn(heads, name)) return heads[name];
  return 1 + [...name].reduce((sum, letter) => (31 * sum + letter.codePointAt(0)) %% 65521, 7) %% others;
};
"""


def coloured(script: str) -> str | None:
    """Return TensorBoard's script with the palette of heads; None if it has another form.

    Args:
        script: index.js of TensorBoard 2.
    """
    colours = [
        {"name": colour, "lightHex": colour, "darkHex": _ON_DARK.get(colour, colour)}
        for colour in COLOURS
    ]
    script, palettes = _PALETTE.subn(lambda m: m[1] + json.dumps(colours), script)
    # A known group keeps its place.
    script, places = _COUNTED.subn(r"\1.get(\2)??mlcPlace(\2,\1.size)", script)
    if (palettes, places) != (1, _PLACES):
        return None
    return _FUNCTION % (json.dumps(known_heads()), len(COLOURS) - 1) + script


def page_files() -> Callable[[], BinaryIO] | None:
    """Return a function that opens TensorBoard's page as a zip file, with the palette of heads.

    If this version of TensorBoard has another page, it keeps its own colours.
    """
    provider: Callable[[], BinaryIO] | None = assets.get_default_assets_zip_provider()
    if provider is None:
        return None
    with provider() as file, zipfile.ZipFile(file) as files:
        contents = {name: files.read(name) for name in files.namelist()}
    script = coloured(contents.get(_SCRIPT, b"").decode())
    if script is None:
        print("This TensorBoard has its own colours.", file=sys.stderr)
        return provider
    contents[_SCRIPT] = script.encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as files:
        for name, content in contents.items():
            files.writestr(name, content)
    return lambda: io.BytesIO(stream.getvalue())


def main() -> None:
    """Serve until the process is ended."""
    # absl's log keeps the standard error of its import and closes it when logging is configured.
    from absl import app
    from tensorboard import default, main_lib, program

    main_lib.global_init()
    board = program.TensorBoard(default.get_plugins(), page_files())
    app.run(board.main, flags_parser=board.configure)


if __name__ == "__main__":
    main()
