"""Checkpoints of score_sde_pytorch (Song et al. 2021): https://github.com/yang-song/score_sde_pytorch."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.ncsnpp_layout import Found, is_ncsnpp, read_ncsnpp
from genbench.published.source import Archive, Published, Source, Weights, without_prefix

_NOT_TRAINED = ("sigmas", "all_modules.0.W")
"""Tensors that the average in a file does not repeat."""

_SDES = ("subvp", "vp", "ve")


class ScoreSDE(Source):
    """NCSN++ and DDPM++ of their `checkpoint_*.pth`, with the averaged weights.

    A file doesn't say the SDE. With random Fourier features it is the variance exploding one; else it is that of the
    folder `ve`, `vp` or `subvp` in the file's path, as in the authors' archive, or the variance preserving one.
    """

    title = "score_sde_pytorch's NCSN++ and DDPM++ (Song et al. 2021)"

    def recognises(self, archive: Archive) -> bool:
        """Return whether an archive has the authors' checkpoint of an NCSN++."""
        content = archive.content
        return (
            isinstance(content, Mapping)
            and {"model", "ema", "step"} <= content.keys()
            and isinstance(content["model"], Mapping)
            and is_ncsnpp(without_prefix(content["model"]))
        )

    def convert(self, archive: Archive) -> Published:
        """Return an archive of this kind in GenBench's words.

        Raises:
            UserError: a tensor is missing, or the network is one that no experiment has.
        """
        model = without_prefix(archive.content["model"])
        found = read_ncsnpp(model)
        average = read_ncsnpp(_averaged(model, archive.content["ema"]))
        # The nearest folder says it, as the authors lay out their files.
        of_folder = next((part.lower() for part in reversed(archive.path.parts) if part.lower() in _SDES), None)
        is_fourier = found.settings["time"] == "fourier"
        sde = "ve" if is_fourier else of_folder or "vp"
        said = "its Fourier features" if is_fourier else f"its folder {of_folder}" if of_folder else "nothing"
        note = f"the SDE is taken to be {sde}, of which {said} speaks"
        if not is_fourier and of_folder is None:
            note += ": the file does not name it; for another, move it into a folder named ve, vp or subvp"
        experiment, settings = _experiment(found, sde)
        settings |= _noise_levels(model, settings) if sde == "ve" else {}
        weights, averaged = (_noise_predictor(one, sde) for one in (found, average))
        return Published(
            experiment,
            {f"network.denoiser.{name}": value for name, value in found.settings.items()} | settings,
            {"denoiser": weights},
            {"denoiser": averaged},
            step=int(archive.content["step"]),
            notes=(note,),
        )


def _averaged(model: Weights, ema: Any) -> dict[str, Tensor]:
    """Return the averaged weights under the model's names: the file lists them in the order of the trained ones.

    Raises:
        UserError: there are more or fewer than the model has, or in other shapes.
    """
    trained = [name for name in model if name not in _NOT_TRAINED]
    shadows = list(ema["shadow_params"])
    if [tuple(tensor.shape) for tensor in shadows] != [tuple(model[name].shape) for name in trained]:
        raise UserError(f"the file's average has {len(shadows)} tensors that are not the model's {len(trained)}")
    return dict(model) | dict(zip(trained, shadows, strict=True))


def _experiment(found: Found, sde: str) -> tuple[str, dict[str, Any]]:
    """Return the experiment of a network, and the settings in which it differs.

    Raises:
        UserError: there is none.
    """
    discrete = sde == "ve" and found.settings["time"] == "sinusoids"
    if discrete and found.side == 64:
        return "score_sde_celeba", {"method.levels": 1000}
    if sde == "ve" and found.side == 32:
        of_levels = {
            "network.denoiser.time_scale": -999.0,
            "network.denoiser.time_shift": 999.0,
            "method.network_time": "t",
            "method.levels": 1000,
        }
        return "score_sde_ve_cifar10", of_levels if discrete else {}
    if sde == "ve" and found.side == 256 and not discrete:
        return "score_sde_lsun", {}
    if found.side == 32:
        of_sub_vp = {
            "method.process._target_": "genbench.diffusion.processes.SubVariancePreserving",
            "method.input_scale": "none",
        }
        return "score_sde_cifar10", of_sub_vp if sde == "subvp" else {}
    raise UserError(
        f"this is an NCSN++ of {found.side} pixels: the experiments of score SDEs have 32 (CIFAR-10), 64 (CelebA) and, "
        "variance exploding, 256 (LSUN)"
    )


def _noise_levels(model: Weights, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the levels of a variance exploding SDE, which the file has for images in [0, 1], from the largest down."""
    if "sigmas" not in model:
        return {}
    largest, smallest = (round(2 * float(model["sigmas"][index]), 6) for index in (0, -1))
    found: dict[str, Any] = {"method.process.sigma_max": largest, "method.process.sigma_min": smallest}
    return found | ({"method.levels": len(model["sigmas"])} if "method.levels" in settings else {})


def _noise_predictor(found: Found, sde: str) -> dict[str, Tensor]:
    """Return weights of a network that predicts the noise: those of variance exploding SDEs predict its negative."""
    if sde != "ve":
        return found.weights
    return {name: -tensor if ".to_image.2." in name else tensor for name, tensor in found.weights.items()}
