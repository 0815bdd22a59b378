"""Annotations of COCO and labelme, and their conversion to label files."""
