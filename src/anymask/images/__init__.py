"""Images in memory: values, bands and spectra, and 8-bit RGB at the size that models take."""
