"""Weights that others published: read without running anything, and turned into the weights of a method here."""
