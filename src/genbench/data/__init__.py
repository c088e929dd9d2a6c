"""A DataModule for each data set, and the store of prepared images that they use."""
