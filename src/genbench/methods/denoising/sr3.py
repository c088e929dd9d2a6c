"""SR3: super-resolution via repeated refinement (Saharia et al. 2021, https://arxiv.org/abs/2104.07636).

DDPM on large images, beside which the network sees the small image x, bicubically enlarged. In place of a step's index
it is given the noise level itself, as the coefficient of the image, sqrt(gamma) with gamma = alpha_bar, and is trained
at levels between the steps (algorithm 1):

    L = E_{x, y_0, eps, gamma} |eps - f_theta(x, sqrt(gamma) y_0 + sqrt(1 - gamma) eps, sqrt(gamma))|_p^p

with p = 1 or 2, so that the steps of sampling may be chosen after training (algorithm 2, `samplers.ancestral`). A
regression of the same network (`method=regression`) has the smaller error; its images are blurred where SR3's are
plausible.

Example:
    python -m genbench experiment=sr3_digits
"""

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.choosing import expect
from genbench.conditions.source_images import SourceImages
from genbench.diffusion.processes import DiscreteProcess
from genbench.medium import Medium
from genbench.methods.denoising.ddpm import DDPM, StepChoice

Norm = Literal["l1", "l2"]


class SR3(DDPM):
    """Draw large images of small ones, or translate images.

    Args:
        denoiser: see `DenoisingMethod`; in place of a time it is given sqrt(gamma), the coefficient of the image.
        medium: what a sample is.
        condition: of the data; None if it has none.
        process: a chain of T steps.
        norm: of the error in the loss: "l1", which had the better FID in the paper, or "l2".
        times: see `DDPM`; the paper's are "continuous".
        condition_dropout: fraction of source images that are left out in training.
        settings: those of `DDPM`; `derive` or `conditional` says what the source images are.

    Raises:
        ValueError: an argument is out of range, or there are no source images.
    """

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        norm: Norm = "l1",
        times: StepChoice = "continuous",
        condition_dropout: float = 0.0,
        **settings: Any,
    ) -> None:
        expect_choice("norm", norm, Norm)
        super().__init__(
            denoiser, medium, condition, process=process, times=times, condition_dropout=condition_dropout, **settings
        )
        expect(
            self.condition,
            SourceImages,
            "SR3 draws from source images: set method.derive, or method.conditional=true with data of pairs",
        )
        if norm == "l1" and self.weighting != "simple":
            raise ValueError("weights of the times are those of squared errors: with norm=l1 set weighting=simple")
        self.norm = norm

    def penalties(self, difference: Tensor) -> Tensor:
        """Return the difference's magnitude, or its square."""
        return difference.abs() if self.norm == "l1" else super().penalties(difference)

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for x_t at times (B,), of which it is given alpha."""
        predicted: Tensor = network(x_t, self.process.alpha(t), y)
        return predicted
