"""Typed options with limits and search spaces, declared beside their defaults."""

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Optional, TypeVar

import numpy as np

from mlc.config.errors import ConfigError
from mlc.config.option_types import declared_types, typed
from mlc.config.texts import shown

Value = TypeVar("Value")
if TYPE_CHECKING:
    # A type checker sees the value's type: null is replaced before anything reads the value.
    Auto = Annotated[Value, "or null"]
else:
    # The type of an option that null leaves to `mlc.training.defaults`; a command line says auto.
    Auto = Optional


@dataclass(frozen=True)
class Interval:
    """A search space for a number: uniform, or uniform in the logarithm, both ends included.

    Attributes:
        low: the least value.
        high: the largest value.
        log: whether the logarithm is uniform.
        step: the values are `low`, `low + step`, ... up to `high`; null for all numbers between. With
            `log`, the step must be 1: whole numbers.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        if self.step is not None:
            return self._on_grid(rng)
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))

    def _on_grid(self, rng: np.random.Generator) -> float:
        assert self.step is not None
        if self.log:
            # Each whole number stands for the half units on both sides of it.
            ends = np.log([self.low - 0.5, self.high + 0.5])
            return int(np.clip(round(np.exp(rng.uniform(*ends))), self.low, self.high))
        # 0.3 / 0.1 is 2.9999999999999996.
        n_steps = math.floor((self.high - self.low) / self.step + 1e-9)
        return self.low + int(rng.integers(n_steps + 1)) * self.step

    def __str__(self) -> str:
        steps = "" if self.step is None else f", step {self.step:g}"
        return f"{self.low:g} to {self.high:g}" + (", log" if self.log else "") + steps


class Choice:
    """A search space of given values; a tuple among them becomes a list, as in JSON."""

    def __init__(self, *values: Any) -> None:
        self.values = tuple(map(_plain, values))

    def __eq__(self, other: object) -> bool:
        # 1 and True are equal, but not as text.
        return isinstance(other, Choice) and repr(self.values) == repr(other.values)

    def __hash__(self) -> int:
        return hash(repr(self.values))

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))})"

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one value."""
        return self.values[int(rng.integers(len(self.values)))]

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


Search = Interval | Choice


def _plain(value: Any) -> Any:
    """Convert tuples and arrays to lists, and NumPy's scalars to Python's."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


# Allowed names, or a function that returns them, since parts may be registered later.
Choices = Collection[str] | Callable[[], Collection[str]]


@dataclass(frozen=True)
class Limits:
    """The allowed values: an interval (closed, open or half-open), or choices and a pattern of more."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: Choices | None = None
    pattern: str | None = None
    example: str | None = None

    def allows(self, value: Any) -> bool:
        """Whether a value is within the limits; NaN never is."""
        if self.choices is not None:
            matches = self.pattern is not None and re.fullmatch(self.pattern, str(value))
            return value in self.named() or bool(matches)
        if isinstance(value, float) and not math.isfinite(value):
            return False
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def named(self) -> tuple[str, ...]:
        """Return the choices; empty for an interval."""
        return tuple(self.choices() if callable(self.choices) else self.choices or ())

    def __str__(self) -> str:
        if self.choices is not None:
            more = f", or a value such as {self.example}" if self.example else ""
            return "one of " + ", ".join(self.named()) + more
        words = {
            "at least": self.at_least,
            "above": self.above,
            "at most": self.at_most,
            "below": self.below,
        }
        return " and ".join(
            f"{word} {_exact(bound)}" for word, bound in words.items() if bound is not None
        )


def _exact(bound: float) -> str:
    """Format a bound; whole numbers with all digits."""
    return str(int(bound)) if float(bound).is_integer() else f"{bound:g}"


