"""Names of logged figures: one vocabulary for all methods, so that any two runs can be plotted on the same axes.

A key is `section/figure`, as in `loss/generator`. For the names of scores see `score_names`.
"""

SECTIONS = {
    "loss": "what the optimizers minimise",
    "adversary": "discriminator outputs, and penalties on the discriminator",
    "latents": "latents of autoencoders: their deviation, and how the codebook is used",
    "gradient": "norms of the gradients, before they are clipped",
    "learning_rate": "learning rates, where a schedule changes them",
    "score": "scores of the averaged weights",
    "speed": "images per second, seconds per step, the fraction of time spent waiting for data, memory",
    "samples": "pictures from fixed noise",
}

AXES = ("step", "images", "seconds")
"""Possible x-axes of a figure; each row has all three."""
