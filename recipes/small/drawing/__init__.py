"""Synthetic training scenes: canvas, shapes, textures, and one module per family of images."""
