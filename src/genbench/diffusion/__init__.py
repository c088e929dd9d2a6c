"""Diffusion: schedules, processes, parameterisations and samplers. Pure functions; they import nothing of GenBench."""
