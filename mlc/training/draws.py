"""The random numbers of an epoch: the order of its rows, and noise for heads that need it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mlc.layers import Streams

Draws = tuple[Tensor, Tensor | None]


class EpochDraws:
    """The draws of each epoch; on CUDA those of the next are drawn while the device still computes.

    Args:
        seeds: one for each run.
        rows: the indices of the training rows of each run, (R, N), on the device.
        dtype: dtype of the noise; None for heads that need none.
    """

    def __init__(self, seeds: Sequence[int], rows: Tensor, dtype: torch.dtype | None) -> None:
        self._order = Streams(seeds, "batch order")
        self._noise = Streams(seeds, "noise")
        self._rows, self._dtype = rows, dtype
        self._ahead: Draws | None = None

    @property
    def bytes_of_run(self) -> int:
        """The most bytes that the rows and draws of a run take on the device."""
        n_rows = self._rows.shape[1]
        noise = 0 if self._dtype is None else self._dtype.itemsize
        drawn = n_rows * (self._rows.itemsize + noise)
        # Beside the training rows, those of an epoch and, while they are gathered, their order.
        return 2 * n_rows * self._rows.itemsize + (2 if self._is_ahead else 1) * drawn

    @property
    def _is_ahead(self) -> bool:
        return self._rows.device.type == "cuda"

    def draw_ahead(self) -> None:
        """Draw those of the next epoch, if the device computes beside the CPU."""
        if self._is_ahead:
            self._ahead = self._draw()

    def next(self) -> Draws:
        """Return the shuffled row indices and the noise of the next epoch, both (R, N)."""
        drawn, self._ahead = self._ahead or self._draw(), None
        return drawn

    def _draw(self) -> Draws:
        n_rows = self._rows.shape[1]
        order = self._moved(self._order.permutations(n_rows))
        noise = None
        if self._dtype is not None:
            noise = self._moved(self._noise.uniform(n_rows).to(self._dtype))
        return self._rows.gather(1, order), noise

    def _moved(self, drawn: Tensor) -> Tensor:
        """Copy to the device, without waiting for what it computes."""
        if self._is_ahead:
            return drawn.pin_memory().to(self._rows.device, non_blocking=True)
        return drawn.to(self._rows.device)
