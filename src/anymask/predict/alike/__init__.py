"""Find all objects like some that are shown, in the same image and in others.

finding.py      find_alike and AlikeFinder: images and examples → masks with a likeness
examples.py     what a person shows: masks, boxes and clicks → masks
candidates.py   everything in an image at low thresholds, kept in memory or in a folder
describing.py   features, colour, size and shape of each candidate
likeness.py     the classifier: how likely each candidate is of the kind
found_alike.py  the result: scored masks, with a threshold to be chosen afterwards
"""
