"""The choice of a search, as its folder holds it."""

from __future__ import annotations

from pathlib import Path

import yaml

from mlc.search.choice import Chosen
from mlc.search.files import CHOICE
from mlc.search.stored import from_content


def stored_choices(folder: Path) -> list[Chosen]:
    content = yaml.safe_load((folder / CHOICE).read_text(encoding="utf-8"))
    choices: list[Chosen] = from_content(list[Chosen], content["choices"])
    return choices
