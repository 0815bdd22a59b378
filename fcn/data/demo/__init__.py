"""The embedded demo: generated scenes in ADE20K's folders and a narrow VGG-19."""
