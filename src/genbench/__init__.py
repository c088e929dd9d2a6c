"""GenBench: generative methods trained, sampled and scored under one protocol by one command."""

__version__ = "0.1.0"
