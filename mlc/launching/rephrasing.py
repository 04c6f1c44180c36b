"""Messages of Hydra and OmegaConf in words of a command line."""

from __future__ import annotations

import re
import sys

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from mlc.launching.overrides import advice, kind_of, option_of_others, unknown_option

_KINDS = {"Integer": "a whole number", "Float": "a number"}
_LIST, _LISTS = "it must be a list", "each of its values must be a list, as in [[0,1],[2,3]]"
# What OmegaConf says in its own terms of a value, which stands before the first ". ".
_OF_TYPES = re.compile(
    r"([\w.+]+)=(.*?)\. .*"
    r"(?:incompatible with type hint|is not a subclass|is not Optional|Cannot convert)"
)


def plain(error: BaseException) -> str:
    """Return Hydra's message as one line, with the known keys."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    first, *_ = str(error if cause is error else f"{error}. {cause}").split("\n")
    message = re.sub(r"\s+", " ", first).rstrip(". ")
    message = message.replace("Error merging override ", "")
    message = re.sub(
        r"^(.*)\. Value '(.*)' of type '(\w+)' could not be converted to (Integer|Float)$",
        lambda m: f"{m[1]} is of the wrong type ({m[3]}): {m[2]!r} is not {_KINDS[m[4]]}",
        message,
    )
    message = re.sub(
        r"^(.*)\. Value '(.*)' \((\w+)\) is incompatible with type hint 'int'$",
        lambda m: f"{m[1]} is of the wrong type ({m[3]}): {m[2]!r} is not {_KINDS['Integer']}",
        message,
    )
    message = re.sub(
        r"^(.*)\. Invalid value assigned: .* is not a ListConfig.*",
        lambda m: f"{m[1]} is of the wrong type: {_LIST if m[1][-1] != ']' else _LISTS}",
        message,
    )
    if wrong := _OF_TYPES.match(message):
        kind = kind_of(wrong[1])
        message = f"{wrong[1]}={wrong[2]} is of the wrong type"
        message += "" if kind is None else f": it must be {kind}"
    message = message.replace("Could not override", "There is no key")
    if message.startswith("Ambiguous value"):
        message += ": add --multirun to sweep over it"
    node = getattr(cause, "parent_node", None)
    if isinstance(node, DictConfig) and getattr(cause, "key", None) not in node:
        key = re.search(r"'([\w.-]+)'", message)
        part = str(node.get("name"))
        sentence = option_of_others(key[1], part, sys.argv[1:]) if key else None
        if sentence is not None:
            return sentence
        guess = unknown_option(key[1], part) if key else None
        choices = f"choose one of {', '.join(sorted(map(str, node)))}"
        message += f": {guess or (advice(key[1]) if key else '') + choices}"
    return message + "."
