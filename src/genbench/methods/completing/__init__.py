"""Methods that fill in what is missing of images."""
