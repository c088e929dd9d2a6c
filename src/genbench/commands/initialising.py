"""`train init=RUN`: begin with another run's weights, as far as names and shapes fit or the method adapts them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.methods.base import Method
from genbench.runs.fingerprint import fingerprint
from genbench.runs.folder import RunFolder

_SHOWN = 12
"""Tensors that are listed by name."""


def read_weights(path: str) -> tuple[RunFolder, dict[str, Any], dict[str, Any]]:
    """Return the run that `init=` names, its weights, and what the manifest says of them.

    Args:
        path: of a run folder, or of one of its checkpoints.

    Raises:
        UserError: it is no run, or the checkpoint does not do.
    """
    folder, checkpoint = RunFolder.named(path, "init")
    content = folder.load_checkpoint(checkpoint)
    weights = content["state_dict"]
    step = int(content.get("global_step", 0))
    return folder, weights, {"run": path, "checkpoint": checkpoint, "step": step, "sha256": fingerprint(weights)}


def initialise(method: Method, path: str) -> dict[str, Any]:
    """Load into a method what fits of another run's weights, say what does not, and return it for the manifest.

    An average begins anew: its first update copies the network that it follows.

    Raises:
        UserError: nothing fits.
    """
    folder, weights, facts = read_weights(path)
    # Not what is remembered beside the networks, such as images that were generated before.
    state = method.state_dict()
    trained = [name for name, child in method.named_children() if any(True for _ in child.parameters())]
    own = {
        name: value
        for name, value in state.items()
        if name.partition(".")[0] in trained and not name.endswith("n_averaged")
    }
    found, adapted = _fitting(method, own, weights)
    if not found:
        raise UserError(f"init={path}: none of its weights fits this method, neither by name nor by shape")
    method.load_state_dict(found, strict=False)
    rest = [_compared(name, own, weights) for name in own if name not in found]
    unused = [name for name in weights if name not in state]
    print(f"initialised from {folder.path}: {len(found)} of {len(own)} tensors")
    _list("are adapted, what is new in them beginning at zero", adapted)
    _list("keep their random initialisation", rest)
    _list("of the other run are not used", unused)
    return facts | {"tensors": len(found), "adapted": adapted, "not_initialised": rest, "not_used": unused}


def _fitting(
    method: Method, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Return what to load of another run's weights, and which of these tensors the method adapted to its shapes."""
    found, adapted = {}, []
    for name, value in own.items():
        other = weights.get(name)
        if other is not None and other.shape != value.shape:
            other = method.adapted(name, other, value.shape)
            if other is not None:
                adapted.append(_compared(name, own, weights))
        if other is not None:
            found[name] = other
    return found, adapted


def _compared(name: str, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    there = f", there {tuple(weights[name].shape)}" if name in weights else ""
    return f"{name} {tuple(own[name].shape)}{there}"


def _list(what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        print(f"  {len(names)} {what}: {'; '.join(names[:_SHOWN])}{more}")
