"""Logging of trainings: tables, W&B runs, and the names of figures."""
