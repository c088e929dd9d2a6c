"""Whether this machine has what a training is to run on, asked before anything starts."""

from typing import Any

from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry
from omegaconf import DictConfig, ListConfig

from genbench.errors import UserError, near

FSDP = "fsdp"
"""The strategy that divides networks among processes."""

_GPUS = ("cuda", "mps")


def check_devices(trainer: DictConfig) -> None:
    """Check the accelerator, the devices and the strategy of a configuration's `trainer`.

    Raises:
        UserError: there is no such accelerator, strategy or number of devices here, or several processes were asked
            for without a strategy that joins them.
    """
    accelerator = _find_accelerator(trainer.get("accelerator", "auto"))
    strategy = trainer.get("strategy", "auto")
    known = ["auto", *StrategyRegistry.available_strategies()]
    if strategy not in known:
        raise UserError(f"trainer.strategy={strategy}: there is no such strategy{near(str(strategy), known)}")
    count = _count(trainer.get("devices", "auto"), accelerator)
    nodes = trainer.get("num_nodes", 1)
    if strategy == "auto" and (count > 1 or nodes > 1):
        what = f"trainer.devices={trainer.get('devices', 'auto')}" if count > 1 else f"trainer.num_nodes={nodes}"
        raise UserError(f"{what} is several processes, which takes trainer=ddp: trainer=ddp {what}")


def check_precision(trainer: DictConfig) -> None:
    """Refuse to round weights and times themselves to half precision.

    Raises:
        UserError: that is asked for.
    """
    precision = str(trainer.get("precision", "32-true"))
    if precision in ("16-true", "bf16-true", "transformer-engine", "transformer-engine-float16"):
        raise UserError(
            f"trainer.precision={precision} rounds weights, averages and times of diffusion to three digits: take "
            "trainer.precision=bf16-mixed or 16-mixed, in which they stay as they are"
        )


def working_strategy(strategy: Any) -> Any:
    """Return the strategy to give to Lightning: plain DDP fails on a network that a step does not use.

    In each step of an adversarial method one of two networks is unused.
    """
    if strategy == FSDP:
        # torch's part of it takes a second to import.
        from genbench.commands.sharded import FullySharded

        return FullySharded()
    return "ddp_find_unused_parameters_true" if strategy == "ddp" else strategy


def _find_accelerator(name: Any) -> str:
    """Return the accelerator that a name stands for, "auto" and "gpu" among them."""
    known = [*AcceleratorRegistry]
    there = [one for one in known if AcceleratorRegistry[one]["accelerator"].is_available()]
    if name == "auto":
        return next((one for one in there if one != "cpu"), "cpu")
    if name not in [*known, "gpu"]:
        raise UserError(
            f"trainer.accelerator={name}: there is no such accelerator{near(str(name), ['gpu', 'auto', *known])}"
        )
    found = [one for one in (_GPUS if name == "gpu" else (name,)) if one in there]
    if not found:
        raise UserError(
            f"trainer.accelerator={name}: this machine has none; it has {', '.join(there)}, and "
            "trainer.accelerator=auto takes the best"
        )
    return found[0]


def _count(devices: Any, accelerator: str) -> int:
    """Return how many devices a setting means."""
    there = int(AcceleratorRegistry[accelerator]["accelerator"].auto_device_count())
    wrong = UserError(
        f"trainer.devices={devices}: this machine has {there} of accelerator {accelerator}; give a number, a list of "
        "them such as [0,1], or auto"
    )
    if isinstance(devices, str) and devices.strip("-").replace(",", "").isdigit():
        devices = [int(one) for one in devices.split(",") if one] if "," in devices else int(devices)
    if devices == "auto" or (devices == -1 and accelerator != "cpu"):
        return there
    # The processes of a CPU share its cores: there may be any number.
    if isinstance(devices, int) and not isinstance(devices, bool):
        if devices < 1 or (accelerator != "cpu" and devices > there):
            raise wrong
        return devices
    if isinstance(devices, list | ListConfig) and accelerator != "cpu":
        numbers = list(devices)
        if numbers and len(set(numbers)) == len(numbers) and all(number in range(there) for number in numbers):
            return len(numbers)
    raise wrong
