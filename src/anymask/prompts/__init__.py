"""Prompts for many objects: what is wanted, before any model is asked.

    prompts.py    `Prompts`: boxes and points of many objects, in one or many images
    parts.py      what a file says row by row, collected to objects
    placing.py    coordinates of files and maps → pixels of an image
    pictures.py   names in files → the images they mean
    checks.py     what the columns of `Prompts` may hold
    edges.py      what lies in an image

Files with prompts are read by `anymask.io.read_prompts`; `SamPredictor.predict_many` answers them.
"""
