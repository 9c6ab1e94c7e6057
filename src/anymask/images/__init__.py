"""Images in memory: their values, bands and spectra, and 8-bit RGB in the size that models take."""
