"""The mask formats, one module each.

Each has its entry in the registry as ``FORMAT``, a `MaskFormat`.
"""
