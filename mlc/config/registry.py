"""Registries of named parts (heads, rules, backbones, ...), which are imported on first use."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any, TypeVar

from mlc.config.errors import ConfigError
from mlc.config.options import check, nearest

Part = TypeVar("Part")
_PACKAGE = Path(__file__).parent.parent
_REGISTRIES: dict[str, Registry[Any]] = {}


@dataclass
class NoOptions:
    """The options of a part without options."""


class Registry(Mapping[str, Part]):
    """A mapping from names to the parts of one kind.

    The names of the parts in `mlc` are found by scanning the source for the decorator
    `@register_KIND("name")`; a part's module is imported on the first access to the part. Parts outside
    `mlc` are registered when their module is imported.

    Args:
        kind: the kind of part, for messages.
        package: the package of `mlc` whose modules are scanned.
        decorator: the name of the decorator that registers a part.
        key: the config key of the name, as in `head.name` or `data.source`.
    """

    def __init__(self, kind: str, package: str, decorator: str, key: str = "name") -> None:
        self.kind, self.package, self.decorator, self.key = kind, package, decorator, key
        self._parts: dict[str, Part] = {}
        self._scanned: dict[str, str] | None = None
        _REGISTRIES[kind] = self

    def register(self, name: str) -> Callable[[Part], Part]:
        """Class decorator that registers the class under this name.

        Raises:
            ConfigError: another part has this name.
        """

        def decorated(part: Part) -> Part:
            part.name = name  # type: ignore[attr-defined]
            self.add(name, part, part.__module__)
            return part

        return decorated

    def add(self, name: str, part: Part, module: str) -> None:
        """Register a part that is defined in this module under this name.

        Raises:
            ConfigError: another part has this name.
        """
        if name in self._parts or self._modules().get(name, module) != module:
            raise ConfigError(f"There is already a {self.kind} named {name!r}: choose another.")
        self._parts[name] = part

    def _modules(self) -> dict[str, str]:
        """Map the names of the parts in `mlc` to their modules."""
        if self._scanned is None:
            self._scanned = {
                name: f"mlc.{self.package}.{file.stem}"
                for file in sorted((_PACKAGE / self.package).glob("*.py"))
                for name in _decorated(file, self.decorator)
            }
        return self._scanned

    def __getitem__(self, name: str) -> Part:
        if name not in self:
            near = nearest(name, self) if isinstance(name, str) else []
            guess = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"There is no {self.kind} named {name!r}: {guess}choose one of {', '.join(self)}."
            )
        if name not in self._parts:
            importlib.import_module(self._modules()[name])
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._parts or name in self._modules())

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names in alphabetical order."""
        return iter(sorted({*self._modules(), *self._parts}))

    def __len__(self) -> int:
        return len({*self._modules(), *self._parts})

    def schema(self, name: str) -> type[Any]:
        """Return the class of the part's options with the part's name as an additional field."""
        options: type[Any] = self[name].Options  # type: ignore[attr-defined]
        return make_dataclass(
            options.__name__,
            [(self.key, str, dataclasses.field(default=str(name)))],
            bases=(options,),
            namespace={
                "__module__": options.__module__,
                "__doc__": options.__doc__,
                # The class cannot be imported by name: another process creates it again.
                "__reduce__": lambda options: (_restore, (self.kind, name, vars(options))),
            },
            kw_only=True,
        )

    def options(self, name: str, /, **values: Any) -> Any:
        """Create the part's options with these values and check them."""
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


def _restore(kind: str, name: str, values: dict[str, Any]) -> Any:
    return _REGISTRIES[kind].schema(name)(**values)


def _decorated(file: Path, decorator: str) -> list[str]:
    """Return the names that a module registers with this decorator, in order."""
    source = file.read_text(encoding="utf-8")
    if f"@{decorator}(" not in source:
        return []
    return [
        argument.value
        for node in ast.parse(source).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
        for call in node.decorator_list
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == decorator
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


BACKBONES: Registry[Any] = Registry("backbone", "backbones", "register_backbone")
DECISIONS: Registry[Any] = Registry("decision rule", "decisions", "register_decision")
HEADS: Registry[Any] = Registry("head", "heads", "register_head")
METRICS: Registry[Any] = Registry("metric", "metrics", "register_metric")
OPTIMIZERS: Registry[Any] = Registry("optimizer", "training", "register_optimizer")
SOURCES: Registry[Any] = Registry("data source", "data", "register_source", key="source")
