"""Drawn training scenes: canvas, shapes, textures, and one module for each family of pictures."""
