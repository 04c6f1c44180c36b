"""Names with commas, quotes or brackets on a command line: quoted for Hydra, and for the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any, NoReturn

from mlc.config.errors import ConfigError

# What Hydra's grammar reads as a text without quotes. It knows no letters but those of ASCII.
_PLAIN = re.compile(r"[A-Za-z_/][\w.\-/%+|]*", re.ASCII)
_WORDS = {"null", "true", "false", "nan", "inf", "infinity"}
# A name of a list up to the next comma, in quotes or without one.
_NAME = re.compile(r"""\s*(?:'([^'\\]*)'|"([^"\\]*)"|([^,'"]*))\s*(?:,|\Z)""")
# What a shell would replace within double quotes.
_OF_SHELL = re.compile(r'["$`!]|\\[\\$`"]')


def quoted(value: str) -> str:
    r"""Return text as one quoted value of an override.

    >>> print(quoted("it's"))
    'it\'s'
    """
    return in_quotes(literal(value))


def in_quotes(value: str) -> str:
    """Return text as one quoted value of an override, whose interpolations stay interpolations."""
    # Hydra reads backslashes before a quote in pairs.
    escaped = re.sub(
        r"(\\*)('|\Z)", lambda match: 2 * match[1] + ("\\'" if match[2] else ""), value
    )
    return f"'{escaped}'"


def literal(value: Any) -> Any:
    r"""Escape what OmegaConf would resolve in a text, or in the texts in lists and mappings.

    >>> print(literal("a${b}"))
    a\${b}
    """
    if isinstance(value, str):
        # OmegaConf reads backslashes before an interpolation in pairs.
        return re.sub(r"(\\*)\$\{", lambda match: 2 * match[1] + r"\${", value)
    if isinstance(value, list):
        return [literal(each) for each in value]
    if isinstance(value, dict):
        return {key: literal(each) for key, each in value.items()}
    return value


def setting(key: str, value: str | Sequence[str]) -> str:
    """Return a setting of a text or of a list of texts as a word for the shell, quoted where needed.

    >>> print(setting("data.labels", ["a", "b, c"]))
    "data.labels=[a,'b, c']"
    """
    if isinstance(value, str):
        return shell_word(f"{key}={as_needed(value)}")
    return shell_word(f"{key}=[{','.join(map(as_needed, value))}]")


def as_needed(name: str) -> str:
    """Return text as a value of an override, quoted only if Hydra would read it otherwise."""
    is_plain = _PLAIN.fullmatch(name) and name.casefold() not in _WORDS
    return name if is_plain else quoted(name)


def shell_word(text: str) -> str:
    """Return text as a word of a shell's command line, in double quotes if single ones are in it."""
    if "'" in text and not _OF_SHELL.search(text):
        return f'"{text}"'
    return f"'{text}'" if "'" not in text else shlex.quote(text)


def quoted_as_meant(key: str, raw: str, is_list: bool) -> str:
    """Quote the text, or the names of the list, that Hydra's grammar cannot read.

    Raises:
        ConfigError: quotes, brackets or commas in it leave open what is meant.
    """
    if is_list and (mixed := _mixed_names(raw)):
        return f"{key}=[{','.join(map(quoted, mixed))}]"
    names = _split_names(raw) if is_list else [raw]
    reserved = "'\"\\[]$" if is_list else "'\"\\[]{}()$"
    has_comma = not is_list and "," in raw and raw != ","
    if has_comma or set("".join(names)) & set(reserved):
        example = setting(key, names if is_list else raw)
        each = "each name that has a comma, a quote or a bracket" if is_list else "the text"
        raise ConfigError(f"{key}={raw} cannot be read: quote {each}, as in {example}.")
    return f"{key}=[{','.join(map(quoted, names))}]" if is_list else f"{key}={quoted(raw)}"


def refuse_several(key: str, raw: str) -> NoReturn:
    """Raise ConfigError for a text with commas, which would be a sweep, where there is none."""
    raise ConfigError(
        f"{key}={raw} could be one text or a sweep: write {setting(key, raw)} for one text, or add"
        " --multirun to sweep over it."
    )


def refuse_nested(key: str, raw: str) -> NoReturn:
    """Raise ConfigError for a list in a list of texts."""
    example = setting(key, [raw.strip()[1:-1]])
    raise ConfigError(f"{key}={raw} holds a list in a list: quote a name, as in {example}.")


def _mixed_names(raw: str) -> list[str]:
    """Return the names in a list with some in quotes, as ['a, b',c d]; none if it is no such list."""
    text = raw.strip()
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else ""
    names: list[str] = []
    at = 0
    while at < len(inside):
        match = _NAME.match(inside, at)
        if match is None or set(match[3] or "") & set("\\[]{}$"):
            return []
        names.append(next(part for part in match.groups() if part is not None).strip())
        at = match.end()
    return [name for name in names if name] if set(inside) & set("'\"") else []


def _split_names(raw: str) -> list[str]:
    """Return the names in a list without quotes, such as [a, b c]; its brackets may be missing."""
    text = raw.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return [name for part in text.split(",") if (name := part.strip())]
