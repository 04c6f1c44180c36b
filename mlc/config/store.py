"""Schemas in Hydra's store, each of which becomes a config when a composition reads it."""

from __future__ import annotations

from functools import cache

from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlc.config.errors import ConfigError


class _SchemaNode(ConfigNode):
    """A schema as a node of the store: a command reads few of them, and Hydra copies all, often."""

    def __init__(self, name: str, schema: type, group: str) -> None:
        self.schema = schema
        self._own: DictConfig | None = None
        self.name, self.group, self.package, self.provider = name, group, None, None

    @property
    def node(self) -> DictConfig:
        """The config; what the store hands out has a copy of its own."""
        if self._own is not None:
            return self._own
        try:
            return _structured(self.schema)
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


@cache
def _structured(schema: type) -> DictConfig:
    config: DictConfig = OmegaConf.structured(schema)
    return config


def store_schema(group: str, name: str, schema: type) -> None:
    """Store the schema under its group and name; a later one replaces it."""
    folder = ConfigStore.instance().repo
    for part in group.split("/"):
        folder = folder.setdefault(part, {})
    folder[f"{name}.yaml"] = _SchemaNode(f"{name}.yaml", schema, group)
