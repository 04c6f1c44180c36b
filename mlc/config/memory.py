"""Free memory, and sizes in readable units."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def free_bytes(device: torch.device | None = None) -> int:
    """Return the free memory of the device, by default of the machine, in bytes."""
    if device is not None and device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    import psutil  # Most reports read no arrays.

    return int(psutil.virtual_memory().available)


def readable(n_bytes: float) -> str:
    """Format a number of bytes with a decimal unit: 1,500,000 is '1.5 MB'."""
    for unit in ("B", "kB", "MB", "GB", "TB", "PB", "EB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} ZB"
