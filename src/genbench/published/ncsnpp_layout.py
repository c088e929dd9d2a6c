"""The layout of NCSN++ in its authors' code (Song et al. 2021), which denoising diffusion GANs have too.

There the layers are one list, `all_modules.0`, `all_modules.1`, ..., in the order in which they are called, so what
each is follows from the names and shapes of its tensors and from what came before.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.source import Weights, renamed

_ATTENDED_SIDE = 16
"""All published models of this layout attend at 16 x 16, from which the images' side follows."""

_BLOCK = [
    (r"GroupNorm_0\.(weight|bias)", r"first_norm.\1"),
    (r"GroupNorm_1\.(weight|bias)", r"second_norm.\1"),
    (r"GroupNorm_0\.style\.(weight|bias)", r"first_norm.from_latent.\1"),
    (r"GroupNorm_1\.style\.(weight|bias)", r"second_norm.from_latent.\1"),
    (r"Conv_0\.(weight|bias)", r"first.\1"),
    (r"Conv_1\.(weight|bias)", r"second.\1"),
    (r"Conv_2\.(weight|bias)", r"shortcut.\1"),
    (r"Dense_0\.(weight|bias)", r"from_embedding.\1"),
]

_PLAIN = [(r"(?:Conv2d_0\.|Conv_0\.)?(weight|bias)", r"\1")]
_PLAIN_KINDS = {1: "norm", 2: "linear", 4: "convolution"}


class Found(NamedTuple):
    """A network of this layout.

    Attributes:
        side: of its images.
        settings: of `networks.ncsnpp.NCSNpp`.
        weights: under its names.
    """

    side: int
    settings: dict[str, Any]
    weights: dict[str, Tensor]


def is_ncsnpp(weights: Any) -> bool:
    """Return whether a state dictionary has this layout, without the prefix of DataParallel."""
    if not isinstance(weights, Mapping):
        return False
    first = {"all_modules.0.weight", "all_modules.0.W"} & weights.keys()
    return bool(first) and any(re.fullmatch(r"all_modules\.\d+\.Dense_0\.weight", name) for name in weights)


