"""What the scores by a CLIP have in common."""

from typing import Any

from genbench.medium import Images
from genbench.metrics.clip import Clip
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting


class ClipBased(Score):
    """A score of pictures and their captions in the features of a CLIP.

    Args:
        clip: a run that embeds images and texts.
        allow_same_clip: whether it may be the one that the method is built on.
    """

    chosen = "named"
    needs_samples = True
    needs_captions = True
    least = 1

    def __init__(self, clip: Clip | None = None, allow_same_clip: bool = False) -> None:
        self._clip, self._allowed = clip, allow_same_clip

    @property
    def clip(self) -> Clip:
        """The CLIP."""
        assert self._clip is not None
        return self._clip

    def unsuited(self, setting: Setting) -> str | None:
        """Return that there is no CLIP, or that the method is built on it, where it is so."""
        if self._clip is None:
            return "it takes a CLIP, metrics.clip=RUN"
        if setting.medium is not None and not isinstance(setting.medium, Images):
            return "it takes images"
        if setting.method is not None and not self._allowed and (part := self._clip.guided(setting.method)):
            return (
                f"the run is built on this very CLIP (its part {part} has the same weights), which would score its own "
                "guidance: give another one, or metrics.allow_same_clip=true"
            )
        return super().unsuited(setting)

    def check(self, material: Material) -> None:
        """Check that the CLIP knows the words of the captions."""
        self.clip.check(material.texts)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the CLIP, and whether the method is built on it."""
        same = material.origin is not None and self.clip.guided(material.origin.method) is not None
        return {"clip": self.clip.facts | ({"guided_the_method": True} if same else {})}
