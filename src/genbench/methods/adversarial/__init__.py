"""Methods that are trained by a game of two networks, one file each."""
