"""Schemas in Hydra's store, each of which becomes a config when a composition reads it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from functools import cache
from typing import Any

from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlc.config.errors import ConfigError


class _SchemaNode(ConfigNode):
    """A schema as a node of the store: a command reads few of them, and Hydra copies all, often.

    Args:
        name: with the ending .yaml.
        group: of the schema.
        make: returns the config, for all copies of the node.
        schema: the class.
    """

    def __init__(self, name: str, group: str, make: Callable[[], DictConfig], schema: type) -> None:
        self.schema, self._make = schema, make
        self._own: DictConfig | None = None
        self.name, self.group, self.package, self.provider = name, group, None, None

    @property
    def node(self) -> DictConfig:
        """The config; what the store hands out has a copy of its own."""
        if self._own is not None:
            return self._own
        try:
            return self._make()
        except OmegaConfBaseException as error:
            part = f"{str(self.group).removeprefix('schema/')}={self.name.removesuffix('.yaml')}"
            reason = str(error).splitlines()[0].rstrip(".:")
            raise ConfigError(
                f"The option {error.full_key!r} of {part} cannot be in a config ({reason}): declare it"
                " as int, float, bool, str, or a list or dict of these, with a default of this type."
            ) from error

    @node.setter
    def node(self, value: DictConfig) -> None:
        self._own = value

    def __copy__(self) -> _SchemaNode:
        copied = _SchemaNode(self.name, str(self.group), self._make, self.schema)
        copied._own = self._own
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> _SchemaNode:
        copied = copy(self)
        copied._own = deepcopy(self._own, memo)
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the config: a job of submitit gets the store, and a copied schema is no schema."""
        return ConfigNode, (self.name, self.node, self.group, self.package, self.provider)


def store_schema(group: str, name: str, schema: type, anew: bool = False) -> None:
    """Store the schema under its group and name, in the place of another one or, `anew`, of itself."""
    folder = ConfigStore.instance().repo
    for part in group.split("/"):
        folder = folder.setdefault(part, {})
    file = f"{name}.yaml"
    if anew or getattr(folder.get(file), "schema", None) is not schema:
        folder[file] = _SchemaNode(file, group, cache(lambda: _structured(schema)), schema)


def _structured(schema: type) -> DictConfig:
    config: DictConfig = OmegaConf.structured(schema)
    return config
