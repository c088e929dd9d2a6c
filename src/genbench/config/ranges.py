"""The range of each number that can be set, by the name of its setting, which means the same wherever it stands."""

import math
import re
from typing import Any, NamedTuple

from genbench.errors import UserError


class _Range(NamedTuple):
    least: float
    most: float
    """Infinite for any."""
    least_itself: bool
    most_itself: bool

    def holds(self, value: float) -> bool:
        above = value >= self.least if self.least_itself else value > self.least
        return above and (value <= self.most if self.most_itself else value < self.most)

    def __str__(self) -> str:
        said = f"{'at least' if self.least_itself else 'more than'} {self.least:.16g}"
        if math.isfinite(self.most):
            said += f" and {'at most' if self.most_itself else 'less than'} {self.most:.16g}"
        return said


_NAMES = {
    f"[0, {2**32 - 1}]": "seed",
    "[1, inf)": """
        steps count every keep batch_size size channels workers width hidden multipliers blocks heads attention layers
        most_channels latent_dim embedding_dim discriminator_steps long_steps long_every r1_every instance_noise_steps
        likelihood_draws likelihood neighbours kid_subsets resamplings num_nodes log_every_n_steps crop
        ema_every accumulate_grad_batches patience
    """,
    "[2, inf)": "kid_subset_size",
    "[0, inf)": """
        jitter test_every interpolations halves pool_size long_first warmup_steps constant_steps ema_start clip
        min_delta corrections guidance r1 instance_noise penalty cycle_weight identity_weight l1_weight
        adversarial_weight bound_weight beta weight_decay eps
    """,
    "(0, inf)": "weight_clip lr tolerance snr beta_min beta_max sigma_min sigma_max",
    "[-1, inf)": "max_epochs",
    "(0, 1)": "first_time",
    "[0, 1)": "ema_decay dropout condition_dropout label_smoothing betas momentum alpha",
    "(0, 1]": "gamma",
    "[0, 1]": "eta final",
}
"""Settings by their ranges, as these are written in mathematics."""


def _read(written: str) -> _Range:
    least, most = map(float, written[1:-1].split(","))
    return _Range(least, most, written[0] == "[", written[-1] == "]")


_RANGES = {name: _read(written) for written, names in _NAMES.items() for name in names.split()}


_WHOLE_KEYS = {"steps": _read("[0, inf)")}
"""Ranges of settings by their whole keys: a run that is only assembled from parts has no step."""


def check_range(key: str, value: Any) -> None:
    """Check that a number is one, and in the range of its setting.

    Args:
        key: the setting's whole key, `method.generator_optimizer.betas[0]`.
        value: what it is set to; anything but a number passes.

    Raises:
        UserError: it is not finite or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    setting = re.sub(r"\[\d+\]", "", key)
    if not math.isfinite(value):
        raise UserError(f"{setting} must be a finite number, not {value}")
    found = _WHOLE_KEYS.get(setting) or _RANGES.get(setting.rpartition(".")[2])
    if found is not None and not found.holds(value):
        raise UserError(f"{setting} must be {found}, not {value}")
