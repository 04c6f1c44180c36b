"""The font of the formulas: what they use of STIX Two Math, whose file ziamath brings."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

# Latin, Greek, operators, arrows, blackboard bold, and the italic letters that browsers substitute.
_RANGES = (
    (0x20, 0x7E),
    (0xA0, 0xFF),
    (0x300, 0x3FF),
    (0x2010, 0x23FF),
    (0x1D434, 0x1D467),
    (0x1D6A4, 0x1D6E1),
)


def formula_font() -> bytes:
    """Return the font as WOFF, with its table of mathematical constants (SIL Open Font License)."""
    package = find_spec("ziamath")
    assert package is not None
    font = TTFont(Path(str(package.origin)).parent / "fonts" / "STIXTwoMath-Regular.ttf")
    options = subset.Options(flavor="woff", layout_features=["*"], notdef_outline=True)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[code for low, high in _RANGES for code in range(low, high + 1)])
    subsetter.subset(font)
    font.flavor = "woff"
    written = io.BytesIO()
    font.save(written)
    return written.getvalue()
