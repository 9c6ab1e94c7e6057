"""Masks as data: run lengths, boxes, duplicate removal, regions, label images, mask sets."""
