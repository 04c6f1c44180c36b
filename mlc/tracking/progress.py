"""Progress on a terminal; on anything else only the log's lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

Item = TypeVar("Item")


def with_bar(items: Iterable[Item], total: int, title: str) -> Iterator[Item]:
    """The items, with a bar on standard error while they come if that is a terminal."""
    with (
        logging_redirect_tqdm(),
        tqdm(
            items,
            total=total,
            desc=title,
            unit=" epochs",
            leave=False,
            disable=None,
            file=sys.stderr,
        ) as bar,
    ):
        yield from bar
