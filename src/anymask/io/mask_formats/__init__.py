"""The mask formats, one module each.

Each has a registry entry ``FORMAT``, a `MaskFormat`.
"""
