"""What GenBench does on an accelerator, measured in minutes: `make accelerator`."""
