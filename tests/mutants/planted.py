"""Faults planted by hand that once survived, and the test that is to find each of them by name."""

from dataclasses import dataclass

from tests.mutants.child import Ended, changed, run_tests
from tests.mutants.rooms import ROOT


@dataclass(frozen=True)
class Planted:
    """A fault: a text in a source that another takes the place of."""

    what: str
    source: str
    old: str
    new: str
    test: str


PLANTED = (
    Planted(
        "the learning-rate warm-up removed", "src/genbench/methods/learning_rates.py",
        "(step + 1) / self.warmup_steps if step < self.warmup_steps else self.after_warmup(step)",
        "self.after_warmup(step)",
        "tests/methods/denoising/test_ddpm.py::test_the_rate_grows_in_a_line_and_then_stays",
    ),
    Planted(
        "gradient clipping removed", "src/genbench/methods/optimisation.py",
        "parameters, most * loss_scale", "parameters, torch.inf",
        "tests/methods/denoising/test_ddpm.py::test_a_step_is_as_long_as_the_clipped_gradient_at_most",
    ),
    Planted(
        "the trust check that always says yes", "src/genbench/runs/trust.py",
        "return any(name == root or name.startswith(root + \".\") for root in (*_TRUSTED, *plugins.admitted()))",
        "return True",
        "tests/runs/test_trust.py::test_a_config_that_would_start_a_program_does_not[train]",
    ),
)  # fmt: skip


def plant(fault: Planted) -> Ended:
    """Plant a fault and run its test.

    Raises:
        ValueError: the source does not hold the text, or more than once.
    """
    text = (ROOT / fault.source).read_text()
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.source} must hold once: {fault.old!r}")
    with changed(fault.source, text.replace(fault.old, fault.new)):
        return run_tests({fault.test: 120})
