"""Pictures: grids of images, interpolations, charts and the report."""
