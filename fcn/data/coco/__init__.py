"""COCO instance annotations, and their conversion to label files."""
