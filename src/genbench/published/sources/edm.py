"""Networks of EDM (Karras et al. 2022): https://github.com/NVlabs/edm."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.reading import tensors_of
from genbench.published.source import Archive, Published, Source, Weights, renamed

_PRECONDITIONS = {"EDMPrecond": "edm", "VPPrecond": "vp", "VEPrecond": "ve"}

_BLOCK = {
    "norm0": "{}.first_norm",
    "conv0": "{}.first",
    "affine": "{}.from_embedding",
    "norm1": "{}.second_norm",
    "conv1": "{}.second",
    "skip": "{}.shortcut",
}
_ATTENTION = {"norm2": "{}.norm", "qkv": "{}.to_qkv", "proj": "{}.to_out"}


class EDM(Source):
    """The averaged network of their `.pkl`, if it is a SongUNet: those for CIFAR-10, FFHQ and AFHQv2."""

    title = "EDM's pickles with a SongUNet (Karras et al. 2022)"

    def recognises(self, archive: Archive) -> bool:
        """Return whether an archive holds a preconditioned network of EDM's code."""
        network = _network(archive)
        return network is not None and str(network.get("class_name")).endswith("Precond")

    def convert(self, archive: Archive) -> Published:
        """Return an archive of this kind in GenBench's words.

        Raises:
            UserError: the network is not a SongUNet, no experiment has its size, or a tensor is missing.
        """
        network = _network(archive)
        assert network is not None
        kind, given = str(network["class_name"]), dict(network.get("_init_kwargs") or {})
        model_type = given.get("model_type", "DhariwalUNet" if kind == "EDMPrecond" else "SongUNet")
        if kind not in _PRECONDITIONS or model_type != "SongUNet":
            raise UserError(
                f"{archive.path} holds a {model_type} in {kind}: of EDM's networks those with a SongUNet can be "
                f"imported, in {', '.join(_PRECONDITIONS)}"
            )
        side, labels = int(given["img_resolution"]), int(given.get("label_dim", 0))
        experiment = _experiment(side, labels)
        architecture = _architecture(given, _PRECONDITIONS[kind])
        settings = {f"network.denoiser.{name}": value for name, value in architecture.items()}
        settings["method.precondition"] = _PRECONDITIONS[kind]
        if kind == "EDMPrecond":
            settings["method.data_std"] = float(given.get("sigma_data", 0.5))
        if kind == "VEPrecond":
            settings["method.process.sigma_min"] = float(given.get("sigma_min", 0.02))
        if labels:
            settings |= {"method.conditional": True, "method.condition_dropout": float(given.get("label_dropout", 0.0))}
        model = {
            name.removeprefix("model."): tensor.float()
            for name, tensor in tensors_of(network).items()
            if name.startswith("model.") and not name.endswith("resample_filter")
        }
        return Published(experiment, settings, {"denoiser": _weights(model, side, len(architecture["multipliers"]))})


def _network(archive: Archive) -> Mapping[str, Any] | None:
    content = archive.content
    network = content.get("ema") if isinstance(content, Mapping) else None
    return network if isinstance(network, Mapping) else None


def _experiment(side: int, labels: int) -> str:
    if side == 32 and labels in (0, 10):
        return "edm_cifar10"
    if side == 64 and not labels:
        return "edm_folder"
    raise UserError(
        f"this network has {side} pixels and {labels} classes: the experiments of EDM have 32 with none or CIFAR-10's "
        "ten, and 64 with none"
    )


