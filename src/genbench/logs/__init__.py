"""What a training reports and where it is written: tables, W&B runs, the names of figures."""
