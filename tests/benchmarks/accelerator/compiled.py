"""Training steps of compiled networks, which take a minute each to make: a part of its own."""

from collections.abc import Callable
from typing import Any

from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.steps import choose


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return each method compiled, and by CUDA graphs where these can be."""
    return choose(form, compiled=True)
