"""The help of mlc-train, from names alone: composing the config would import all parts."""

from __future__ import annotations

import textwrap

from mlc.config.schema import GROUPS, config_folder

_TEXT = """\
mlc-train [-m] [--import MODULE] [KEY=VALUE ...]

Train one run, or a sweep with -m (--multirun), in which VALUE may be a list:

  mlc-train data=yeast head=powerset
  mlc-train -m data=yeast head=sigmoid,powerset,pick_one seed='range(5)'

{groups}

Keys of the chosen parts are set with a point, as in optimizer.lr=0.01 or head.gamma=2.

  --cfg job        print the whole config, with all keys and their values
  --resolve        with --cfg: with interpolations resolved
  --import MODULE  a module that registers parts of your own; may be repeated
  --hydra-help     Hydra's own flags
  docs/sweeps.md   launchers, search, resuming, TensorBoard\
"""


def help_text() -> str:
    """Return the usage, and the choices of each config group."""
    choices = {group: set(registry) for group, registry in GROUPS.items()} | {"experiment": set()}
    for group in choices:
        files = (config_folder() / group).glob("*.yaml")
        choices[group].update(file.stem for file in files)
    lines = [
        textwrap.fill(
            f"{group}={', '.join(sorted(names))}", 80, subsequent_indent=" " * (len(group) + 1)
        )
        for group, names in choices.items()
    ]
    return _TEXT.format(groups="\n".join(lines))
