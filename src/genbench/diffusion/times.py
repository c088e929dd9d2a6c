"""At which times a training step looks, and how much each counts.

    E_t L_t = E_{t ~ p} L_t / (T p_t)

so times may be drawn as often as one likes, if a loss is weighed by how rarely its time comes.
"""

import torch
from torch import Tensor, nn

_REMEMBERED = 10
_EVEN_SHARE = 0.001


class EvenSteps(nn.Module):
    """Steps t = 1 ... T of a chain, each as often as any other, as times t / T.

    Args:
        steps: T.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,): ones."""
        t = torch.randint(1, self.steps + 1, (count,), device=device) / self.steps
        return t, torch.ones_like(t)


class EvenTimes(nn.Module):
    """Times in [first, 1], each as often as any other.

    Args:
        first: the earliest, positive: at 0 the score of an image is infinite (Song et al. 2021, appendix C).
    """

    def __init__(self, first: float) -> None:
        super().__init__()
        self.first = first

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights (count,): ones."""
        t = self.first + (1 - self.first) * torch.rand(count, device=device)
        return t, torch.ones_like(t)


class ImportanceSteps(nn.Module):
    """Steps of a chain by p_t ~ sqrt(E[L_t^2]), which makes the bound's gradient least noisy.

    Nichol and Dhariwal 2021, section 3.3: of each step its ten latest losses are remembered; until all have ten, steps
    are drawn evenly. A thousandth of the draws stays even, so that no step is forgotten. What is remembered is saved
    with the run.

    Args:
        steps: T.
    """

    losses: Tensor
    counts: Tensor

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("losses", torch.zeros(steps, _REMEMBERED))
        self.register_buffer("counts", torch.zeros(steps, dtype=torch.long))

    def probabilities(self) -> Tensor:
        """Return p_t (T,) of the steps."""
        even = torch.full((self.steps,), 1 / self.steps, device=self.losses.device)
        if (self.counts < _REMEMBERED).any():
            return even
        root = self.losses.square().mean(1).sqrt()
        return (1 - _EVEN_SHARE) * root / root.sum() + _EVEN_SHARE * even

    def draw(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return times (count,) and their weights 1 / (T p_t) (count,)."""
        probabilities = self.probabilities()
        index = torch.multinomial(probabilities, count, replacement=True)
        return ((index + 1) / self.steps).to(device), (1 / (self.steps * probabilities[index])).to(device)

    def observe(self, t: Tensor, losses: Tensor) -> None:
        """Remember the losses (B,) at times (B,)."""
        index, order = ((t * self.steps).round().long() - 1).sort(stable=True)
        # Of a step that comes several times each loss has a place of its own, without a loop that a GPU would wait for.
        place = torch.arange(len(index), device=index.device) - torch.searchsorted(index, index)
        self.losses[index, (self.counts[index] + place) % _REMEMBERED] = losses[order]
        self.counts += torch.bincount(index, minlength=self.steps)


Times = EvenSteps | EvenTimes | ImportanceSteps
