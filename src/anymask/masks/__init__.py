"""Masks as data: run lengths, boxes, suppression of duplicates, regions, labels, whole sets."""
