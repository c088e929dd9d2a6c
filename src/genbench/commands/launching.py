"""A sweep that something else launches: what must be there for it."""

import shutil
from importlib.util import find_spec

from genbench.config.suits import chosen_value
from genbench.errors import UserError


def check_launcher(overrides: list[str]) -> None:
    """Check that what `hydra/launcher=` names is installed here, and has a cluster to launch on.

    Raises:
        UserError: it is not, or has none.
    """
    launcher = chosen_value("hydra/launcher", overrides)
    if launcher not in ("slurm", "submitit_slurm"):
        return
    if find_spec("hydra_plugins") is None or find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        raise UserError(f"hydra/launcher={launcher} takes hydra-submitit-launcher: pip install 'genbench[slurm]'")
    if shutil.which("sbatch") is None:
        raise UserError(
            f"hydra/launcher={launcher} submits to SLURM, and there is no sbatch on this machine: run it where there "
            "is, or leave out hydra/launcher= to run one after the other here"
        )
