"""Stands for the package of this name: importing it installs anymask's in its place."""

from anymask.compat import install

install(replace=True)
