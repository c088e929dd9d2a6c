"""Read the pickles of published files without running what they name.

A pickle names functions and classes, and calls them. Here a name stands for a function of this file that rebuilds a
tensor, for a harmless container, or, if it is of a package such as the authors' own, for an `Inert` that keeps what it
is given and does nothing. A name of Python's standard library, such as `os.system`, is refused.
"""

import io
import math
import pickle
import pickletools
import sys
import warnings
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

_HARMLESS_MODULES = ("argparse", "collections", "copyreg", "datetime", "enum", "functools", "pathlib", "types")
"""Of the standard library: an `Inert` stands for what is of these too, such as the options of a command line."""

_STANDARD = frozenset((*sys.builtin_module_names, *sys.stdlib_module_names, "__builtin__", "copy_reg", "commands"))

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_DEEPEST = 200
"""Levels of containers in containers that are read."""

_MOST = 2_000_000
"""Parts of which all containers together may consist: a list of itself twice, sixty times over, has a quintillion."""


class Inert(dict[Any, Any]):
    """What stands for an object of a class that is not read: its items and attributes, as far as they are known."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__()
        if args:
            self["_args"] = args
        self.update(settings)

    def __setstate__(self, state: Any) -> None:
        """Keep an object's attributes."""
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.update(part)

    def append(self, item: Any) -> None:
        """Keep an item of what was a list."""
        self.setdefault("_items", []).append(item)

    def extend(self, items: Any) -> None:
        """Keep items of what was a list."""
        self.setdefault("_items", []).extend(items)

    add = append


class _Storage:
    """Numbers in a file, which are read once, however many tensors are made of them."""

    def __init__(self, dtype: torch.dtype, length: int, content: Callable[[], bytes]) -> None:
        self.dtype, self.length, self._content = dtype, length, content

    @cached_property
    def numbers(self) -> Tensor:
        """All of them.

        Raises:
            ValueError: some are missing.
        """
        content = bytearray(self._content())
        if len(content) != self.length * self.dtype.itemsize:
            raise ValueError("numbers of a tensor are missing")
        return torch.frombuffer(content, dtype=self.dtype) if content else torch.empty(0, dtype=self.dtype)

    def __setstate__(self, state: Any) -> None:
        """Refuse to be changed by a pickle."""
        raise pickle.UnpicklingError("it changes numbers that are read already")


