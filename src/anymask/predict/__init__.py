"""Masks from images and prompts, everything in a picture, and encoded images in files."""
