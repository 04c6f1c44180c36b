"""The project's exceptions: each message is one sentence that names the thing and the remedy."""

import errno
import re
import sys

from mlc.config.texts import message

_NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
# torch's allocator on the CPU and the CUDA libraries raise a plain RuntimeError. Its texts come from
# c10/core/impl/alloc_cpu.cpp, c10/core/impl/SizesAndStrides.cpp and the libraries' headers.
_OUT_OF_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't allocate|not enough) memory|Could not allocate memory"
    r"|^CUDA (error: )?out of memory|\bCU[A-Z]+_(\w+_)?ALLOC\w*_FAILED\b|^std::bad_alloc$"
)


class MlcError(Exception):
    """Base of the errors that a user can cause and correct; they are printed without a traceback."""

    exit_status = 1

    def __str__(self) -> str:
        """Return one line of limited length, whatever names it quotes."""
        return message(super().__str__())


class ConfigError(MlcError, ValueError):
    """An option is unknown, of the wrong type or out of range."""

    exit_status = 2


class DataError(MlcError, ValueError):
    """A file, row, column or split cannot be used as it is."""


class MissingLabelError(DataError):
    """A label is missing, and no option says what that means."""


class NotANumberError(DataError, TypeError):
    """A value that float() refuses; a TypeError too, as scikit-learn's estimator checks require."""


class CapacityError(MlcError):
    """Something does not fit into the free memory."""


class TrainingError(MlcError):
    """A training cannot continue, for example because its loss is no longer finite."""


class RunFolderError(MlcError):
    """A folder of runs cannot be read or written."""


class BeingTrainedError(MlcError):
    """Another process trains the run, which is neither failed nor finished.

    Args:
        folder: the run's folder.
        owner: the other process, as in "process 4711 on node7".
    """

    def __init__(self, folder: str, owner: str) -> None:
        super().__init__(folder, owner)
        self.folder, self.owner = folder, owner

    def __str__(self) -> str:
        return message(f"{self.folder} is being trained by {self.owner}: wait for it, or stop it.")


def as_user_error(error: Exception) -> Exception:
    """Convert an error from full memory or a full disk to an MlcError; return any other unchanged."""
    if isinstance(error, MlcError):
        return error
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
        where = error.filename or "A file of the run"
        return RunFolderError(
            f"{where} cannot be written ({error.strerror}): make room or make the folder writable, and"
            " continue with resume=true."
        )
    if _is_out_of_memory(error):
        return CapacityError(
            f"Memory ran out ({_first_line(error)}): lower backbone.widths, trainer.batch_size,"
            " hydra.launcher.max_runs or hydra.launcher.n_workers, and continue with resume=true."
        )
    return error


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # If torch is not imported, it has not raised the error.
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch and isinstance(error, torch.OutOfMemoryError)):
        return True
    first_line = str(error).partition("\n")[0]
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(first_line))


def _first_line(error: Exception) -> str:
    line = (str(error) or type(error).__name__).partition("\n")[0].strip(" .")
    return line if len(line) <= 120 else f"{line[:117]}..."
