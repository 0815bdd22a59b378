"""Every output pixel lies over its input pixel: shown by ramps, by impulses, by receptive fields and by arithmetic.

A cell of a map stands for a square of the image; pixel i of a row has its centre at i. In both alignments the centres
of a map's cells are evenly spaced, and upsampling must know where the first one is.
"""

import nets_help
import numpy as np
import pytest
from nets_help import THIN, THIN16, fresh, randomise, start

from fcn.config.variants import Variants
from fcn.core import registry
from fcn.models import convolution, published_nets
from fcn.models.architecture import BuildSettings
from fcn.models.encoders import _vgg_graph
from fcn.models.tf_compat import tf

pytestmark = pytest.mark.slow

ALIGNMENTS = ("same", "pad100")
ONE_WIDE, ONE_WIDE16 = dict.fromkeys(THIN, 1), dict.fromkeys(THIN16, 1)


@pytest.fixture(autouse=True)
def fewer_nodes(monkeypatch):
    """fc6 as an ordinary convolution: equal by test_layers.py, and a graph is built in half the time."""
    monkeypatch.setattr(convolution, "convolve_as_matmul", convolution.convolve_as_conv2d)


# --- ramps through whole nets ---

def passing_on(shape, layer):
    """A kernel that does nothing: its centre tap is 1, from the first channel; of an upsampling the bilinear one."""
    if layer.startswith("deconv"):
        return nets_help.bilinear(shape[0] // 2, 1)
    kernel = np.zeros(shape)
    kernel[shape[0] // 2, shape[1] // 2, 0] = 1
    return kernel


def through(net, images, alignment, silences):
    """Logits (N, H, W) of a net of width 1 that passes everything on, for every set of layers that are silent."""
    with fresh() as session:
        photo = tf.placeholder(tf.float32, (None, None, None, 3))
        variant = Variants(alignment=alignment, pool="avg", fusion="features" if net == "fcn8s_tutorial" else "scores")
        logits = nets_help.scores(net, photo, 1, ONE_WIDE, variant).pixels()
        start(session)
        kernels = {v.op.name: passing_on(v.shape.as_list(), v.op.name.split("/")[0])
                   for v in tf.trainable_variables() if v.op.name.endswith("/kernel")}
        for silent in silences:
            nets_help.put(session, {name: kernel * (name.split("/")[0] not in silent)
                                    for name, kernel in kernels.items()})
            yield session.run(logits, {photo: images})[..., 0]


def ramps(height, width):
    """(2, height, width, 3): 1, 2, 3 ... from row to row, and from column to column, in the first channel."""
    rows, columns = np.mgrid[1:height + 1, 1:width + 1].astype(float)
    return np.stack([np.stack([ramp, 0 * ramp, 0 * ramp], axis=-1) for ramp in (rows, columns)])


# Borders: cells that are not all in the image, and zeros round the map, are at most two and a half cells of 32 px wide.
INSIDE = (slice(None), slice(80, -80), slice(80, -80))
STREAMS = {"fcn32s": ("score_fr",), "fcn16s": ("score_fr", "score_pool4"),
           "fcn8s": ("score_fr", "score_pool4", "score_pool3"),
           "fcn4s": ("score_fr", "score_pool4", "score_pool3", "score_pool2")}


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("net", STREAMS)
def test_ramp_is_reproduced_through_every_stream(net, alignment):
    images = ramps(237, 301)
    silences = [set(STREAMS[net]) - {stream} for stream in STREAMS[net]]
    for found in through(net, images, alignment, silences):
        np.testing.assert_allclose(found[INSIDE], images[INSIDE][..., 0], atol=1e-3)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_ramp_is_reproduced_once_per_fused_feature(alignment):
    images = ramps(237, 301)
    silences = [{"deconv2"}, {"deconv1"}, {}]  # pool3 alone, pool4 and pool3, all three
    for streams, found in enumerate(through("fcn8s_tutorial", images, alignment, silences), 1):
        np.testing.assert_allclose(found[INSIDE], streams * images[INSIDE][..., 0], atol=2e-3)


@pytest.mark.parametrize("size", [(223, 257), (224, 224)])
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_ramp_is_independent_of_the_image_size(alignment, size):
    images = ramps(*size)
    found, = through("fcn8s", images, alignment, [{}])
    np.testing.assert_allclose(found[INSIDE], 3 * images[INSIDE][..., 0], atol=2e-3)


@pytest.mark.parametrize(("crop", "stream", "pixels"), [("pool4", "score_pool4", 16), ("pool3", "score_pool3", 8),
                                                        (8, "score_fr", 1)])
def test_crop_off_by_one_moves_the_ramp_by_one_cell(crop, stream, pixels, monkeypatch):
    monkeypatch.setitem(published_nets.CROPS, crop, published_nets.CROPS[crop] + 1)
    images = ramps(237, 301)
    found, = through("fcn8s", images, "pad100", [set(STREAMS["fcn8s"]) - {stream}])
    np.testing.assert_allclose(found[INSIDE], images[INSIDE][..., 0] + pixels, atol=1e-3)


# --- arithmetic ---

def convolved(at, size, stride=1, pad=0):
    """Where the pixels of a convolution's or a pool's output lie, as (step, first); `at` is that of its input."""
    step, first = at
    return step * stride, first + step * ((size - 1) / 2 - pad)


def deconvolution(at, size, stride, pad=0):
    """The same of a transposed convolution: output (size - 1) / 2 - pad lies over input 0."""
    step, first = at[0] / stride, at[1]
    return step, first - step * ((size - 1) / 2 - pad)


def maps(first_pad, fc6_pad, convolutions=(2, 2, 3, 3, 3)):
    """{name: (step, first)} of a VGG; pixel 0 of the image lies at 0, its neighbour at 1."""
    at, found = convolved((1, 0), 3, pad=first_pad), {}
    for stage, count in enumerate(convolutions, 1):
        for _ in range(count - (stage == 1)):
            at = convolved(at, 3, pad=1)
        at = found[f"pool{stage}"] = convolved(at, 2, stride=2)
    return found | {"fc7": convolved(convolved(at, 7, pad=fc6_pad), 1)}


def crops(at, deconv_pad):
    """{what is cropped: by how many of its own pixels}, so that everything that is added, and the image, coincide.

    deconv_pad(size, stride) is cut off every transposed convolution at once.
    """
    def up(coarse, factor):
        return deconvolution(coarse, 2 * factor, factor, deconv_pad(2 * factor, factor))

    def crop(large, target):
        assert large[0] == target[0]
        return (target[1] - large[1]) / large[0]

    two = up(at["fc7"], 2)
    four = up(two, 2)
    eight = up(four, 2)
    return {"pool4": crop(at["pool4"], two), "pool3": crop(at["pool3"], four), 32: crop(up(at["fc7"], 32), (1, 0)),
            16: crop(up(two, 16), (1, 0)), 8: crop(up(four, 8), (1, 0)), "pool2": crop(at["pool2"], eight),
            4: crop(up(eight, 4), (1, 0))}


@pytest.mark.parametrize("convolutions", [(2, 2, 3, 3, 3), (2, 2, 4, 4, 4)], ids=["VGG-16", "VGG-19"])
def test_published_crops_follow_from_pads_and_kernels(convolutions):
    at = maps(first_pad=100, fc6_pad=0, convolutions=convolutions)
    assert at["fc7"] == (32, 12.5)  # 15.5 - 99 + 3 cells of 32
    assert (at["pool4"], at["pool3"]) == ((16, 7.5 - 99), (8, 3.5 - 99))
    assert crops(at, lambda size, stride: 0) == published_nets.CROPS == {
        "pool4": 5, "pool3": 9, 32: 19, 16: 27, 8: 31, "pool2": 17, 4: 33}  # the last two not published


def test_same_padding_needs_only_the_crop_of_upsampling():
    at = maps(first_pad=1, fc6_pad=3)
    assert (at["fc7"], at["pool4"], at["pool3"]) == ((32, 15.5), (16, 7.5), (8, 3.5))
    assert set(crops(at, lambda size, stride: (size - stride) / 2).values()) == {0}


def test_full_upsampling_with_same_padding_crops_like_matconvnet():
    at = maps(first_pad=1, fc6_pad=3)  # 16 | 1, 8 | 1, 1, 4, of which the ones are cut at once
    found = crops(at, lambda size, stride: 1 if stride == 2 else 0)
    assert found == {"pool4": 0, "pool3": 0, 32: 16, 16: 8, 8: 4, "pool2": 0, 4: 2}


# --- impulses through the heads ---

CENTRES = {  # (step, first) by arithmetic, see above
    "same": {"fc7": (32, 15.5), "pool4": (16, 7.5), "pool3": (8, 3.5), "pool2": (4, 1.5)},
    "pad100": {"fc7": (32, 12.5), "pool4": (16, -91.5), "pool3": (8, -95.5), "pool2": (4, -97.5)},
}
SIZE = (160, 224)
MAPS = {
    "same": {"fc7": (5, 7), "pool4": (10, 14), "pool3": (20, 28), "pool2": (40, 56)},
    "pad100": {"fc7": (6, 8), "pool4": (23, 27), "pool3": (45, 53), "pool2": (90, 106)},  # of 358 x 422 px
}


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize(("net", "source"), [("fcn32s", "fc7"), ("fcn16s", "fc7"), ("fcn16s", "pool4"),
                                             ("fcn8s", "fc7"), ("fcn8s", "pool4"), ("fcn8s", "pool3"), ("fcn4s", "fc7"),
                                             ("fcn4s", "pool3"), ("fcn4s", "pool2")])
def test_impulse_is_upsampled_symmetrically_about_its_cell(net, source, alignment):
    step, first = CENTRES[alignment][source]
    cell = [int((side / 2 - first) // step) for side in SIZE]  # near the middle
    row, column = (first + step * i for i in cell)
    ends = {name: np.zeros((1, *size, 1), np.float32) for name, size in MAPS[alignment].items()}
    ends[source][0, cell[0], cell[1], 0] = 1
    with fresh() as session:
        tensors = {name: tf.placeholder_with_default(end, (None, None, None, 1)) for name, end in ends.items()}
        settings = BuildSettings(None, {}, Variants(alignment=alignment), SIZE, None, None, False)
        logits = registry.load("decoders", net).build(tensors, 1, settings).pixels()
        start(session)
        nets_help.put(session, {v.op.name: np.ones((1, 1, 1, 1)) for v in tf.trainable_variables()
                                if v.op.name.endswith("kernel")})
        found = session.run(logits)[0, :, :, 0]
    assert found.shape == SIZE
    # 96 px round the centre, which lies between two pixels; the widest response is 88 px.
    window = found[int(row - 47.5):int(row + 48.5), int(column - 47.5):int(column + 48.5)]
    assert window.shape == (96, 96)
    assert window.sum() == pytest.approx(step ** 2) == pytest.approx(found.sum())
    np.testing.assert_allclose(window, window[::-1], atol=1e-6)
    np.testing.assert_allclose(window, window[:, ::-1], atol=1e-6)
    assert window[47, 47] == window.max()


# --- what a cell sees ---

# By hand: 2 steps (pixels between the cells of its input) for a convolution, 1 for a pool, 6 for fc6.
FIELDS = [
    (ONE_WIDE16, "last", {"pool3": 44, "pool4": 100, "fc7": 404}),
    (ONE_WIDE, "last", {"pool3": 52, "pool4": 124, "fc7": 460}),
    (ONE_WIDE, "conv5_3", {"pool3": 52, "pool4": 124, "fc7": 428}),
]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize(("channels", "last_layer", "fields"), FIELDS, ids=["VGG-16", "VGG-19", "VGG-19 to conv5_3"])
def test_cell_has_a_symmetric_receptive_field(channels, last_layer, fields, alignment):
    with fresh() as session:
        image = tf.ones((1, 544, 1, 3))
        variant = Variants(alignment=alignment, pool="avg", last_layer=last_layer)
        ends = _vgg_graph.build(image, channels, 1.0, tf.zeros((2,), tf.int32), variant)
        cells = {name: [int((at - first) // step) for at in (272, 0)]
                 for name, (step, first) in CENTRES[alignment].items()}  # row and column; the image is 1 px wide
        seen = {name: tf.gradients(ends[name][0, cells[name][0], max(cells[name][1], 0), 0], image)[0]
                for name in fields}
        start(session)
        nets_help.put(session, {v.op.name: np.ones(v.shape.as_list()) / np.prod(v.shape.as_list()[:3])
                                for v in tf.trainable_variables() if v.op.name.endswith("kernel")})
        seen = {name: np.flatnonzero(gradient[0, :, 0, 0]) for name, gradient in session.run(seen).items()}
    for name, size in fields.items():
        step, first = CENTRES[alignment][name]
        assert len(seen[name]) == size == np.ptp(seen[name]) + 1
        assert (seen[name][0] + seen[name][-1]) / 2 == first + step * cells[name][0]


FAR = 230 + 48  # half of VGG-19's 460 px, and the widest response of an upsampled cell


def thin_logits(alignment, *images):
    with fresh() as session:
        photo = tf.placeholder(tf.float32, (None, None, None, 3))
        logits = nets_help.scores("fcn8s", photo, 3, THIN, Variants(alignment=alignment)).pixels()
        randomise(session)
        return [session.run(logits, {photo: image[None]})[0] for image in images]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_pixels_beyond_the_receptive_field_change_nothing(alignment):
    long = np.random.default_rng(0).uniform(-120, 120, (640, 24, 3))
    for turned in (long, long.swapaxes(0, 1)):
        whole, part = thin_logits(alignment, turned, turned[:619, :619])  # neither even nor a multiple of 32
        if turned is not long:
            whole, part = whole.swapaxes(0, 1), part.swapaxes(0, 1)
        difference = np.abs(whole[:619] - part).max(axis=(1, 2)) / np.abs(whole).max()
        assert difference[:619 - FAR].max() < 1e-5
        assert difference[-32:].max() > 1e-3  # the border itself is another one


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_image_shifted_by_32_px_shifts_its_logits(alignment):
    long = np.random.default_rng(0).uniform(-120, 120, (704, 24, 3))
    whole, moved = thin_logits(alignment, long, long[32:])
    inside = slice(FAR, -FAR)
    assert len(moved[inside]) == 116
    assert np.ptp(whole[32:][inside], axis=0).max() > 0.1 * np.abs(whole).max()
    np.testing.assert_allclose(whole[32:][inside], moved[inside], atol=1e-5 * np.abs(whole).max())


def test_fc7_grid_is_the_size_rounded_up_to_multiples_of_32():
    with fresh() as session:
        images = tf.placeholder(tf.float32, (None, None, None, 3))
        ends = _vgg_graph.build(images, ONE_WIDE, 1.0, tf.zeros((2,), tf.int32), Variants())
        start(session)
        for height in (1, 31, 32, 33, 64, 65, 237):
            rounded = -(-height // 32) * 32
            found, whole = (session.run(ends, {images: np.zeros((1, side, 40, 3))}) for side in (height, rounded))
            assert found["fc7"].shape == whole["fc7"].shape == (1, rounded // 32, 2, 1)
            assert found["pool3"].shape == (1, -(-height // 8), 5, 1)
            assert found["pool4"].shape == (1, -(-height // 16), 3, 1)
