"""The image formats, one module or folder each.

Each has its entry in the registry as ``FORMAT``, an `ImageFormat`. Looking a format up imports all
of them, so packages that are slow to import are imported where they are used.
"""
