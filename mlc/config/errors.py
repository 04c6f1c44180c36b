"""The project's exceptions: each message is one sentence that names the thing and the remedy."""

import errno
import re
import sys

from mlc.config.texts import message

_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
# torch's allocator on the CPU and the libraries under CUDA raise a plain RuntimeError. The texts stand
# in c10/core/impl/alloc_cpu.cpp, in c10/core/impl/SizesAndStrides.cpp and in the libraries' headers.
_OUT_OF_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|Could not allocate memory"
    r"|^CUDA (error: )?out of memory|\bCU[A-Z]+_(\w+_)?ALLOC\w*_FAILED\b|^std::bad_alloc$"
)


class MlcError(Exception):
    """Base of every error a user can cause and mend; printed without a traceback."""

    exit_status = 1

    def __str__(self) -> str:
        """One line of readable length, whatever names it quotes."""
        return message(super().__str__())


class ConfigError(MlcError, ValueError):
    """A setting that is unknown, of the wrong type or out of range."""

    exit_status = 2


class DataError(MlcError, ValueError):
    """A file, row, column or split that cannot be used as it is."""


class CapacityError(MlcError):
    """Something that would not fit into the memory that is free."""


class TrainingError(MlcError):
    """A training that cannot go on, such as one whose loss is no longer finite."""


class RunFolderError(MlcError):
    """A folder of runs that cannot be read or written."""


class BeingTrainedError(MlcError):
    """Another process trains the run, which is therefore neither failed nor finished.

    Args:
        folder: of the run.
        owner: the process, as in "process 4711 on node7".
    """

    def __init__(self, folder: str, owner: str) -> None:
        super().__init__(folder, owner)
        self.folder, self.owner = folder, owner

    def __str__(self) -> str:
        return message(f"{self.folder} is being trained by {self.owner}: wait for it, or stop it.")


def as_told(error: Exception) -> Exception:
    """An error of the machine's limits as one of ours, with what to do; any other as it is."""
    if isinstance(error, MlcError):
        return error
    if isinstance(error, OSError) and error.errno in _NO_PLACE:
        where = error.filename or "A file of the run"
        return RunFolderError(
            f"{where} cannot be written ({error.strerror}): make room, or the folder writable, and go"
            " on with resume=true."
        )
    if _is_out_of_memory(error):
        return CapacityError(
            f"Memory ran out ({_first_line(error)}): lower backbone.widths, trainer.batch_size,"
            " hydra.launcher.max_runs or hydra.launcher.n_workers, and go on with resume=true."
        )
    return error


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # Where torch is not imported it has not raised the error.
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    first_line = str(error).partition("\n")[0]
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(first_line))


def _first_line(error: Exception) -> str:
    line = (str(error) or type(error).__name__).partition("\n")[0].strip(" .")
    return line if len(line) <= 120 else f"{line[:117]}..."
