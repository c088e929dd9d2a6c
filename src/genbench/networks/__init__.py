"""Torch modules without training logic. They import nothing else of GenBench."""
