"""Several processes that evaluate together, as torchrun or srun start them."""

import os
from collections.abc import Callable
from types import TracebackType

import torch
from torch import distributed


class Processes:
    """Join the processes that the environment names, for as long as the context lasts.

    Attributes:
        rank: this process.
        count: how many there are.
    """

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", 0))
        self.count = int(os.environ.get("WORLD_SIZE", 1))

    def __enter__(self) -> "Processes":
        """Join."""
        if self.count > 1:
            backend = "nccl" if torch.cuda.is_available() else "gloo"
            if backend == "nccl":
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
            distributed.init_process_group(backend)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave."""
        if self.count > 1:
            distributed.destroy_process_group()

    def one_after_the_other(self, work: Callable[[], object]) -> None:
        """Let the first process work before the others, who find its result."""
        if self.rank == 0:
            work()
        if self.count > 1:
            distributed.barrier()
        if self.rank != 0:
            work()
