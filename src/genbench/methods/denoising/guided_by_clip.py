"""A trained diffusion model, guided to captions by a trained CLIP of noisy images.

Nichol et al. 2022 (GLIDE, https://arxiv.org/abs/2112.10741, section 2.3): the two are trained apart, and together they
sample what a caption says,

    score(x_t | c) = score(x_t) + s grad (exp(log-scale) <z_t(c), z_i(x_t, t)>)

with normalised embeddings z. There is nothing to train: the method is assembled from its parts. The diffusion model may
itself be conditioned on captions, as GLIDE's is, and guided without a classifier besides.

Example:
    python -m genbench experiment=guided_scenes parts.denoiser=RUN parts.clip=RUN
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from genbench.abilities import Denoises, EmbedsNoisy
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions, reread
from genbench.conditions.choosing import expect
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.guidance import clip_guided
from genbench.methods.denoising.guided import Guided
from genbench.parts import Frozen

Given = Literal["caption", "nothing"]


class GuidedByClip(Guided):
    """Sample a diffusion model by captions, by the gradient of a CLIP.

    Args:
        denoiser: a diffusion model, unconditional or conditioned on captions.
        clip: of noisy images of the same process.
        condition: of the data, which must be captions. Each part reads them as texts, so its tokenizer may be another.
        sampler: one of `diffusion.samplers`, with its settings.
        guidance: the guidance scale s, of CLIP's gradient.
        denoiser_given: what a denoiser that is conditioned on captions is given: the "caption", as in GLIDE's code, or
            "nothing", the empty one, so that the CLIP guides alone; None for an unconditional denoiser's nothing and
            another's caption.
        classifier_free_guidance: the denoiser's own guidance scale w besides, with the weights (1 + w) and -w.

    Raises:
        ValueError: the parts do not go together, a scale is negative, or a setting would have no effect.
    """

    condition: Captions
    clip: EmbedsNoisy  # type: ignore[assignment]
    """In place of the largest norm of gradients, of which there are none."""

    def __init__(
        self,
        denoiser: Frozen[Denoises],
        clip: Frozen[EmbedsNoisy],
        condition: Condition | None = None,
        *,
        sampler: Callable[..., Tensor],
        guidance: float = 1.0,
        denoiser_given: Given | None = None,
        classifier_free_guidance: float = 0.0,
    ) -> None:
        super().__init__(denoiser, clip, "clip", sampler=sampler, guidance=guidance)
        own = denoiser.condition
        if own is not None and not isinstance(own, Captions):
            raise ValueError("parts.denoiser must be unconditional, or conditioned on captions")
        given: Given = denoiser_given or ("nothing" if own is None else "caption")
        expect_choice("denoiser_given", given, Given)
        if given == "caption" and own is None:
            raise ValueError("denoiser_given=caption takes a parts.denoiser that is conditioned on captions")
        if classifier_free_guidance < 0:
            raise ValueError(f"classifier_free_guidance must be at least 0, not {classifier_free_guidance}")
        if classifier_free_guidance and given == "nothing":
            raise ValueError("classifier_free_guidance takes a parts.denoiser that is given the caption")
        self.clip = clip
        self.condition = expect(condition, Captions, "guidance by CLIP takes data with captions, such as data=scenes")
        self.denoiser_given = given
        self.classifier_free_guidance = classifier_free_guidance

    def guided(self, y: Tensor) -> Denoise:
        """Return the denoiser, guided to captions y (B, L).

        Raises:
            UserError: a part does not know a word of a caption, or has no room for it.
        """
        unguided = self._unguided(y)
        if not self.guidance:
            return unguided
        texts = self.clip.embed_texts(reread(y, self.condition, self.clip.condition, "parts.clip"))
        return clip_guided(unguided, self.clip.embed_noisy, texts, self.clip.logit_scale, self.guidance)

    def _unguided(self, y: Tensor) -> Denoise:
        own = self.denoiser.condition
        if own is None:
            return self.denoiser.denoise_with(None)
        assert isinstance(own, Captions)
        is_shown = self.denoiser_given == "caption"
        rows = reread(y, self.condition, own, "parts.denoiser") if is_shown else own.null(len(y)).to(y)
        return self.denoiser.denoise_with(rows, guidance=self.classifier_free_guidance)
