"""A detector for the names of colours."""

import numpy as np
from skimage.color import rgb2hsv
from skimage.measure import label, regionprops

from anymask.predict.prompters import Detections, Prompter

HUES = {"red": 0, "yellow": 60, "green": 120, "cyan": 180, "blue": 240, "magenta": 300}


def find(image: np.ndarray, words: list[str]) -> Detections:
    """Find regions of strong colour; their mean saturation is the score."""
    hue, saturation, value = np.moveaxis(rgb2hsv(image), 2, 0)
    boxes, names, scores = [], [], []
    for word in words:
        if word not in HUES:
            continue
        off = np.abs((hue * 360 - HUES[word] + 180) % 360 - 180)
        regions = label((off < 30) & (saturation > 0.4) & (value > 0.2))
        for region in regionprops(regions, intensity_image=saturation):
            if region.area >= 50:
                top, left, bottom, right = region.bbox
                boxes.append((left, top, right, bottom))
                names.append(word)
                scores.append(region.intensity_mean)
    return Detections(boxes, names, scores)


PROMPTER = Prompter(name="colours", title="regions of a named colour", find=find)
