"""Inception's network with random weights: the real ones are a download."""

from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3


def write_random_weights(path: Path, seed: int = 0) -> Path:
    """Write weights under which features keep their scale through the layers."""
    torch.save({}, path)
    with patch.object(FeatureExtractorInceptionV3, "load_state_dict"):
        network = FeatureExtractorInceptionV3("random", ["2048"], str(path))
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
        elif isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                tensor.uniform_(0.8, 1.2, generator=generator)
            for tensor in (module.bias, module.running_mean):
                tensor.normal_(0, 0.1, generator=generator)
    network.fc.weight.normal_(0, 0.05, generator=generator)
    network.fc.bias.normal_(0, 0.05, generator=generator)
    torch.save(network.state_dict(), path)
    return path
