"""Lightning's strategy for networks that are divided among processes, as `trainer=fsdp` takes it."""

from lightning.pytorch.strategies import ModelParallelStrategy


class FullySharded(ModelParallelStrategy):
    """Divide networks among all processes; a checkpoint is one file, as of other strategies, and any of them reads it.

    Lightning's own would divide matrices among the devices of a machine, and networks among machines alone.
    """

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        """Join all processes to one group: how many they are is known by now."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()
