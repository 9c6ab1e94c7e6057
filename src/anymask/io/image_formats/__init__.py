"""The image formats, one module or folder each.

Each has a registry entry ``FORMAT``, an `ImageFormat`. Looking up a format imports all of them, so
packages that are slow to import are imported where they are used.
"""
