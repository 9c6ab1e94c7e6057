"""Two formats for anymask, as an example of a package that adds formats."""
