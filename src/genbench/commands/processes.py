"""Several processes of one command, as torchrun, srun or Lightning start them."""

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

import torch
from lightning.fabric.plugins.environments import SLURMEnvironment
from omegaconf import DictConfig
from torch import distributed

from genbench.errors import UserError


class Processes:
    """Join the processes that the environment names, for as long as the context lasts.

    Attributes:
        rank: this process.
        count: how many there are.
    """

    def __init__(self) -> None:
        if "WORLD_SIZE" not in os.environ and int(os.environ.get("SLURM_NTASKS", 1)) > 1 and SLURMEnvironment.detect():
            slurm = SLURMEnvironment(auto_requeue=False)
            os.environ |= {
                "RANK": str(slurm.global_rank()),
                "WORLD_SIZE": str(slurm.world_size()),
                "LOCAL_RANK": str(slurm.local_rank()),
                "MASTER_ADDR": slurm.main_address,
                "MASTER_PORT": str(slurm.main_port),
            }
        self.rank = int(os.environ.get("RANK", 0))
        self.count = int(os.environ.get("WORLD_SIZE", 1))

    def join(self) -> "Processes":
        """Join, and stay so: Lightning goes on with a group that is there, and could not make a second one."""
        if self.count > 1:
            has_gpu = torch.cuda.is_available()
            if has_gpu:
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
            # With a GPU both of NCCL and Gloo, each for the tensors of its devices.
            distributed.init_process_group(None if has_gpu else "gloo")
        return self

    def __enter__(self) -> "Processes":
        """Join."""
        return self.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave."""
        leave()

    def agree(self, decide: Callable[[], str]) -> str:
        """Return what the first process decides.

        Raises:
            UserError: the first process could not decide; all of them say why, so that none waits for it.
        """
        said: list[str | None] = ["", None]
        if self.rank == 0:
            try:
                said[0] = decide()
            except UserError as error:
                said[1] = str(error)
        if self.count > 1:
            distributed.broadcast_object_list(said)
        if said[1] is not None:
            raise UserError(said[1])
        return str(said[0])

    def one_after_the_other(self, work: Callable[[], object]) -> None:
        """Let the first process work before the others, who find its result."""
        if self.rank == 0:
            work()
        if self.count > 1:
            distributed.barrier()
        if self.rank != 0:
            work()


def leave() -> None:
    """Leave the other processes, if there are any, once all is done.

    Without it the group's threads are still there when the interpreter goes, and now and then one of them ends a
    finished run by an abort.
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def end_with_parent() -> None:
    """End this process when the one that started it is gone.

    A process killed with SIGKILL informs nobody, and the others of its run may wait for it in an exchange for half an
    hour.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def slurm_plugins(config: DictConfig) -> list[SLURMEnvironment]:
    """Return what informs Lightning of the tasks that SLURM started; nothing outside a job.

    Raises:
        UserError: the job's tasks are not the processes that the run is configured for.
    """
    if not SLURMEnvironment.detect():
        return []
    tasks = int(os.environ["SLURM_NTASKS"])
    devices, nodes = config.trainer.get("devices", 1), config.trainer.get("num_nodes", 1)
    wanted = devices * nodes if isinstance(devices, int) else None
    if wanted != tasks:
        per_node = max(1, tasks // int(os.environ.get("SLURM_NNODES", 1)))
        raise UserError(
            f"this job of SLURM has {tasks} tasks, and the run asks for {devices} x {nodes} processes "
            f"(trainer.devices x trainer.num_nodes): start it by srun and set trainer.devices={per_node} "
            f"trainer.num_nodes={os.environ.get('SLURM_NNODES', 1)}, or submit it with --ntasks-per-node={devices} "
            f"--nodes={nodes}"
        )
    try:
        # We requeue by ourselves, after a checkpoint of our own.
        return [SLURMEnvironment(auto_requeue=False)]
    except RuntimeError as error:
        raise UserError(str(error)) from error
