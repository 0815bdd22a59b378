"""A published FCN-8s, put together by hand, is evaluated as it is: its predictions are those of its layers in NumPy."""

import nets_help
import numpy as np
import pytest
from formats_help import MEAN
from nets_help import MAXIMUM, conv, crop, spread
from PIL import Image
from test_formats_dagnn import interpolation, published_fcn8s

from fcn.cli import evaluate
from fcn.data.label_formats import ids

pytestmark = pytest.mark.slow


def layer_by_layer(image, body, scores, kernels):
    """Logits (h, w, classes) by MatConvNet's rules: pad 100, biases on upsampled scores, crops 5, 9, 31."""
    x = image - np.array(MEAN)
    weights = {f"{name}/{part}": array.astype(float) for name, pair in body.items()
               for part, array in zip(("kernel", "bias"), pair, strict=True)}
    _, pool3, pool4, fc7 = nets_help.body(x, weights, (MAXIMUM,) * 5, None, True)
    (fr, four, three), (up2, up4) = scores, (kernel.astype(float) for kernel in kernels)
    y = spread(conv(fc7, *fr, pad=0), up2, 2) + 1
    y = y + crop(conv(pool4, *four, pad=0), 5, y.shape)
    y = spread(y, up4, 2) + 2
    y = y + crop(conv(pool3, *three, pad=0), 9, y.shape)
    return crop(spread(y, interpolation(16).astype(float), 8), 31, x.shape)


def test_published_fcn8s_matches_its_layers_at_full_size(tmp_path):
    path, body, scores, kernels = published_fcn8s(tmp_path / "pascal-fcn8s-dag.mat")
    (tmp_path / "photos").mkdir()
    photos = {name: np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
              for seed, (name, size) in enumerate({"odd": (37, 61), "small": (9, 14)}.items())}
    for name, photo in photos.items():
        Image.fromarray(photo).save(tmp_path / f"photos/{name}.png")
    assert not evaluate.main(["--weights", str(path), "--images", str(tmp_path / "photos"), "--out",
                             str(tmp_path / "out")])
    for name, photo in photos.items():
        expected = layer_by_layer(photo, body, scores, kernels).argmax(axis=2)
        found = ids.read(tmp_path / f"out/predictions/{name}.png", None)
        assert len(np.unique(expected)) > 1
        assert (found == expected).mean() > 0.999  # float32 against float64, where two classes are all but equal
