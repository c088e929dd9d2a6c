"""What experiments say to be as in their authors' code is: the numbers of their scripts and of their READMEs."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from genbench.config import check

HO: dict[str, Any] = {
    "method.clip": 1.0,
    "method.ema_decay": 0.9999,
    "method.ema_warmup": False,
    "method.schedule.warmup_steps": 5000,
    "method.process.schedule": "linear",
    "method.process.steps": 1000,
    "method.process.first_index": 0,
    "network.denoiser.padding": "ho",
    "network.denoiser.initialisation": "ho",
    "network.denoiser.attention": [16],
}
"""Of Ho's scripts."""

OPENAI: dict[str, Any] = {
    "method.clip": 0.0,
    "method.ema_decay": 0.9999,
    "method.ema_warmup": False,
    "method.schedule.warmup_steps": 0,
    "method.process.first_index": 0,
    "network.denoiser.padding": "openai",
    "network.denoiser.time": "sinusoids_openai",
    "network.denoiser.norm_eps": 1e-5,
}
"""Of OpenAI's: no clipping, no warm-up."""

IMAGEN: dict[str, Any] = {
    "data.batch_size": 2048,
    "method.condition_dropout": 0.1,
    "method.ema_decay": 0.9999,
    "method.optimizer.lr": 1e-4,
    "method.schedule.warmup_steps": 10_000,
    "network.denoiser.dropout": 0.0,
    "steps": 2_500_000,
}
"""Of Imagen's paper, appendix F."""

STACKGAN: dict[str, Any] = {
    "method.generator_optimizer.betas": [0.5, 0.999],
    "method.generator_optimizer.lr": 2e-4,
    "method.discriminator_optimizer.lr": 2e-4,
    "method.kl_weight": 2.0,
    "method.contrastive": 0.0,
    "method.r1": 0.0,
    "method.schedule.gamma": 0.5,
    "network.discriminator.joining": "concatenation",
    "network.generator.caption_dim": 128,
}
"""Of StackGAN's code."""

