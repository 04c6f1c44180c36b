"""Parts that are registered during a test."""

from __future__ import annotations

from hydra.core.config_store import ConfigStore

from mlc.config.registry import Registry
from mlc.config.schema import GROUPS


def forget(registry: Registry, *names: str) -> None:
    """Remove parts, also from Hydra's store, which a launcher sends to processes without tests."""
    group = next(group for group, other in GROUPS.items() if other is registry)
    repository = ConfigStore.instance().repo
    stored = repository.get(group, {}), repository.get("schema", {}).get(group, {})
    for name in names:
        for mapping in (registry._parts, registry._elsewhere, registry._schemas):
            mapping.pop(name, None)
        for configs in stored:
            configs.pop(f"{name}.yaml", None)
