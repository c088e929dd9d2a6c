"""One DataModule a data set, and the store of prepared images beneath them."""
