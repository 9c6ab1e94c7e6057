"""One image as many tasks: its tiles, then the parts of its label image.

For images larger than memory, and for one image on many processes or machines.

    plan.py          how an image is cut, as data, and the folder in which the work is kept
    tile_job.py      the masks of a tile
    found_tiles.py   the files with the masks of tiles
    objects_file.py  the objects of the whole image, read where they are needed
    label_job.py     the parts of the label image, as OME-Zarr
    whole_image.py   all of it for one image: tiles, joining, labels, results

The masks are those of `SamAutomaticMaskGenerator` with the same `tile_size`, whatever the number of
processes and the order in which tiles are finished: tiles are joined by one process, by the same
function. What is finished is a file in the folder of the work, so a stopped run goes on there.
"""
