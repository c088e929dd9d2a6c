"""CLIP-guided diffusion: any diffusion model led to a text by a CLIP that never saw noise (Crowson 2021).

The model is as it was trained, of no captions. At each step the gradient, with respect to x_t and through the network,

    -s grad ( sum_p |w_p| E_c[ sign(w_p) d(I(c(x_0)), T_p) ] + tv(x_0) + range(x_0) + lambda |x_0 - x|^2 )

moves the sample, where x_0 is the network's estimate of the image, I and T are the CLIP's embeddings of its random
views c and of prompts, d is half of the squared angle, tv and range are the squared differences of neighbours and the
squared excess over [-1, 1], and x is an image that sampling may begin with. Losses are minimised, so they enter with a
minus. Ancestral sampling takes steps of the gradient as large as its noise; DDIM's are sigma^2 / alpha as large, which
wrecks a sample at the first step of a chain that ends in noise alone.

Example:
    python -m genbench edit editor=clip_guided_diffusion run=DIFFUSION clip=CLIP prompt="a red three on blue"
"""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import pad

from genbench.abilities import DrawsLed, EmbedsTexts
from genbench.clamping import clamp_with_gradient
from genbench.cutouts import Cutouts
from genbench.editing.base import Editor, EditResult, Input, Inputs
from genbench.editing.by_text import Nearness, generator_of, losses, seen, targets_of
from genbench.medium import Images
from genbench.parts import Frozen
from genbench.randomness import Noise


class ClipGuidedDiffusion(Editor):
    """Lead samples to texts; a result is the sample.

    Args:
        method: a diffusion model of images or of their latents.
        clip: what embeds pictures and prompts; of images without noise.
        scorer: another CLIP, which does not lead, to say how near the picture comes; None for none.
        scale: s, of the gradient of all terms.
        cutouts: views of the estimate at each step.
        least: side of the smallest view, as a fraction of the picture's.
        power: above 1 for more small views.
        distortion: how much views are turned, moved and bent; 0 for not at all.
        noise: largest deviation of the noise of a view.
        tv_weight: of the mean squared differences of neighbouring pixels, beside the distance to the prompts.
        range_weight: of the mean squared excess over the range of pixels.
        begin: the time in (0, 1] at which sampling begins with `images`, as noisy as there: 1 keeps nothing of them.
        image_weight: lambda, of the mean squared difference to these images.

    Raises:
        ValueError: an argument is out of range, or the method draws no images.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"text", "asked images"})
    chunk = 16

    def __init__(
        self,
        method: DrawsLed,
        clip: Frozen[EmbedsTexts],
        scorer: Frozen[EmbedsTexts] | None = None,
        *,
        scale: float = 300.0,
        cutouts: int = 16,
        least: float = 0.5,
        power: float = 1.0,
        distortion: float = 0.0,
        noise: float = 0.0,
        tv_weight: float = 0.0,
        range_weight: float = 0.05,
        begin: float = 0.6,
        image_weight: float = 0.0,
    ) -> None:
        if not isinstance(method.medium, Images):
            raise ValueError("it leads images, and the method draws none")
        if not 0 < begin <= 1:
            raise ValueError(f"begin must be in (0, 1], not {begin}")
        for name, value in (
            ("scale", scale),
            ("tv_weight", tv_weight),
            ("range_weight", range_weight),
            ("image_weight", image_weight),
        ):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        self.method = method
        self.clip = clip
        self.scale = scale
        self.cutouts = Cutouts(cutouts, least, power, distortion, noise)
        self.tv_weight = tv_weight
        self.range_weight = range_weight
        self.begin = begin
        self.image_weight = image_weight
        self.medium = method.medium
        self.nearness = Nearness(clip, scorer, method.device)
        self.scores = self.nearness.scores

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the pictures.

        Raises:
            UserError: a CLIP does not know a prompt, or the sampler does not suit the model.
        """
        assert inputs.texts is not None
        device = self.method.device
        targets = targets_of(self.clip, inputs.texts, device)
        images = None if inputs.images is None else inputs.images.to(device)
        generator = generator_of(noise)

        def log_probability(x_0: Tensor) -> Tensor:
            views = seen(self.clip, clamp_with_gradient(x_0, -1, 1), self.cutouts, generator)
            loss = losses(views, targets)
            loss = loss + self.tv_weight * total_variation(x_0) + self.range_weight * excess(x_0)
            if images is not None and self.image_weight:
                loss = loss + self.image_weight * (x_0 - images).square().flatten(1).mean(1)
            return -loss

        drawn = self.method.sample_led(
            inputs.count, log_probability, self.scale, noise=noise, images=images, begin=self.begin
        )
        stored = self.medium.store(self.medium.check(drawn, inputs.count)).cpu()
        return EditResult(stored, scores=self.nearness.of(drawn, inputs.texts))


def total_variation(x: Tensor) -> Tensor:
    """Return the mean squared differences (B,) of neighbouring pixels of images (B, C, H, W), across and down."""
    # Neighbours of the last row and column are these themselves.
    extended = pad(x, (0, 1, 0, 1), mode="replicate")
    across = extended[..., :-1, 1:] - extended[..., :-1, :-1]
    down = extended[..., 1:, :-1] - extended[..., :-1, :-1]
    return (across.square() + down.square()).flatten(1).mean(1)


def excess(x: Tensor, low: float = -1.0, high: float = 1.0) -> Tensor:
    """Return the mean square (B,) of what images (B, C, H, W) have beyond a range."""
    return (x - x.clamp(low, high)).square().flatten(1).mean(1)
