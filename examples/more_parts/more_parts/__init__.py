"""One of each part that anymask takes from other packages, as an example of such a package."""
