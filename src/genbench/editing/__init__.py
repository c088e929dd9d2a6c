"""What is done to images, or to latents, with a trained model: one editor a file."""
