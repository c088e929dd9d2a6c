"""How near pictures are to their captions in the features of a CLIP."""

from genbench.metrics.clip_scoring import ClipBased
from genbench.metrics.material import Material
from genbench.metrics.score import mean_with_error


class ClipScore(ClipBased):
    """The mean over pictures of 100 max(cos, 0), with its standard error (Hessel et al. 2021).

    https://arxiv.org/abs/2104.08718; with the factor 100 of torchmetrics and of most papers, in place of the authors'
    2.5.
    """

    figures = {"clip_score": "higher"}

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean; one picture has no error."""
        images, texts = self.clip.embed(material)
        values = 100 * (images * texts).sum(1).double().clamp_min(0)
        return mean_with_error("clip_score", values)
