"""A network whose weights, gradients and optimizer's state are divided among the processes (Rajbhandari et al. 2020).

ZeRO, https://arxiv.org/abs/1910.02054, stage 3, by PyTorch's `fully_shard`: each process keeps 1/n of every tensor, and
a block's weights are gathered while it computes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from genbench.distributed import averaged


def shard(network: nn.Module, mesh: Any) -> None:
    """Divide the parameters of a network among the processes of a mesh; those of single numbers stay whole.

    The blocks that are gathered one at a time are what the network has lists of.

    Args:
        network: on this process's device.
        mesh: `torch.distributed.DeviceMesh`, of one dimension.
    """
    # Parts are of rows, and kernels may lie in memory with their channels last.
    network.to(memory_format=torch.contiguous_format)
    numbers = {each for each in network.parameters() if each.ndim == 0}
    # From the innermost to the network itself.
    for module in reversed([*network.modules()]):
        if isinstance(module, nn.ModuleList):
            for block in module:
                # A list of lists has no forward pass around which it could be gathered.
                if not isinstance(block, nn.ModuleList | nn.ModuleDict | nn.Identity):
                    fully_shard(block, mesh=mesh, ignored_params=numbers)
    fully_shard(network, mesh=mesh, ignored_params=numbers)
    for each in numbers:
        if each.requires_grad:
            each.register_post_accumulate_grad_hook(_average_gradient)


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of a tensor, which shares its memory; all of it, if it is not divided."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def is_divided(tensor: Tensor) -> bool:
    """Whether this process has only a part of a tensor."""
    return isinstance(tensor, DTensor)


def total_norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the norm of all numbers of tensors, divided ones among them."""
    divided, others = ([each for each in tensors if is_divided(each) == which] for which in (True, False))
    norms = [] if not divided else [cast(DTensor, nn.utils.get_total_norm(divided)).full_tensor()]
    # Those that are divided can't be stacked with those that are whole.
    norms += [nn.utils.get_total_norm(others)] if others or not norms else []
    return norms[0] if len(norms) == 1 else nn.utils.get_total_norm(norms)


@contextmanager
def gathered(*networks: nn.Module) -> Iterator[None]:
    """Let each process have networks whole, so that one may use them alone; all must enter and leave together."""
    blocks = [each for network in networks for each in network.modules() if isinstance(each, FSDPModule)]
    for block in blocks:
        block.set_reshard_after_forward(False, recurse=False)
        block.unshard()
    try:
        yield
    finally:
        for block in blocks:
            block.set_reshard_after_forward(True, recurse=False)
            block.reshard()


def _average_gradient(parameter: Tensor) -> None:
    assert parameter.grad is not None
    with torch.no_grad():
        averaged(parameter.grad)
