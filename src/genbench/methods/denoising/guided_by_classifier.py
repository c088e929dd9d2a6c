"""A trained diffusion model, guided by a trained classifier of noisy images.

Dhariwal and Nichol 2021 (https://arxiv.org/abs/2105.05233, section 4): the two are trained apart, and together they
sample class-conditionally,

    score(x_t | y) = score(x_t) + s grad log p_phi(y | x_t, t)

There is nothing to train: the method is assembled from its parts. (`classifier_guidance` trains both in one run.)

Example:
    python -m genbench experiment=guided_digits parts.denoiser=RUN parts.classifier=RUN
"""

from collections.abc import Callable

from torch import Tensor

from genbench.abilities import ClassifiesNoisy, Denoises
from genbench.conditions.classes import Classes
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.guidance import classifier_guided
from genbench.methods.denoising.guided import Guided
from genbench.parts import Frozen


class GuidedByClassifier(Guided):
    """Sample a diffusion model class-conditionally, by the gradient of a classifier.

    Args:
        denoiser: a diffusion model, unconditional or of the same classes.
        classifier: of noisy images of the same process.
        sampler: one of `diffusion.samplers`, with its settings.
        guidance: the guidance scale s.

    Raises:
        ValueError: the parts do not go together, or `guidance` is negative.
    """

    def __init__(
        self,
        denoiser: Frozen[Denoises],
        classifier: Frozen[ClassifiesNoisy],
        *,
        sampler: Callable[..., Tensor],
        guidance: float = 1.0,
    ) -> None:
        super().__init__(denoiser, classifier, "classifier", sampler=sampler, guidance=guidance)
        given, classes = denoiser.condition, classifier.classes
        if given is not None and not (isinstance(given, Classes) and len(given.names) == len(classes.names)):
            raise ValueError("parts.denoiser must be unconditional, or conditioned on the classes of parts.classifier")
        self.classifier = classifier
        self.condition = classes

    def guided(self, y: Tensor) -> Denoise:
        """Return the denoiser, guided to classes y (B,)."""
        # A conditional model is guided by both, as guided-diffusion's for ImageNet are.
        unguided = self.denoiser.denoise_with(None if self.denoiser.condition is None else y)
        return classifier_guided(unguided, self.classifier.classify, y, self.guidance)
