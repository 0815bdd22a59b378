"""What the heads of the published FCNs have in common, as tables: crops, scales and the kernel of interpolation.

Source: fcn.berkeleyvision.org, voc-fcn{32,16,8}s/net.py, voc-fcn8s-atonce/net.py and surgery.py.
"""

import numpy as np

# How far a skip, or the last map by its factor, is cropped when conv1_1 is padded by 100 px. They follow from pads and
# kernel sizes; tests/models/test_alignment.py shows that nothing is shifted.
CROPS = {"pool4": 5, "pool3": 9, 32: 19, 16: 27, 8: 31}
# At-once training scales the pools so that all streams start with gradients of one size (PAMI 2017, section 4.3).
POOL_SCALES = {"pool4": 0.01, "pool3": 0.0001}


def bilinear_2d(size):
    """float64 (size, size): the interpolation weights of surgery.upsample_filt."""
    factor = (size + 1) // 2
    center = factor - 1 if size % 2 else factor - 0.5
    line = 1 - np.abs(np.arange(size) - center) / factor
    return np.outer(line, line)
