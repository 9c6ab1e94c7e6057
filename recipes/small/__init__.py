"""The recipe of the shipped model: `python -m recipes.small` trains it from image data."""