def option(
    default: Any,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    choices: Choices | None = None,
    pattern: str | None = None,
    example: str | None = None,
    words: Collection[str] = (),
    search: Search | None = None,
) -> Any:
    """Declare a dataclass field with a default and limits; for a list they apply to each item.

    `search` is the search space for tuning the option; further choices match `pattern`, of
    which `example` is one. `words` are values with a meaning of their own among other texts.

    >>> @dataclass
    ... class Options:
    ...     dropout: float = option(0.3, at_least=0, below=1)
    >>> check(Options(dropout=1.5))
    Traceback (most recent call last):
    mlc.config.errors.ConfigError: dropout=1.5 is out of range: it must be at least 0 and below 1.
    """
    limits = Limits(at_least, above, at_most, below, choices, pattern, example)
    metadata = {"limits": limits, "search": search, "words": words}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def check(options: Any, prefix: str = "") -> None:
    """Check the types and limits of all values in a dataclass and in those nested in it.

    Values of a similar type are first converted to the declared type, in place: NumPy's numbers, 10.0
    for 10, one value for a list. A dataclass can have a method `validate(prefix)` for conditions on
    several values; it is called last.

    Raises:
        ConfigError: a value has another type or is out of range; the first such value is named.
    """
    _convert(options, prefix)
    for key, value, limits in _walk(options, prefix):
        for item in value if isinstance(value, list) else [value]:
            if item is not None and not limits.allows(item):
                raise out_of_range(key, value, limits)
    _validate(options, prefix)


def out_of_range(key: str, value: Any, limits: Limits) -> ConfigError:
    """Return the error for a value out of range; it suggests the most similar choice."""
    text = repr(value) if value == "" else value
    guess = suggestion(str(value), limits.named())
    return ConfigError(f"{key}={text} is out of range: {guess}it must be {limits}.")


def require_known(owner: str, values: Iterable[str], known: Sequence[str]) -> None:
    """Raise ConfigError for the first name that is not one of the owner's options."""
    for value in values:
        if value not in known:
            raise ConfigError(
                f"{owner} has no option {shown(value)}: {suggestion(value, known)}it takes"
                f" {', '.join(known) or 'none'}."
            )


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three known words that resemble a word, the most similar first.

    Where none does, they are the words that begin with it, as f1_macro with f1.
    """
    by_fold = {name.casefold(): name for name in known}
    folded = word.casefold()
    matches = difflib.get_close_matches(folded, by_fold, n=3, cutoff=0.6)
    if not matches and len(folded) > 1:
        matches = [name for name in by_fold if name.startswith(folded)][:3]
    return [by_fold[name] for name in matches]


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return "did you mean X? " with the most similar known word; empty if none is similar."""
    near = nearest(word, known)
    return f"did you mean {near[0]}? " if near else ""


def _convert(options: Any, prefix: str) -> None:
    if isinstance(options, Mapping):
        for name, value in options.items():
            _convert(value, f"{prefix}{name}.")
    elif dataclasses.is_dataclass(options):
        declared = declared_types(type(options))
        for field in dataclasses.fields(options):
            value = getattr(options, field.name)
            _convert(value, f"{prefix}{field.name}.")
            if field.name in declared:
                converted = typed(f"{prefix}{field.name}", value, declared[field.name])
                if converted is not value:
                    setattr(options, field.name, converted)


def search_space(options: type) -> dict[str, Search]:
    """Return the search space of each option of a dataclass that has one."""
    return {
        field.name: field.metadata["search"]
        for field in dataclasses.fields(options)
        if field.metadata.get("search") is not None
    }


def limits_of(options: Any, key: str) -> Limits | None:
    """Return the limits of the option with this dotted key; None if it has none."""
    return next((limits for name, _, limits in _walk(options, "") if name == key), None)


def words_of(options: Any, name: str) -> Collection[str]:
    """Return the texts that an option declares as values: its choices and words."""
    for field in dataclasses.fields(options):
        if field.name == name and "limits" in field.metadata:
            return (*field.metadata["limits"].named(), *field.metadata["words"])
    return ()


def _validate(options: Any, prefix: str) -> None:
    parts = vars(options) if dataclasses.is_dataclass(options) else options
    if isinstance(parts, Mapping):
        for name, value in parts.items():
            _validate(value, f"{prefix}{name}.")
        validate = getattr(options, "validate", None)
        if validate is not None:
            validate(prefix)


def _walk(options: Any, prefix: str) -> Iterator[tuple[str, Any, Limits]]:
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from _walk(value, f"{prefix}{name}.")
    elif dataclasses.is_dataclass(options):
        for field in dataclasses.fields(options):
            value = getattr(options, field.name)
            yield from _walk(value, f"{prefix}{field.name}.")
            if "limits" in field.metadata:
                yield f"{prefix}{field.name}", value, field.metadata["limits"]