class _Call:
    """A function that a pickle may call, and can't change."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    def __call__(self, *args: Any) -> Any:
        return self._run(*args)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it changes what its tensors are rebuilt by")


class _Lazy(NamedTuple):
    """A tensor that is rebuilt when all is read: until then nothing in the pickle can touch it."""

    storage: Any
    offset: Any
    size: Any
    stride: Any

    def tensor(self) -> Tensor:
        """Return it.

        Raises:
            ValueError: it would lie outside of its numbers.
        """
        storage = self.storage
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor is not made of numbers")
        numbers = [self.offset, *self.size, *self.stride]
        if len(self.size) != len(self.stride) or not all(type(n) is int and n >= 0 for n in numbers):
            raise ValueError("a tensor has no proper shape")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        count = math.prod(self.size)
        if count and (last >= storage.length or count > storage.length):
            raise ValueError("a tensor is larger than its numbers")
        flat = storage.numbers
        return flat.as_strided(self.size, self.stride, self.offset) if count else flat.new_empty(self.size)


def read_zip(path: Path) -> Any:
    """Return what a zip archive of `torch.save` or of TorchScript holds.

    Raises:
        Exception: of any kind: it is damaged, or names what would be run.
    """
    with zipfile.ZipFile(path) as archive:
        (root,) = [name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
        if any(name == f"{root}byteorder" and archive.read(name) != b"little" for name in archive.namelist()):
            raise ValueError("it was written on a machine with another order of bytes")

        found: dict[str, _Storage] = {}

        def find(identity: Any) -> _Storage:
            _, kind, key, _, count, *_ = identity
            name = f"{root}data/{key}"
            # As torch writes them; what is compressed may be a thousand times as large as the file.
            if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
                raise ValueError("its numbers are compressed, as PyTorch never writes them")
            return found.setdefault(key, _Storage(_dtype_of(kind), count, lambda: archive.read(name)))

        return plain(_Unpickler(io.BytesIO(archive.read(f"{root}data.pkl")), find).load())


def read_legacy(path: Path) -> Any:
    """Return what a file of `torch.save` of before torch 1.6 holds.

    Raises:
        Exception: of any kind: it is damaged, or names what would be run.
    """
    found: dict[str, _Storage] = {}
    contents: dict[str, bytes] = {}

    def find(identity: Any) -> _Storage:
        _, kind, key, _, count, view = identity
        if view is not None:
            raise ValueError("it holds views of tensors, as torch 0.1 wrote them")
        return found.setdefault(key, _Storage(_dtype_of(kind), count, lambda: contents[key]))

    with path.open("rb") as file:
        for _ in ("magic number", "version of the format", "description of the machine"):
            _Unpickler(file).load()
        content = _Unpickler(file, find).load()
        for key in _Unpickler(file).load():
            count = int.from_bytes(file.read(8), "little")
            contents[key] = file.read(count * found[key].dtype.itemsize)
            if len(contents[key]) < count * found[key].dtype.itemsize:
                raise EOFError
        return plain(content)


def is_legacy(path: Path) -> bool:
    """Return whether a pickle is the beginning of a file of `torch.save`."""
    with path.open("rb") as file:
        return file.read(32).startswith(pickle.dumps(_LEGACY_MAGIC, protocol=2)[:-1])


def read_pickle(path: Path) -> Any:
    """Return what a plain pickle holds, such as NVIDIA's, whose networks bring their own source: it is left out.

    Raises:
        Exception: of any kind: it is damaged, or names what would be run.
    """
    with path.open("rb") as file:
        return plain(_Unpickler(file).load())


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, find: Callable[[Any], _Storage] | None = None) -> None:
        _check_memo(file)
        super().__init__(file)
        self._find = find

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in _KNOWN:
            return _KNOWN[full]
        top = module.partition(".")[0]
        if top == "torch" and name in _DTYPES:
            return name
        if top in _STANDARD and top not in _HARMLESS_MODULES:
            raise pickle.UnpicklingError(f"it would run {full}, which no file of weights needs")
        return _inert(full)

    def persistent_load(self, pid: Any) -> Any:
        if self._find is None:
            raise pickle.UnpicklingError("it refers to numbers outside of it")
        return self._find(pid)


def _check_memo(file: Any) -> None:
    """Check that a pickle does not remember things by such numbers that the memory for them would not suffice.

    Raises:
        ValueError: it does, or it is damaged.
    """
    begin = file.tell()
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > _MOST:  # type: ignore[arg-type]
            raise ValueError("it asks for more memory than it needs")
    file.seek(begin)


def _inert(full: str) -> type[Inert]:
    # A class of its own each, since a pickle may set attributes of a class.
    return type(full.rpartition(".")[2], (Inert,), {})


def _dtype_of(kind: Any) -> torch.dtype:
    name = str(kind).rpartition(".")[2]
    if name not in _DTYPES:
        raise ValueError(f"it holds numbers of an unknown kind, {name}")
    return _DTYPES[name]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Lazy:
    return _Lazy(storage, offset, tuple(size), tuple(stride))


def _storage_from(content: bytes) -> _Storage:
    """Return the numbers that torch wrote into a pickle as a file within it."""
    with warnings.catch_warnings():
        # Torch warns of its own class of typed numbers, which is what such a file holds.
        warnings.simplefilter("ignore")
        storage = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        flat = torch.empty(0, dtype=torch.uint8).set_(storage.untyped())
    return _Storage(storage.dtype, len(storage), lambda: flat.numpy().tobytes())


def _persistent(meta: Any) -> Any:
    """Return the attributes of an object that NVIDIA's `torch_utils.persistence` would make from source."""
    if not isinstance(meta, dict):
        raise pickle.UnpicklingError("it holds no proper object")
    state = meta.get("state")
    return {"class_name": meta.get("class_name"), **(state if isinstance(state, dict) else {})}


def _reconstructed(kind: Any, *_: Any) -> Any:
    return kind() if isinstance(kind, type) and issubclass(kind, Inert) else Inert()


def _defaults(*_: Any) -> dict[Any, Any]:
    return defaultdict()


def _as_is(value: Any, *_: Any) -> Any:
    return value


_CALLED: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _as_is,
    "torch._utils._rebuild_parameter_with_state": _as_is,
    "torch.storage._load_from_bytes": _storage_from,
    "torch.device": _as_is,
    "torch.jit._pickle.build_intlist": _as_is,
    "torch.jit._pickle.build_doublelist": _as_is,
    "torch.jit._pickle.build_boollist": _as_is,
    "torch.jit._pickle.build_tensorlist": _as_is,
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent,
    "collections.defaultdict": _defaults,
    "copyreg._reconstructor": _reconstructed,
    "copy_reg._reconstructor": _reconstructed,
    "_codecs.encode": _as_is,
}
"""What the names of functions in a pickle stand for."""

_KNOWN: dict[str, Any] = {
    **{name: _Call(run) for name, run in _CALLED.items()},
    "torch.Size": tuple,
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
    "builtins.object": object,
    "__builtin__.object": object,
}
"""What names in a pickle stand for."""


def plain(content: Any) -> Any:
    """Return plain dictionaries, lists, values and tensors; an object of an unknown class is a dictionary.

    Raises:
        ValueError: it consists of too many parts, or holds containers in containers without end.
    """
    parts = 0

    def copied(value: Any, depth: int) -> Any:
        nonlocal parts
        parts += 1
        if depth > _DEEPEST:
            raise ValueError("it holds containers in containers without end")
        if parts > _MOST:
            raise ValueError("it holds more parts than any published model")
        if isinstance(value, _Lazy):
            return value.tensor()
        if isinstance(value, dict):
            return {key: copied(item, depth + 1) for key, item in value.items() if isinstance(key, str | int)}
        if isinstance(value, list | tuple | set):
            return [copied(item, depth + 1) for item in value]
        return value if isinstance(value, Tensor | str | bytes | int | float | bool | type(None)) else None

    return copied(content, 0)