def read_ncsnpp(weights: Weights) -> Found:
    """Return the network that a state dictionary of this layout holds, without the prefix of DataParallel.

    Raises:
        UserError: a layer is missing, or one is left over.
    """
    layers = _Layers(weights)
    time = "fourier" if layers.kind == "frequencies" else "sinusoids"
    if time == "fourier":
        layers.frequencies("embed_time.0.frequencies")
    layers.take("linear", "embed_time.1")
    layers.take("linear", "embed_time.3")
    width = layers.take("convolution", "from_image")
    channels, pyramid = _read_encoder(layers, width)
    layers.take("block", "middle.0.block")
    layers.take("attention", "middle.0.attention")
    layers.take("block", "middle.1.block")
    attended, sums = _read_decoder(layers, [len(level) for level in channels])
    if layers.left:
        raise UserError(f"all_modules.{layers.left[0]} is one layer too many for an NCSN++")
    settings = {
        "time": time,
        "width": width,
        "multipliers": [level[-1] // width for level in channels],
        "blocks": len(channels[0]),
        "attention": [_ATTENDED_SIDE],
        "input_pyramid": pyramid,
        "output_pyramid": "sum" if sums else "none",
        # DDPM++ has neither, and the filter itself has no weights.
        "resampling": "plain" if pyramid == "none" else "fir",
    }
    return Found(_ATTENDED_SIDE << attended[0], settings, layers.found)


def _read_encoder(layers: "_Layers", width: int) -> tuple[list[list[int]], str]:
    """Read all levels down; return the channels of the blocks of each, and which input pyramid there is."""
    channels: list[list[int]] = [[]]
    at, pyramid, end = width, "none", layers.middle()
    while layers.place < end:
        level = len(channels) - 1
        if layers.kind in ("residual", "sum"):
            pyramid = layers.kind
            layers.take(pyramid, f"down.{level}.pyramid.convolution")
        elif layers.kind == "attention":
            layers.take("attention", f"down.{level}.blocks.{len(channels[-1]) - 1}.attention")
        elif layers.resamples:
            layers.take("block", f"down.{level + 1}.halving")
            channels.append([])
        else:
            at = layers.take("block", f"down.{level}.blocks.{len(channels[-1])}.block")
            channels[-1].append(at)
    if not all(channels):
        raise UserError("a resolution of this NCSN++ has no residual block")
    return channels, pyramid


def _read_decoder(layers: "_Layers", blocks: list[int]) -> tuple[list[int], bool]:
    """Read all levels up; return those that attend, and whether smaller levels have images of their own."""
    attended, sums = [], False
    for index, level in enumerate(reversed(range(len(blocks)))):
        for number in range(blocks[level] + 1):
            layers.take("block", f"up.{index}.blocks.{number}")
        if layers.kind == "attention":
            layers.take("attention", f"up.{index}.attention")
            attended.append(level)
        if layers.kind == "norm":
            sums = sums or level > 0
            layers.take("norm", f"up.{index}.to_image.0")
            layers.take("convolution", f"up.{index}.to_image.2")
        if level:
            layers.take("block", f"up.{index}.doubling")
    if not attended:
        raise UserError("this NCSN++ attends at no resolution, so the side of its images can't be found out")
    return attended, sums


class _Layers:
    """The list of layers, read one after the other; `found` has the tensors of those that were read."""

    def __init__(self, weights: Weights) -> None:
        layers: dict[int, dict[str, Tensor]] = {}
        for name, tensor in weights.items():
            match = re.fullmatch(r"all_modules\.(\d+)\.(.+)", name)
            if match:
                layers.setdefault(int(match[1]), {})[match[2]] = tensor
        self._layers = layers
        self.place = 0
        self.found: dict[str, Tensor] = {}

    @property
    def kind(self) -> str:
        """What the next layer is; "end" after the last."""
        return _kind(self._layers.get(self.place, {}))

    @property
    def resamples(self) -> bool:
        """Whether the next layer, a block of the encoder, halves the side: else it would need no shortcut."""
        layer = self._layers[self.place]
        return "Conv_2.weight" in layer and layer["Conv_2.weight"].shape[0] == layer["Conv_2.weight"].shape[1]

    @property
    def left(self) -> list[int]:
        """The layers that were not read."""
        return sorted(place for place in self._layers if place >= self.place)

    def middle(self) -> int:
        """Return where the middle begins: three layers before the first block that gets two maps together."""
        before = 0
        for place, layer in sorted(self._layers.items()):
            if _kind(layer) == "block":
                after, given = layer["Conv_0.weight"].shape[:2]
                if before and given != before:
                    return place - 3
                before = after
        raise UserError("this NCSN++ has no decoder: the file is not whole")

    def take(self, kind: str, name: str) -> int:
        """Read the next layer, of a kind, under our name of it; return its outputs."""
        if self.kind != kind:
            raise UserError(f"all_modules.{self.place} should be the {kind} of an NCSN++, but it is {self.kind}")
        layer = self._layers[self.place]
        self.place += 1
        layer = _attention(layer) if kind == "attention" else renamed(layer, _BLOCK if kind == "block" else _PLAIN)
        self.found |= {f"{name}.{own}": tensor for own, tensor in layer.items()}
        return len(next(iter(layer.values())) if kind != "block" else layer["second.weight"])

    def frequencies(self, name: str) -> None:
        """Read the random frequencies of the time's features, which we keep in radians."""
        self.found[name] = self._layers[self.place]["W"] * (2 * math.pi)
        self.place += 1


def _kind(layer: Weights) -> str:
    for tell, kind in (("W", "frequencies"), ("NIN_3.W", "attention"), ("Conv_1.weight", "block")):
        if tell in layer:
            return kind
    for tell, kind in (("Conv2d_0.weight", "residual"), ("Conv_0.weight", "sum")):
        if tell in layer:
            return kind
    return _PLAIN_KINDS.get(layer["weight"].ndim, "unknown") if "weight" in layer else "end"


def _attention(layer: Weights) -> dict[str, Tensor]:
    """Return an attention's tensors: there are four matrices there, inputs by outputs, and two convolutions here."""
    missing = {f"NIN_{index}.{part}" for index in range(4) for part in "Wb"} - layer.keys()
    if missing:
        raise UserError(f"an attention of this NCSN++ lacks {', '.join(sorted(missing))}")
    return {
        "norm.weight": layer["GroupNorm_0.weight"],
        "norm.bias": layer["GroupNorm_0.bias"],
        "to_qkv.weight": torch.cat([layer[f"NIN_{index}.W"].T for index in range(3)])[:, :, None, None],
        "to_qkv.bias": torch.cat([layer[f"NIN_{index}.b"] for index in range(3)]),
        "to_out.weight": layer["NIN_3.W"].T[:, :, None, None],
        "to_out.bias": layer["NIN_3.b"],
    }
