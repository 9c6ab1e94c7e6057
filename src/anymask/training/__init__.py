"""Training: prompts simulated from masks, losses, and the recipe of the shipped model."""
