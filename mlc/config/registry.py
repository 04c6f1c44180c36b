"""Registries of named parts (heads, rules, backbones, ...), which are imported on first use."""

from __future__ import annotations

import copyreg
import dataclasses
import importlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Any, TypeVar

from mlc.config.errors import ConfigError
from mlc.config.imports import FLAG, import_named
from mlc.config.options import check, require_known, suggestion
from mlc.config.texts import named_choices, shown

Part = TypeVar("Part")
_PACKAGE = Path(__file__).parent.parent
_REGISTRIES: dict[str, Registry[Any]] = {}


class _Schema(type):
    """The type of schemas, which are pickled by the names of their part and its kind."""


class _Restored(metaclass=_Schema):
    """The base of schemas."""


def _reduced(schema: _Schema) -> Any:
    restore = vars(schema).get("__restore__")
    # Other classes of this type are found by their names.
    return schema.__qualname__ if restore is None else restore()


copyreg.pickle(_Schema, _reduced)
# Cloudpickle reads a class that it pickled back into the same class, as joblib's results do: a copy of
# this sentinel there would be the default value of every field without one.
copyreg.pickle(type(dataclasses.MISSING), lambda _: "MISSING")


@dataclass
class NoOptions:
    """The options of a part without options."""


class Registry(Mapping[str, Part]):
    """A mapping from names to the parts of one kind.

    The names of the parts in `mlc` are found by scanning the package's source for lines that begin with
    the decorator `@register_KIND("name")`, with the name as a literal in double quotes; a part's module
    is imported on the first access to the part. Parts outside `mlc` may be registered in any way; they
    are known once their module is imported, directly or by --import or MLC_IMPORT.

    Args:
        kind: the kind of part, for messages.
        package: the package of `mlc` whose modules are scanned.
        decorator: the name of the decorator that registers a part.
    """

    def __init__(self, kind: str, package: str, decorator: str) -> None:
        self.kind, self.package, self.decorator = kind, package, decorator
        self._parts: dict[str, Part] = {}
        self._elsewhere: dict[str, str] = {}
        self._scanned: dict[str, str] | None = None
        self._schemas: dict[str, tuple[type[Any], type[Any]]] = {}
        _REGISTRIES[kind] = self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by reference: a schema, which a launcher pickles, refers to its registry."""
        return _of_kind, (self.kind,)

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

        A class outside `mlc` that is defined anew, as where a cell of a notebook is run again, replaces
        itself.

        Raises:
            ConfigError: another part has this name.
        """
        before = self._parts.get(name)
        is_known = before is not None and not _is_defined_anew(before, part, module)
        if is_known or self._modules().get(name, module) != module:
            raise ConfigError(f"There is already a {self.kind} named {name!r}: choose another.")
        self._parts[name] = part
        if not module.startswith("mlc."):
            self._elsewhere[name] = _importable(module)

    def elsewhere(self) -> dict[str, str]:
        """Map the names of the parts outside `mlc` to their modules."""
        import_named()
        return dict(self._elsewhere)

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
            guess = suggestion(name, self) if isinstance(name, str) else ""
            raise ConfigError(
                f"There is no {self.kind} named {shown(name)}: {guess}choose one of"
                f" {named_choices(self)}, or import the module of your own one (a command does with"
                f" {FLAG} MODULE)."
            )
        if name not in self._parts:
            importlib.import_module(self._modules()[name])
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._names()

    def __iter__(self) -> Iterator[str]:
        """Iterate over all names in alphabetical order."""
        return iter(sorted(self._names()))

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> set[str]:
        import_named()
        return {*self._modules(), *self._parts}

    def schema(self, name: str) -> type[Any]:
        """Return the class of the part's options with the part's name as the additional field `name`.

        Raises:
            ConfigError: the part has an option `name` itself.
        """
        options: type[Any] = self[name].Options  # type: ignore[attr-defined]
        source, schema = self._schemas.get(name, (None, options))
        if source is not options:
            schema = self._build_schema(name, options)
            self._schemas[name] = options, schema
        return schema

    def _build_schema(self, name: str, options: type[Any]) -> type[Any]:
        if any(field.name == "name" for field in dataclasses.fields(options)):
            raise ConfigError(
                f"The options of the {self.kind} {name!r} have a field 'name', which is where a config"
                " states which part it is: call the field otherwise, as in 'title'."
            )
        return make_dataclass(
            options.__name__,
            [("name", str, dataclasses.field(default=str(name)))],
            bases=(_Restored, options),
            namespace={
                "__restore__": lambda: (
                    _restore_class,
                    (self.kind, name, self._elsewhere.get(name)),
                ),
                "__module__": options.__module__,
                "__doc__": options.__doc__,
                "validate": lambda options, prefix: self._validate(name, options, prefix),
                # The class cannot be imported by name: another process creates it again.
                "__reduce__": lambda options: (
                    _restore,
                    (self.kind, name, vars(options), self._elsewhere.get(name)),
                ),
            },
            kw_only=True,
        )

    def _validate(self, name: str, options: Any, prefix: str) -> None:
        """Require that a config does not rename the chosen part; then validate the part's options."""
        if options.name != name:
            group = prefix.rstrip(".")
            title = f", and the data set's title with {group}.title" if group == "data" else ""
            raise ConfigError(
                f"{prefix}name={shown(options.name)} cannot be set, it is the name of the {self.kind}"
                f" {name!r}: choose a {self.kind} with {group}=NAME{title}."
            )
        validate = getattr(self[name].Options, "validate", None)  # type: ignore[attr-defined]
        if validate is not None:
            validate(options, prefix)

    def options(self, name: str, /, **values: Any) -> Any:
        """Create the part's options with these values and check them."""
        schema = self.schema(name)
        known = [field.name for field in dataclasses.fields(schema) if field.name != "name"]
        require_known(f"The {self.kind} {name!r}", values, known)
        options = schema(**values)
        check(options)
        return options


