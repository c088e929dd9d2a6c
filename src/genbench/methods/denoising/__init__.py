"""Methods that learn to denoise, one file each."""
