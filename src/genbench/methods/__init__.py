"""One generative method a file: its losses in full view, nothing of data or scores."""
