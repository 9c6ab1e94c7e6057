"""The recipe of the shipped model: data, drawing, augmentation, and the loop."""
