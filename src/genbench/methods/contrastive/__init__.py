"""Methods that learn by contrasting pairs that belong together with pairs that do not."""
