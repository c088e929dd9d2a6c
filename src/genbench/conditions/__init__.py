"""What a sample is asked to show: one kind of condition a file. Every room may import them."""
