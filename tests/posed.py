"""A device that only poses: tensors on it are on the CPU, and what a CUDA device would not do fails.

Fake CUDA tensors cannot be differentiated in torch's CPU build, and meta tensors have no values. Here a
tensor says that its device is `meta` and holds an ordinary one with its values, so that any code runs on
it, backward passes and rows of varying length included.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("meta")
aten = torch.ops.aten
# The host waits for the result's size or value.
WAITING = {
    aten.nonzero, aten.masked_select, aten.repeat_interleave, aten.bincount, aten.equal,
    aten._unique2, aten.unique_dim, aten.unique_consecutive, aten._local_scalar_dense,
    aten.is_nonzero, aten._coalesce, aten.histc,
    # On CUDA it sorts, and in some builds of torch waits for how many rows there are.
    aten._embedding_bag_backward, aten._embedding_bag_dense_backward,
    aten.embedding_dense_backward,
}  # fmt: skip
_COPIES = {aten._to_copy, aten.copy_}


class HostError(AssertionError):
    """What a CUDA device would refuse, or would make the host wait for."""


class Posed(Tensor):
    """An ordinary tensor, `held`, that poses as one on the device."""

    @staticmethod
    def __new__(cls, held: Tensor) -> Posed:
        if held.layout == torch.sparse_coo:
            return Tensor._make_wrapper_subclass(
                cls, held.size(), dtype=held.dtype, device=DEVICE, layout=held.layout
            )
        return Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise HostError(f"{func} of a posed tensor outside `posing`")


def held_by(value: Any) -> Any:
    return value.held if isinstance(value, Posed) else value


def leaves(value: Any) -> Iterator[Any]:
    """What an argument or a result consists of."""
    if isinstance(value, (list, tuple)):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, dict):
        yield from leaves(tuple(value.values()))
    else:
        yield value


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """An argument or a result with each of its parts changed."""
    if isinstance(value, (list, tuple)):
        return type(value)([mapped(change, part) for part in value])
    if isinstance(value, dict):
        return {name: mapped(change, part) for name, part in value.items()}
    return change(value)


class _Factories(TorchFunctionMode):
    """What torch does with Python's lists before any operation is dispatched."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and torch.device(
            kwargs.get("device") or "cpu"
        ) == (DEVICE):
            del kwargs["device"]
            return func(*args, **kwargs).to(DEVICE)
        if func is Tensor.tolist and isinstance(args[0], Posed):
            return args[0].cpu().tolist()
        if func in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], Posed):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            moved = tuple(torch.tensor(i).to(DEVICE) if isinstance(i, list) else i for i in index)
            args = (args[0], moved, *args[2:])
        return func(*args, **kwargs)


class Tape:
    """Operations on ordinary tensors, to be done again on the same memory."""

    def __init__(self) -> None:
        self._operations: list[tuple[Any, Any, Any, list[Tensor]]] = []
        # What the memory held that was there before, by its address; None for what was made since.
        self._before: dict[int, tuple[Tensor, Tensor] | None] = {}

    def record(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Do an operation, and remember it."""
        inputs = [leaf for leaf in leaves((args, kwargs)) if _is_tensor(leaf)]
        for tensor in inputs:
            if _address(tensor) not in self._before:
                whole = tensor.new_empty(0).set_(tensor.untyped_storage())
                self._before[_address(tensor)] = whole, whole.clone()
        found = func(*args, **kwargs)
        outputs = [leaf for leaf in leaves(found) if _is_tensor(leaf)]
        addresses = {_address(tensor) for tensor in inputs}
        if func._schema.is_mutable or any(_address(out) not in addresses for out in outputs):
            self._operations.append((func, args, kwargs, outputs))
        for out in outputs:
            self._before.setdefault(_address(out), None)
        return found

    def undo(self) -> None:
        """Give the memory that was there before its values back."""
        for before in filter(None, self._before.values()):
            before[0].copy_(before[1])

    def replay(self) -> None:
        """Do all operations again."""
        with torch.no_grad():
            for func, args, kwargs, outputs in self._operations:
                again = [out for out in leaves(func(*args, **kwargs)) if _is_tensor(out)]
                for out, new in zip(outputs, again, strict=True):
                    if _address(out) != _address(new):
                        out.copy_(new)


class Device(TorchDispatchMode):
    """The device while it poses.

    Attributes:
        strict: whether waiting and copies between host and device are refused.
        waits: the operations for which the host has waited.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strict = False
        self.waits: list[str] = []
        self._tape: Tape | None = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No, for that would import torch's compiler, which takes seconds."""
        return False

    @contextlib.contextmanager
    def never_waited_for(self) -> Iterator[None]:
        """Refuse waiting, and copies between host and device."""
        before, self.strict = self.strict, True
        try:
            yield
        finally:
            self.strict = before

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """As a CUDA graph: the operations with the addresses and numbers that they have now, undone."""
        tape = self._tape = Tape()
        try:
            with self.never_waited_for():
                work()
        finally:
            self._tape = None
        tape.undo()
        return tape.replay

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in leaves((args, kwargs)) if _is_tensor(leaf)]
        asked = kwargs.get("device")
        to_host = asked is not None and torch.device(asked) != DEVICE
        to_device = asked is not None and not to_host
        on_device = [tensor for tensor in tensors if isinstance(tensor, Posed)]
        if not on_device and not to_device:
            return func(*args, **kwargs)
        self._refuse(func, tensors, args, to_host)
        if to_device:
            kwargs["device"] = torch.device("cpu")
        args_held, kwargs_held = mapped(held_by, args), mapped(held_by, kwargs)
        if self._tape is None:
            found = func(*args_held, **kwargs_held)
        else:
            found = self._tape.record(func, args_held, kwargs_held)
        # A copy to the host stays there; of what changes in place, the same tensor is returned.
        posed = {id(tensor.held): tensor for tensor in on_device}

        def wrapped(value: Any) -> Any:
            if not _is_tensor(value) or to_host:
                return value
            return posed.get(id(value)) if id(value) in posed else Posed(value)

        if func.overloadpacket is aten.copy_ and not isinstance(args[0], Posed):
            return args[0]
        return mapped(wrapped, found)

    def _refuse(self, func: Any, tensors: list[Tensor], args: Any, to_host: bool) -> None:
        packet = func.overloadpacket
        hosts = [tensor for tensor in tensors if not isinstance(tensor, Posed)]
        if any(tensor.device == DEVICE for tensor in hosts):
            raise HostError(f"{func} takes a tensor made of Python's numbers on the device")
        if hosts and packet not in _COPIES and (packet is aten.cat or any(t.ndim for t in hosts)):
            raise HostError(f"{func} mixes tensors of the host and of the device")
        waits = packet in WAITING or to_host
        if packet in (aten.index, aten.index_put, aten.index_put_):
            waits |= any(own is not None and own.dtype == torch.bool for own in args[1])
        if packet in _COPIES and hosts:
            waits = True
        if waits:
            self.waits.append(str(func))
            if self.strict:
                raise HostError(f"the host waits for the device in {func}")


@contextlib.contextmanager
def posing() -> Iterator[Device]:
    """The device, as long as the block lasts."""
    device = Device()
    # Else a module's `double` would change what a parameter says, and not what it holds.
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Factories(), device:
            yield device
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
