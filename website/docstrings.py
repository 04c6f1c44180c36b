"""Extension of Griffe: the sections of mlc's docstrings that Google's style does not know."""

from __future__ import annotations

from typing import Any

import griffe


class Sections(griffe.Extension):
    """Show `Class attributes:` as a list of attributes, not as text."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section, whose form is that of `Attributes:`."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace(
                "Class attributes:\n", "Attributes:\n"
            )
