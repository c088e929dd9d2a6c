import argparse
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genbench.errors import UserError
from genbench.published.reading import read, read_settings, tensors_of

WEIGHTS = {
    "a.weight": torch.arange(6.0).view(2, 3),
    "a.half": torch.randn(3, generator=torch.Generator().manual_seed(0)).half(),
    "b.count": torch.tensor(7),
    "b.mask": torch.tensor([True, False]),
    "b.bfloat16": torch.tensor([1.5, -2.0]).bfloat16(),
    "c.empty": torch.zeros(0, 4),
    "c.turned": torch.arange(6.0).view(2, 3).t(),
}


def described(weights: Any) -> dict[str, Any]:
    """Return the kinds and values of tensors by their names."""
    return {name: (value.dtype, value.tolist()) for name, value in weights.items()}


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class of a package that is not installed where the file is read."""
    module = types.ModuleType("authors_package")
    module.Options = type("Options", (), {"__module__": "authors_package"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "authors_package", module)
    kind: type = module.Options
    return kind


@pytest.mark.parametrize("is_zip", [True, False], ids=["new", "before 1.6"])
def test_plain_files_are_read(tmp_path: Path, is_zip: bool) -> None:
    content = {"state": OrderedDict(WEIGHTS), "step": 3, "ema": {"shadow": [WEIGHTS["a.weight"]]}}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=is_zip)
    found = read(tmp_path / "x.pth")
    assert described(found["state"]) == described(WEIGHTS)
    assert found["step"] == 3
    assert found["ema"]["shadow"][0].tolist() == WEIGHTS["a.weight"].tolist()


def test_safetensors_are_read_whatever_the_name(tmp_path: Path) -> None:
    save_file({name: value.contiguous() for name, value in WEIGHTS.items()}, tmp_path / "weights.bin")
    assert described(read(tmp_path / "weights.bin")) == described(WEIGHTS)


@pytest.mark.parametrize("is_zip", [True, False], ids=["new", "before 1.6"])
def test_objects_of_other_packages_are_their_attributes(
    tmp_path: Path, is_zip: bool, options: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = options()
    settings.width = 64  # type: ignore[attr-defined]
    callbacks = {options: {"best": WEIGHTS["a.half"]}, "options": settings, "args": argparse.Namespace(lr=0.5)}
    content = {"state_dict": OrderedDict(WEIGHTS), "callbacks": callbacks}
    torch.save(content, tmp_path / "x.ckpt", _use_new_zipfile_serialization=is_zip)
    monkeypatch.delitem(sys.modules, "authors_package")
    found = read(tmp_path / "x.ckpt")
    assert described(found["state_dict"]) == described(WEIGHTS)
    assert found["callbacks"]["options"] == {"width": 64}
    assert found["callbacks"]["args"] == {"lr": 0.5}


def test_a_module_that_was_saved_whole_is_its_tensors(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    torch.save(network, tmp_path / "x.pt")
    found = tensors_of(read(tmp_path / "x.pt"))
    expected = network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_torchscript_is_read_without_its_code(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2).half())
    torch.jit.script(network).save(tmp_path / "x.pt")
    found = tensors_of(read(tmp_path / "x.pt"))
    expected = network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def nvidia_pickle(path: Path, monkeypatch: pytest.MonkeyPatch, source: str = "") -> nn.Module:
    """Write a network in the manner of `torch_utils.persistence`, with its source beside its state."""
    module = types.ModuleType("torch_utils.persistence")
    module._reconstruct_persistent_obj = lambda meta: meta  # type: ignore[attr-defined]
    module._reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    module._reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    monkeypatch.setitem(sys.modules, "torch_utils", types.ModuleType("torch_utils"))
    monkeypatch.setitem(sys.modules, "torch_utils.persistence", module)

    class Persistent(nn.Linear):
        def __reduce__(self) -> Any:
            state = dict(self.__dict__) | {"_init_args": (), "_init_kwargs": {"width": 3}}
            meta = {"type": "class", "version": 6, "module_src": source, "class_name": "EDMPrecond", "state": state}
            return module._reconstruct_persistent_obj, (meta,)

    network = nn.Sequential(Persistent(2, 3))
    with path.open("wb") as file:
        pickle.dump({"ema": network[0], "augment_pipe": None}, file)
    for name in ("torch_utils", "torch_utils.persistence"):
        monkeypatch.delitem(sys.modules, name)
    return network[0]


def test_nvidias_pickles_are_read_without_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = nvidia_pickle(tmp_path / "x.pkl", monkeypatch, f"open({str(tmp_path / 'ran')!r}, 'w')")
    found = read(tmp_path / "x.pkl")
    assert found["ema"]["class_name"] == "EDMPrecond"
    assert found["ema"]["_init_kwargs"] == {"width": 3}
    weights = tensors_of(found["ema"])
    assert weights.keys() == {"weight", "bias"}
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())
    assert not (tmp_path / "ran").exists()


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def hostile_torchscript(path: Path, ran: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"weight": Hostile(ran)}, protocol=2))
        archive.writestr("x/constants.pkl", pickle.dumps(()))
        archive.writestr("x/code/__torch__.py", f"import os; os.mkdir({str(ran)!r})")


def hostile(path: Path, ran: Path, kind: str) -> None:
    content = {"state_dict": dict(WEIGHTS), "callbacks": Hostile(ran)}
    if kind == "TorchScript":
        hostile_torchscript(path, ran)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"ema": Hostile(ran)}))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "new")


@pytest.mark.parametrize("kind", ["new", "before 1.6", "TorchScript", "pickle"])
def test_what_would_be_run_is_refused(tmp_path: Path, kind: str) -> None:
    hostile(tmp_path / "x", tmp_path / "ran", kind)
    with pytest.raises(UserError, match=r"x can't be read: it would run (posix|os|nt)\.mkdir"):
        read(tmp_path / "x")
    assert not (tmp_path / "ran").exists()
    # It would have run.
    if kind == "pickle":
        pickle.loads((tmp_path / "x").read_bytes())
        assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name", ["builtins.eval", "builtins.getattr", "subprocess.Popen", "importlib.import_module", "operator.attrgetter"]
)
def test_no_function_of_python_is_reached(tmp_path: Path, name: str) -> None:
    module, _, function = name.rpartition(".")
    # GLOBAL, an empty tuple, REDUCE, STOP.
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02c" + f"{module}\n{function}\n".encode() + b")R.")
    with pytest.raises(UserError, match=f"it would run {name}"):
        read(tmp_path / "x.pkl")


def test_a_stand_in_lets_nothing_through(tmp_path: Path) -> None:
    # A name with dots leads through attributes: to a function of a module that a harmless one imports.
    for module, name in (
        ("collections", "abc.sys.exit"),
        ("torch._utils", "torch.hub.load"),
        ("argparse", "_os.mkdir"),
    ):
        (tmp_path / "x.pkl").write_bytes(
            b"\x80\x04\x8c"
            + bytes([len(module)])
            + module.encode()
            + b"\x8c"
            + bytes([len(name)])
            + name.encode()
            + b"\x93\x8c\x01x\x85R."
        )
        assert read(tmp_path / "x.pkl") == {"_args": ["x"]}


def one_tensor(path: Path, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, count: int = 4) -> None:
    """Write a TorchScript archive whose only tensor has this place in four numbers."""

    class View:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (Stored(), offset, size, stride, False, OrderedDict())

    class Stored:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return ("storage", torch.FloatStorage, "0", "cpu", count) if isinstance(obj, Stored) else None

    content = io.BytesIO()
    Pickler(content, protocol=2).dump({"x": View()})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", content.getvalue())
        archive.writestr("x/constants.pkl", b"")
        archive.writestr("x/data/0", struct.pack("<4f", 1, 2, 3, 4))


def test_a_tensor_is_what_its_numbers_say(tmp_path: Path) -> None:
    one_tensor(tmp_path / "x", (2,), (2,), offset=1)
    assert read(tmp_path / "x")["x"].tolist() == [2, 4]


@pytest.mark.parametrize(
    ("size", "stride", "offset", "count"),
    [((5,), (1,), 0, 4), ((2,), (-1,), 1, 4), ((2,), (1,), 3, 4), ((10**12,), (0,), 0, 4), ((8,), (1,), 0, 8)],
    ids=["too long", "backwards", "too late", "repeated", "numbers missing"],
)
def test_a_tensor_outside_of_its_numbers_is_refused(
    tmp_path: Path, size: tuple[int, ...], stride: tuple[int, ...], offset: int, count: int
) -> None:
    one_tensor(tmp_path / "x", size, stride, offset, count)
    with pytest.raises(UserError, match="x can't be read"):
        read(tmp_path / "x")


@pytest.mark.parametrize("kind", ["new", "before 1.6", "safetensors"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_files_that_are_cut_short_are_said_to_be(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / "x"
    if kind == "safetensors":
        save_file({"x": torch.zeros(1000)}, path)
    else:
        torch.save({"x": torch.zeros(1000)}, path, _use_new_zipfile_serialization=kind == "new")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(UserError, match=r"x can't be read: .*download it again"):
        read(path)


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    torch.save({"x": torch.full((1000,), 3.0)}, tmp_path / "x")
    content = bytearray((tmp_path / "x").read_bytes())
    place = content.index(struct.pack("<2f", 3.0, 3.0))
    content[place + 100] ^= 1
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(UserError, match="checksum of its part"):
        read(tmp_path / "x")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\n<HTML>", "a web page"),
        (b"<?xml version='1.0'?><Error>", "XML: the download gave an error"),
        (b'{"error": "not found"}', "text in JSON"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS"),
        (b"\x1f\x8b\x08\x00", "compressed by gzip"),
        (b"", "it is empty"),
        (b"hello", "no file of PyTorch"),
    ],
)
def test_what_is_no_file_of_weights_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(UserError, match=what):
        read(tmp_path / "x.pth")


def test_a_zip_of_something_else_and_no_file_at_all(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("models/netG.pth", b"")
    with pytest.raises(UserError, match=r"zip archive of something else \(models/netG.pth\)"):
        read(tmp_path / "x.zip")
    with pytest.raises(UserError, match=r"path=.*y is not there"):
        read(tmp_path / "y")
    with pytest.raises(UserError, match="is a folder, and this is read from a file"):
        read(tmp_path)


def test_containers_without_end_are_refused(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(endless))
    with pytest.raises(UserError, match="without end"):
        read(tmp_path / "x.pkl")


def test_containers_that_share_their_parts_without_end_are_refused(tmp_path: Path) -> None:
    laughs: list[Any] = [1]
    for _ in range(60):
        laughs = [laughs, laughs]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(laughs))
    torch.save({"x": laughs}, tmp_path / "x.pt")
    for name in ("x.pkl", "x.pt"):
        with pytest.raises(UserError, match="more parts than any published model"):
            read(tmp_path / name)
    endless: dict[str, Any] = {}
    endless["self"] = endless
    torch.save(endless, tmp_path / "y.pt")
    with pytest.raises(UserError, match="without end"):
        read(tmp_path / "y.pt")


def test_numbers_are_read_once_and_never_inflated(tmp_path: Path) -> None:
    one_tensor(tmp_path / "x", (2,), (1,))
    with zipfile.ZipFile(tmp_path / "x") as plain, zipfile.ZipFile(tmp_path / "y", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(UserError, match="compressed"):
        read(tmp_path / "y")


def test_memory_that_a_pickle_asks_for_is_limited(tmp_path: Path) -> None:
    # An empty list, remembered as the two-billionth.
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02]r" + struct.pack("<I", 0x7FFFFFFF) + b".")
    with pytest.raises(UserError, match="more memory than it needs"):
        read(tmp_path / "x.pkl")


@pytest.mark.parametrize("state", [{"injected": 1}, (None, {"__defaults__": (1,)})], ids=["attributes", "slots"])
def test_what_rebuilds_tensors_can_not_be_changed(tmp_path: Path, state: Any) -> None:
    # GLOBAL, the state, BUILD, STOP.
    inner = pickle.dumps(state, protocol=2)[2:-1]
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02ctorch._utils\n_rebuild_tensor\n" + inner + b"b.")
    with pytest.raises(UserError, match="it changes what its tensors are rebuilt by"):
        read(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    ("content", "message"), [("[" * 100_000, "can't be read: it is nested too deeply"), ("[]", "no names")]
)
def test_settings_that_are_none_are_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "open_clip_config.json"
    file.write_text(content)
    with pytest.raises(UserError, match=rf"open_clip_config\.json .*{message}"):
        read_settings(file)
