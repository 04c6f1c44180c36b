"""Identification of an experiment: config, data, code, libraries and device."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import subprocess
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from sys import intern
from typing import TYPE_CHECKING, Any

import numpy as np

import mlc
from mlc.data.sparse import is_sparse
from mlc.runs.former import default_options

if TYPE_CHECKING:
    import torch

    from mlc.data.base import Dataset

# Options that change no result of a run, or only by its data, which have a fingerprint: paths, device
# and resources, how a device runs a step, reports, labels that are left out.
NOT_IDENTITY = (
    "device", "threads", "trainer.cuda_graphs", "trainer.compile", "resume", "report", "data.path",
    "data.root", "data.folder", "data.obtain", "data.absent_labels", "data.missing_labels",
    "data.soft_labels",
)  # fmt: skip
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class Identity:
    """The dependencies of a run's results other than its config.

    Attributes:
        data: fingerprint of the data set.
        code: version of mlc, and in a checkout the commit.
        versions: of Python and the libraries that compute.
        device: "cpu" or the GPU's name, with the processor.
    """

    data: str
    code: str
    versions: dict[str, str]
    device: str


def identify(dataset: Dataset, device: torch.device) -> Identity:
    """Return the identity of runs of this process on this data set and device."""
    return Identity(fingerprint(dataset), code_version(), versions(), device_name(device))


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256 of the features, targets, names and published parts, in hexadecimal digits."""
    digest = hashlib.sha256()
    features: Any = dataset.features
    if dataset.digest:
        features = np.frombuffer(dataset.digest.encode(), dtype=np.uint8)
    arrays = (
        (features.data, features.indices, features.indptr) if is_sparse(features) else (features,)
    )
    rows = [dataset.parts[part] for part in sorted(dataset.parts)]
    known = [table for table in (dataset.known, dataset.soft) if table is not None]
    for array in (*arrays, dataset.targets, *known, dataset.numeric, *rows):
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    shape = () if dataset.samples == "columns" else dataset.sample_shape
    names = (dataset.feature_names, dataset.label_names, sorted(dataset.parts), *shape)
    digest.update(repr(names).encode())
    return digest.hexdigest()


@cache
def code_version() -> str:
    """Return the version of mlc, and in a checkout the commit ("+" if files have changed since)."""
    folder = Path(mlc.__file__).parent.parent
    if not (folder / ".git").exists():
        return mlc.__version__
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = "+" if _git(folder, "status", "--porcelain", "--", "mlc", "conf") else ""
    except (OSError, subprocess.CalledProcessError):
        return mlc.__version__
    return f"{mlc.__version__} {commit}{changed}"


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that compute a run's results."""
    from importlib.metadata import version  # A report takes no versions.

    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def device_name(device: torch.device) -> str:
    """Return the name of the GPU, or of the processor."""
    if device.type == "cuda":
        import torch

        return str(torch.cuda.get_device_name(device))
    return f"cpu ({processor()})"


def differences(
    one: Mapping[str, Any],
    other: Mapping[str, Any],
    ignored: tuple[str, ...] = NOT_IDENTITY,
    automatic: Collection[str] = (),
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted keys that differ between two nested configs, with both values or None.

    Options of decision rules that only one of the configs reports are ignored. An option that one of
    them lacks, because an earlier version wrote it, has its default there. A null of the other config
    equals any value of an option whose key is among the `automatic` ones.
    """
    shared = [rule for rule in one.get("decisions", ()) if rule in other.get("decisions", ())]
    first, second = (flatten(with_rules(config, shared)) for config in (one, other))
    keys = [
        key
        for key in dict.fromkeys((*first, *second))
        if not any(key == name or key.startswith(f"{name}.") for name in ignored)
        and not (key in automatic and second.get(key, "") is None)
    ]
    for config, flat in ((one, first), (other, second)):
        if any(key not in flat for key in keys):
            flat.update({**flatten(default_options(config)), **flat})
    for key in keys:
        if first.get(key) != second.get(key):
            yield key, first.get(key), second.get(key)


def with_rules(config: Mapping[str, Any], rules: Collection[str]) -> dict[str, Any]:
    """Return a nested config with the options of only these decision rules."""
    decision = config.get("decision")
    if not isinstance(decision, Mapping):
        return dict(config)
    return {**config, "decision": {rule: decision[rule] for rule in decision if rule in rules}}


def flatten(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Map the dotted keys of nested options to their values."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        # Not Mapping, whose check takes longer than all else here: stored configs hold only dicts.
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[intern(f"{prefix}{key}")] = value
    return flat


def _git(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        check=True,
        encoding="utf-8",
        errors="replace",
    )
    return result.stdout.strip()


@cache
def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