def _architecture(given: Mapping[str, Any], precondition: str) -> dict[str, Any]:
    """Return the settings of `networks.ncsnpp.NCSNpp` for those of a SongUNet, with its defaults.

    Raises:
        UserError: there is no such network here.
    """
    filters = {(1, 1): "plain", (1, 3, 3, 1): "fir"}
    pyramids = {"standard": "none", "residual": "residual", "skip": "sum"}
    time = {"positional": "sinusoids", "fourier": "fourier"}[given.get("embedding_type", "positional")]
    if given.get("channel_mult_emb", 4) != 4 or given.get("channel_mult_noise", 1) != (1 if time == "sinusoids" else 2):
        raise UserError("this SongUNet embeds the noise level with other widths than those published")
    return {
        "width": given.get("model_channels", 128),
        "multipliers": list(given.get("channel_mult", [1, 2, 2, 2])),
        "blocks": given.get("num_blocks", 4),
        "attention": list(given.get("attn_resolutions", [16])),
        "dropout": given.get("dropout", 0.1),
        "time": time,
        "resampling": filters[tuple(given.get("resample_filter", (1, 1)))],
        "input_pyramid": pyramids[given.get("encoder_type", "standard")],
        "output_pyramid": pyramids[given.get("decoder_type", "standard")],
    }


def _weights(model: Weights, side: int, levels: int) -> dict[str, Tensor]:
    """Return the tensors of a SongUNet under the names of `networks.ncsnpp.NCSNpp`."""
    found: dict[str, Tensor] = {}
    rules = [
        (r"map_layer0\.(weight|bias)", r"embed_time.1.\1"),
        (r"map_layer1\.(weight|bias)", r"embed_time.3.\1"),
        (rf"enc\.{side}x{side}_conv\.(weight|bias)", r"from_image.\1"),
        (r"map_augment\.weight", ""),
        (r"map_(?:label|noise)\..*", ""),
    ]
    for level in range(levels):
        size, up = f"{side >> level}x{side >> level}", levels - 1 - level
        rules += [
            *_blocks(rf"enc\.{size}_down", f"down.{level}.halving"),
            (rf"enc\.{size}_aux_(?:residual|skip)\.(weight|bias)", rf"down.{level}.pyramid.convolution.\1"),
            *_blocks(
                rf"enc\.{size}_block(\d+)", rf"down.{level}.blocks.\1.block", rf"down.{level}.blocks.\1.attention"
            ),
            *_blocks(rf"dec\.{size}_in([01])", r"middle.\1.block", r"middle.\1.attention"),
            *_blocks(rf"dec\.{size}_up", f"up.{up - 1}.doubling"),
            *_blocks(rf"dec\.{size}_block(\d+)", rf"up.{up}.blocks.\1", f"up.{up}.attention"),
            (rf"dec\.{size}_aux_norm\.(weight|bias)", rf"up.{up}.to_image.0.\1"),
            (rf"dec\.{size}_aux_conv\.(weight|bias)", rf"up.{up}.to_image.2.\1"),
        ]
    found = renamed(model, rules)
    found = {name: _by_part(tensor) if ".to_qkv." in name else tensor for name, tensor in found.items()}
    if "map_noise.freqs" in model:
        found["embed_time.0.frequencies"] = model["map_noise.freqs"] * (2 * math.pi)
    if "map_label.weight" in model:
        # There a matrix times sqrt(classes) times one-hot rows, where no class is a row of zeros.
        table = model["map_label.weight"].T * model["map_label.weight"].shape[1] ** 0.5
        none = torch.zeros_like(table[:1])
        found["embed_condition.embedding.weight"] = torch.cat([table, none]) + model["map_label.bias"]
    return found


def _blocks(theirs: str, block: str, attention: str = "") -> list[tuple[str, str]]:
    """Return the rules for the parts of a residual block, and of its attention if it may have one."""
    last = theirs.count("(") + 1
    parts = [(part, ours.format(block)) for part, ours in _BLOCK.items()]
    if attention:
        parts += [(part, ours.format(attention)) for part, ours in _ATTENTION.items()]
    return [(rf"{theirs}\.{part}\.(weight|bias)", rf"{ours}.\{last}") for part, ours in parts]


def _by_part(tensor: Tensor) -> Tensor:
    """Return the rows of queries, keys and values one after the other, which are interleaved there."""
    return tensor.unflatten(0, (-1, 3)).transpose(0, 1).flatten(0, 1)
