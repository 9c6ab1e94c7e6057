"""Predict masks from prompts, segment everything in an image, and store encoded images."""
