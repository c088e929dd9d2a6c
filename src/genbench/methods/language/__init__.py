"""Frozen language models, one file each."""
