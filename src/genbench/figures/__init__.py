"""Pictures: grids of images, and later interpolations, charts and the report."""
