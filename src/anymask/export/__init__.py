"""Writing results to files, whole or not at all."""
