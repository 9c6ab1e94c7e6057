"""Pictures on their way in: reading files, bringing values to 8-bit RGB, resizing for the model."""
