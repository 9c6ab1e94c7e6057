"""Annotating in a notebook: the page of `anymask serve` in a cell, answered by the kernel.

Needs the extra ``notebook``.
"""
