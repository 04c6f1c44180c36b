"""Rows of integers, pixels or numbers of tokens, which keep their type until a batch is gathered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlc.config.memory import free_bytes
from mlc.data.shared import shared

# Samples that take a larger share of the device's free memory stay on the host.
ON_DEVICE = 0.5
_AHEAD = 2  # Batches that a thread gathers ahead of the step.


class SampleRows:
    """Rows of an array of integers, by index: (R, B) to (R, B, D).

    Pixels, uint8, become the given dtype in [0, 1]; other integers, such as numbers of tokens, int64.

    On the CPU the array is not copied: a memory-mapped file is read where its rows are used. Samples
    that take more than ON_DEVICE of the device's free memory stay on the host, and a thread gathers
    the batches that `prefetch` announces, in pinned memory for a GPU.

    Args:
        samples: (N, D), perhaps memory-mapped.
        device: device of the batches.
        dtype: dtype of pixels in a batch.

    Attributes:
        on_device: whether the samples are in the device's memory, or may be.
    """

    def __init__(
        self, samples: NDArray[np.integer], device: torch.device, dtype: torch.dtype
    ) -> None:
        self._device, self._dtype = device, dtype
        self._is_pixels = samples.dtype == np.uint8
        self._samples = _integers(samples)
        self.on_device = samples.nbytes <= ON_DEVICE * free_bytes(device)
        if self.on_device:
            self._samples = self._samples.to(device)
        self._thread: ThreadPoolExecutor | None = None
        self._announced: Iterator[tuple[Tensor, Tensor]] = iter(())
        self._ahead: deque[tuple[Tensor, Future[Tensor]]] = deque()

    def prefetch(self, batches: Sequence[Tensor]) -> None:
        """Announce the indices (R, B) that are asked for next, the same tensors in this order."""
        if self.on_device or not batches:
            return
        # One transfer of all indices: the host waits for the device once.
        sizes = [batch.shape[1] for batch in batches]
        on_host = torch.cat(list(batches), dim=1).cpu().split(sizes, dim=1)
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="mlc-samples")
        self._announced = iter(list(zip(batches, on_host, strict=True)))
        self._ahead.clear()
        for _ in range(_AHEAD):
            self._gather_next()

    def __getitem__(self, index: Tensor) -> Tensor:
        if self.on_device:
            rows = self._samples.index_select(0, index.flatten())
        else:
            rows = self._from_host(index).to(self._device, non_blocking=True)
        rows = rows.view(*index.shape, self._samples.shape[1])
        return rows.to(self._dtype).div_(255) if self._is_pixels else rows.long()

    def _from_host(self, index: Tensor) -> Tensor:
        if self._ahead and self._ahead[0][0] is index:
            _, gathered = self._ahead.popleft()
            self._gather_next()
            return gathered.result()
        return self._gather(index.cpu())

    def _gather_next(self) -> None:
        announced = next(self._announced, None)
        if announced is not None and self._thread is not None:
            index, on_host = announced
            self._ahead.append((index, self._thread.submit(self._gather, on_host)))

    def _gather(self, index: Tensor) -> Tensor:
        flat = index.flatten()
        shape = len(flat), self._samples.shape[1]
        rows = torch.empty(shape, dtype=self._samples.dtype, pin_memory=self._device.type == "cuda")
        return torch.index_select(self._samples, 0, flat, out=rows)


def _integers(samples: NDArray[np.integer]) -> Tensor:
    """Return a tensor over the same memory; types without a tensor of rows become int64."""
    if samples.dtype not in (np.uint8, np.int16, np.int32, np.int64):
        samples = samples.astype(np.int64)
    return shared(np.ascontiguousarray(samples))
