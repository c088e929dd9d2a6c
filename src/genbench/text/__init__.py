"""Texts as tokens. It imports nothing above it."""