def _of_kind(kind: str) -> Registry[Any]:
    return _REGISTRIES[kind]


def _restore(kind: str, name: str, values: dict[str, Any], module: str | None) -> Any:
    return _restore_class(kind, name, module)(**values)


def _restore_class(kind: str, name: str, module: str | None) -> type[Any]:
    registry = _REGISTRIES[kind]
    if module is not None and name not in registry:
        importlib.import_module(module)
    return registry.schema(name)


def _is_defined_anew(before: Any, part: Any, module: str) -> bool:
    """Whether two parts are classes of the same name in the same module outside `mlc`."""
    if module.startswith("mlc.") or not (isinstance(before, type) and isinstance(part, type)):
        return False
    names = [(each.__module__, each.__qualname__) for each in (before, part)]
    return names[0] == names[1]


def _importable(module: str) -> str:
    """Return the name by which a module can be imported; for a script, its file's name."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).stem if module == "__main__" and file else module


def _decorated(file: Path, decorator: str) -> list[str]:
    """Return the names that a module registers with this decorator, in order."""
    source = file.read_text(encoding="utf-8")
    matches = re.finditer(rf'^@{decorator}\(\s*((?:"[^"\n]+"\s*,?\s*)+)', source, re.MULTILINE)
    return [name for match in matches for name in re.findall(r'"([^"]+)"', match[1])]


REGISTRIES: Mapping[str, Registry[Any]] = _REGISTRIES
BACKBONES: Registry[Any] = Registry("backbone", "backbones", "register_backbone")
DECISIONS: Registry[Any] = Registry("decision rule", "decisions", "register_decision")
HEADS: Registry[Any] = Registry("head", "heads", "register_head")
METRICS: Registry[Any] = Registry("metric", "metrics", "register_metric")
OPTIMIZERS: Registry[Any] = Registry("optimizer", "training", "register_optimizer")
SOURCES: Registry[Any] = Registry("data source", "data", "register_source")
