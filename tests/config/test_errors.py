"""Errors of full memory and full disks, raised by the operations that cause them."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mlc.config.errors import CapacityError, RunFolderError, TrainingError, as_user_error

TOO_MUCH = 2**50


def of_torch_on_the_cpu() -> None:
    torch.empty(TOO_MUCH)


def of_numpy() -> None:
    np.empty(TOO_MUCH)


def of_python() -> None:
    bytearray(2**60)


def of_the_kernel() -> None:
    mmap.mmap(-1, 2**60)


def on_cuda() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def of_the_cuda_driver() -> None:
    raise torch.AcceleratorError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`")


def of_cublas() -> None:
    raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


def of_cudnn() -> None:
    raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")


def of_torch_on_windows() -> None:
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you"
        " tried to allocate 8 bytes."
    )


def raised_by(act: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        act()
    return caught.value


@pytest.mark.parametrize(
    "act",
    [
        of_torch_on_the_cpu, of_numpy, of_python, of_the_kernel, on_cuda, of_the_cuda_driver,
        of_cublas, of_cudnn, of_torch_on_windows,
    ],
)  # fmt: skip
def test_errors_of_full_memory_become_capacity_errors(act: Callable[[], object]) -> None:
    error = as_user_error(raised_by(act))
    assert isinstance(error, CapacityError)
    assert "lower backbone.widths" in str(error)


def unsupported_memory_format() -> None:
    torch.zeros(2, 3).to_sparse().to(memory_format=torch.channels_last)


def read_only_memory() -> None:
    memoryview(b"x")[0] = 1  # type: ignore[index]


def key_named_memory() -> None:
    raise KeyError("memory")


def illegal_access() -> None:
    raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize(
    "act",
    [
        unsupported_memory_format, read_only_memory, key_named_memory, illegal_access,
    ],
)  # fmt: skip
def test_other_errors_that_mention_memory_stay_unchanged(act: Callable[[], object]) -> None:
    error = raised_by(act)
    assert as_user_error(error) is error


def test_mlc_errors_stay_and_a_full_disk_becomes_one() -> None:
    known = TrainingError("The memory of the loss is no longer finite.")
    assert as_user_error(known) is known
    error = as_user_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(Path("a") / "b")))
    assert isinstance(error, RunFolderError)
    assert "b cannot be written (No space left on device)" in str(error)
