"""The text of the configs that Hydra stores in a run's folder."""

from __future__ import annotations

from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf._utils import get_omega_conf_dumper

# The emitter in C, where PyYAML has it, is several times as fast.
_Dumper: Any = type("_Dumper", (getattr(yaml, "CDumper", yaml.Dumper),), {})
_Dumper.add_representer(str, get_omega_conf_dumper().str_representer)


def as_yaml(config: Any, under: str | None = None) -> str:
    """Return what OmegaConf.to_yaml does, sooner; `under` is a key that has the config as its value."""
    container: Any = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    if under is not None:
        container = {under: container}
    text: str = yaml.dump(
        container, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=_Dumper
    )
    return text