PAPERS: dict[str, dict[str, Any]] = {
    "ddpm_cifar10": HO
    | {
        "data.batch_size": 128,
        "data.flip": True,
        "method.optimizer.lr": 2e-4,
        "network.denoiser.dropout": 0.1,
        "sampler.variance": "step",
        "steps": 800_000,
    },
    "ddpm_lsun": HO
    | {
        "data.batch_size": 64,
        # As the paper says of bedrooms.
        "data.flip": False,
        "method.optimizer.lr": 2e-5,
        "network.denoiser.dropout": 0.0,
        "network.denoiser.multipliers": [1, 1, 2, 2, 4, 4],
        "sampler.variance": "posterior",
        "steps": 2_400_000,
    },
    "improved_ddpm_cifar10": OPENAI
    | {
        "data.batch_size": 128,
        "data.flip": False,
        "method.optimizer.lr": 1e-4,
        "method.process.schedule": "cosine",
        "method.process.steps": 4000,
        "network.denoiser.blocks": 3,
        "network.denoiser.dropout": 0.3,
        "network.denoiser.heads": 4,
        "steps": 500_000,
    },
    "improved_ddpm_lsun": OPENAI
    | {
        "data.batch_size": 128,
        "data.flip": False,
        "method.optimizer.lr": 1e-4,
        "method.process.schedule": "linear",
        "method.process.steps": 1000,
        "network.denoiser.adaptive": False,
        "network.denoiser.attention": [16],
        "network.denoiser.blocks": 2,
        "network.denoiser.dropout": 0.0,
        "network.denoiser.heads": 1,
        "steps": 1_200_000,
    },
    "improved_ddpm_imagenet64": OPENAI
    | {"data.batch_size": 128, "data.flip": False, "network.denoiser.dropout": 0.0, "network.denoiser.heads": 4},
    "adm_lsun": OPENAI
    | {"network.denoiser.dropout": 0.1, "network.denoiser.head_channels": 64, "method.process.schedule": "linear"},
    "adm_imagenet64": OPENAI
    | {"network.denoiser.dropout": 0.1, "method.process.schedule": "cosine", "method.process.steps": 1000},
    "clip_vit_b32": {
        "data.batch_size": 32_768,
        "data.size": 224,
        "data.tokenizer": "clip_bpe",
        "method.ema_decay": 0.0,
        "method.optimizer.betas": [0.9, 0.98],
        "method.optimizer.eps": 1e-6,
        "method.optimizer.lr": 5e-4,
        "method.optimizer.weight_decay": 0.2,
        "method.positives": "diagonal",
        "method.schedule.warmup_steps": 2000,
        "network.image_tower.gelu": "openai",
        "steps": 390_625,
    },
    "glide_64": OPENAI
    | {
        "data.batch_size": 2048,
        "data.length": 128,
        "data.size": 64,
        "method.condition_dropout": 0.2,
        "method.guidance": 2.0,
        "method.objective": "hybrid",
        "method.process.schedule": "cosine",
        "method.process.steps": 1000,
        "network.denoiser.dropout": 0.1,
        "network.denoiser.multipliers": [1, 2, 3, 4],
        "network.denoiser.text.layers": 16,
        "sampler.steps": 100,
        "steps": 2_500_000,
    },
    "glide_64_inpaint": OPENAI | {"method.guidance": 4.0, "method.inpainting": True, "sampler.steps": 100},
    "glide_256": OPENAI
    | {
        "data.batch_size": 512,
        "data.size": 256,
        "method.augmentation": "none",
        "method.objective": "hybrid",
        "method.process.schedule": "linear",
        "method.process.steps": 1000,
        "network.denoiser.blocks": 2,
        "network.denoiser.dropout": 0.1,
        "sampler.spacing": "glide_fast27",
        "steps": 1_600_000,
    },
    "imagen_64": IMAGEN | {"data.size": 64, "method.guidance": 0.35, "method.process.schedule": "cosine"},
    "imagen_256": IMAGEN
    | {"method.factor": 4, "method.crop": None, "method.augmentation": "imagen", "method.process.schedule": "cosine"},
    "imagen_1024": IMAGEN
    | {
        "data.size": 1024,
        "method.crop": 256,
        "method.process.schedule": "linear",
        "network.denoiser.attend_to": "sequence",
        "network.denoiser.blocks": [2, 4, 8, 8],
        "network.denoiser.skips": "imagen",
    },
    "talking_heads_folder256": {
        "data.batch_size": 48,
        "data.shots": 8,
        "method.discriminator_optimizer.lr": 2e-4,
        "method.discriminator_steps": 2,
        "method.feature_weight": 10.0,
        "method.generator_optimizer.lr": 5e-5,
        "network.generator.attention": 32,
        "network.generator.attention_up": 64,
        "network.generator.most": 512,
        "network.generator.spectral_norm": True,
        "network.generator.width": 64,
    },
    "stackgan_birds": STACKGAN
    | {
        "data.batch_size": 64,
        "method.schedule.every": 50 * 138,
        "network.generator.width": 128,
        "network.discriminator.width": 64,
        "steps": 600 * 138,
    },
    "stackgan_birds256": STACKGAN
    | {"data.size": 256, "method.schedule.every": 100 * 138, "network.generator.blocks": 4, "steps": 600 * 138},
    "stackgan_coco": STACKGAN
    | {
        "data.batch_size": 128,
        "method.schedule.every": 20 * 647,
        "network.generator.activation": "relu",
        "network.generator.width": 192,
        "network.discriminator.width": 96,
        "steps": 120 * 647,
    },
    "stackgan_coco256": STACKGAN
    | {
        "data.batch_size": 40,
        "method.schedule.every": 20 * 2070,
        "network.generator.blocks": 2,
        "network.generator.width": 192,
    },
    "context_encoder_folder": {
        "data.batch_size": 64,
        "data.size": 128,
        "method.adversarial_weight": 0.001,
        "method.generator_optimizer.lr": 2e-3,
        "method.discriminator_optimizer.lr": 2e-4,
        "method.overlap": 4,
        "network.generator.bottleneck": 4000,
    },
    "partial_convolution_folder": {
        "data.batch_size": 16,
        "method.features": "vgg",
        "method.hole_weight": 6.0,
        "method.optimizer.lr": 2e-4,
        "method.style_weight": 120.0,
    },
    "noisy_classifier_imagenet64": {"method.process.schedule": "cosine", "network.classifier.blocks": 4},
}


@pytest.mark.parametrize("name", PAPERS)
def test_an_experiment_has_its_authors_settings(name: str) -> None:
    config = check("train", [f"experiment={name}", "data.root=none"])
    found = {key: OmegaConf.select(config, key) for key in PAPERS[name]}
    assert found == PAPERS[name]
