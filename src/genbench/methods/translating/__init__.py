"""Methods that give a source image one image, without chance: what generative translations are compared with."""
