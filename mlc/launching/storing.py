"""The text of the configs that Hydra stores in a run's folder."""

from __future__ import annotations

from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf._utils import get_omega_conf_dumper

# The emitter in C, where PyYAML has it, is several times as fast.
_Dumper: Any = type("_Dumper", (getattr(yaml, "CDumper", yaml.Dumper),), {})
_Dumper.add_representer(str, get_omega_conf_dumper().str_representer)


class Texts:
    """Texts of configs, of which one after another differ in few of their parts.

    A text is a list of its parts: equal parts of thousands of jobs are one object.
    """

    def __init__(self) -> None:
        # The last value of each part, as a text that tells 1 from True, and its YAML.
        self._last: dict[tuple[str | None, str], tuple[str, str]] = {}

    def yaml(self, config: Any, under: str | None = None) -> list[str]:
        """Return the parts of what OmegaConf.to_yaml does, sooner; some characters may be escapes.

        Args:
            config: a part of a job's config.
            under: a key whose value is the config.
        """
        container: Any = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
        if not isinstance(container, dict) or not container:
            return [_yaml(container if under is None else {under: container})]
        head = [] if under is None else [_yaml({under: None}).replace(" null\n", "\n")]
        return head + [self._part(under, name, value) for name, value in container.items()]

    def _part(self, under: str | None, name: Any, value: Any) -> str:
        written = repr((name, value))
        known, text = self._last.get((under, name), ("", ""))
        if known != written:
            part = {name: value}
            text = _yaml(part if under is None else {under: part})
            # The line of the key under which it stands is written once.
            text = text if under is None else text.split("\n", 1)[1]
            self._last[under, name] = written, text
        return text


def _yaml(content: Any) -> str:
    try:
        return _dumped(content, _Dumper)
    except UnicodeEncodeError:
        # A file's name that is not in UTF-8 has surrogates, which only the emitter in Python escapes.
        return _dumped(content, get_omega_conf_dumper())


def _dumped(content: Any, dumper: Any) -> str:
    text: str = yaml.dump(
        content, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=dumper
    )
    return text
