"""What scores of methods with styles have in common."""

from genbench.abilities import HasStyles
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting


class StyledScore(Score):
    """A score of how images change with their latents; it is computed where it is named."""

    chosen = "named"
    needs_method = True

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method has no styles."""
        if reason := super().unsuited(setting):
            return reason
        has_styles = isinstance(setting.method, HasStyles)
        return None if has_styles else "it takes a method whose latents are mapped to styles, such as stylegan"

    def of(self, material: Material) -> tuple[HasStyles, int, int]:
        """Return the method, how many paths there shall be, and their seed."""
        assert material.origin is not None
        return material.origin.method, material.count, material.seed
