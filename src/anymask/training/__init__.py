"""Training: prompts simulated from masks, losses, fine-tuning and its verdict."""
