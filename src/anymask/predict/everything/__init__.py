"""Segment every object in an image: prompt a grid of points, keep good masks, drop duplicates.

options.py          all options, with defaults, ranges and help texts
generator.py        SamAutomaticMaskGenerator: image → tiles → crops → masks
grids.py            positions of points, crops and tiles
decoder_passes.py   points in passes of the decoder, in several threads (workers.py)
filtering.py        low-resolution logits → stable masks as run lengths
                    (enlarging.py, block_masks.py)
tile_joining.py     joins objects cut by the edges of tiles
small_regions.py    fills holes and removes islands
duplicates.py       which of several masks of one object is kept
found_once.py       an image segmented once, thresholds chosen afterwards
"""
