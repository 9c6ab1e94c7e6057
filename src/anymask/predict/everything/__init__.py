"""Every object of an image: points are asked, good masks kept, duplicates dropped.

options.py          what can be set, with defaults, ranges and help texts
generator.py        SamAutomaticMaskGenerator: image → tiles → crops → masks
grids.py            where points, crops and tiles lie
decoder_passes.py   points asked in passes of the decoder, by several threads (workers.py)
filtering.py        low-resolution logits → stable masks as run lengths
                    (enlarging.py, block_masks.py)
tile_joining.py     objects that the edges of tiles cut
small_regions.py    holes filled and islands removed
duplicates.py       which of several masks of one object stays
found_once.py       an image segmented once, thresholds chosen afterwards
"""
