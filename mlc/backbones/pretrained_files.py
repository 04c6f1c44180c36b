"""The package transformers, and the files of its networks."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlc.config.errors import ConfigError

_WEIGHTS = ".safetensors", ".bin"
_SETTINGS = ".json", ".txt", ".model"


def transformers() -> Any:
    """Return the package transformers, silent about what it loads.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import transformers as package
    except ImportError as error:
        raise ConfigError(
            "backbone=pretrained needs the package transformers: pip install 'mlc[pretrained]'."
        ) from error
    package.logging.set_verbosity_error()
    package.logging.disable_progress_bar()
    return package


def files_digest(model: str, weights: str) -> str:
    """Hash the files of the network; a snapshot of the hub is identified by its commit."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        config = _cached_config(model)
        return f"{model} {Path(config).parent.name}"
    endings = _SETTINGS if weights == "none" else (*_SETTINGS, *_WEIGHTS)
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in endings and path.is_file():
            facts = path.stat()
            state = facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino
            digest.update(f"{path.name} {_file_digest(path, state)} ".encode())
    return digest.hexdigest()


@lru_cache(maxsize=16)
def _cached_config(model: str) -> str:
    """Return the file config.json of a network of the hub, in the cache of transformers.

    The hub is asked once in a process.

    Raises:
        ConfigError: it is neither there nor can be downloaded.
    """
    package = transformers()
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", model) or model.startswith("."):
        raise ConfigError(f"backbone.model={model}: there is no such folder.")
    try:
        _require_answer(model)
        path: str = package.utils.cached_file(model, "config.json")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"backbone.model={model} is neither a folder nor a network in the cache of transformers, and"
            " cannot be downloaded: check the name, or carry its folder, as docs/pretrained.md says"
            ' under "Weights without the internet".'
        ) from error
    return path


def _require_answer(model: str) -> None:
    """Raise OSError if the network is not in the cache and the hub does not answer.

    A download would try again for half a minute.
    """
    import huggingface_hub as hub

    if isinstance(hub.try_to_load_from_cache(model, "config.json"), str):
        return
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(model, "config.json"))
    except hub.errors.HfHubHTTPError:
        return  # The download reports what the hub answers.
    except Exception as error:  # Each version of the hub has its own errors of the connection.
        raise OSError(str(error)) from error


@lru_cache(maxsize=64)
def _file_digest(path: Path, state: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
