"""Named parts (heads, rules, backbones, ...) and the options each takes."""

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, make_dataclass
from typing import Any, Generic, TypeVar

from mlc.config.errors import ConfigError
from mlc.config.options import check, nearest

Part = TypeVar("Part")


@dataclass
class NoOptions:
    """For a part that has nothing to set."""


_REGISTRIES: dict[str, "Registry[Any]"] = {}


class Registry(Generic[Part]):
    """Classes of one kind by name; each has `name` and a dataclass `Options`.

    `key` is the config key that holds the name: `head.name`, `data.source`.
    """

    def __init__(self, kind: str, key: str = "name") -> None:
        self.kind = kind
        self.key = key
        self._parts: dict[str, type[Part]] = {}
        _REGISTRIES[kind] = self

    def register(self, name: str) -> Callable[[type[Part]], type[Part]]:
        """Class decorator: make the class known under this name."""

        def add(part: type[Part]) -> type[Part]:
            if name in self._parts:
                raise ConfigError(f"There is already a {self.kind} named {name!r}: choose another.")
            part.name = name  # type: ignore[attr-defined]
            self._parts[name] = part
            return part

        return add

    def unregister(self, name: str) -> None:
        """Forget a name, for a part that was registered for a while only."""
        del self._parts[name]

    def __getitem__(self, name: str) -> type[Part]:
        if not isinstance(name, str) or name not in self._parts:
            near = nearest(name, self._parts) if isinstance(name, str) else []
            guess = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"There is no {self.kind} named {name!r}: {guess}choose one of"
                f" {', '.join(self.names())}."
            )
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        """All names, in alphabetical order."""
        return sorted(self._parts)

    def schema(self, name: str) -> type[Any]:
        """The part's options with its name as the default of the first field, for a typed config."""
        options: type[Any] = self[name].Options  # type: ignore[attr-defined]
        return make_dataclass(
            options.__name__,
            [(self.key, str, dataclasses.field(default=str(name)))],
            bases=(options,),
            namespace={
                "__module__": options.__module__,
                "__doc__": options.__doc__,
                # The class is made here and has no name to be imported by: another process makes it
                # again.
                "__reduce__": lambda made: (_remake, (self.kind, name, vars(made))),
            },
            kw_only=True,
        )

    def options(self, name: str, /, **values: Any) -> Any:
        """The part's options with these values, checked."""
        schema = self.schema(name)
        known = [field.name for field in dataclasses.fields(schema) if field.name != self.key]
        for value in values:
            if value not in known:
                near = nearest(value, known)
                raise ConfigError(
                    f"The {self.kind} {name!r} has no option {value!r}: "
                    + (f"did you mean {near[0]}? " if near else "")
                    + (f"it takes {', '.join(known)}." if known else "it takes none.")
                )
        options = schema(**values)
        check(options)
        return options


def _remake(kind: str, name: str, values: dict[str, Any]) -> Any:
    return _REGISTRIES[kind].schema(name)(**values)
