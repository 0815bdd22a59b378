"""How far an output pixel sees, against impulses through the real graphs: what is farther is not reached at all."""

import nets_help
import numpy as np
import pytest
from nets_help import THIN, THIN16, fresh, start

from fcn.config.variants import variants_of
from fcn.core import registry
from fcn.models import components, convolution, published_nets
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf

ONE_WIDE, ONE_WIDE16 = dict.fromkeys(THIN, 1), dict.fromkeys(THIN16, 1)
LENGTH, MIDDLE, ACROSS = 704, 352, 32  # photo k of 32 is black but for its line MIDDLE + k; MIDDLE is a multiple of 32


def sights(net, channels, given, axis):
    """[(first, last)] line that an output pixel sees of those along an axis, for pixels 0 to 31 of an endless photo.

    All weights are 1 and pools take means, so that no two ways from a pixel cancel out.
    """
    photos = np.zeros((32, LENGTH, ACROSS, 3))
    photos[range(32), range(MIDDLE, MIDDLE + 32)] = 1
    with fresh() as session:
        images = tf.placeholder(tf.float32, (None, None, None, 3))
        logits = nets_help.scores(net, images, 1, channels, variants_of(net, **{"pool": "avg"} | given)).pixels()
        start(session)
        nets_help.put(session, {v.op.name: np.full(v.shape.as_list(), "kernel" in v.op.name)
                                for v in tf.trainable_variables()})
        found = session.run(logits, {images: photos if axis == 0 else photos.swapaxes(1, 2)})
    photo, line = (found != 0).any(axis=(2 - axis, 3)).nonzero()
    away = MIDDLE + photo - line  # of what is seen from the pixel that sees it; the same for pixels 32 px apart
    return [(int((pixel + away[line % 32 == pixel]).min()), int((pixel + away[line % 32 == pixel]).max()))
            for pixel in range(32)]


@pytest.fixture(autouse=True)
def fewer_nodes(monkeypatch):
    """fc6 as an ordinary convolution: equal by test_layers.py, and a graph is built in half the time."""
    monkeypatch.setattr(convolution, "convolve_as_matmul", convolution.convolve_as_conv2d)


@pytest.mark.slow
@pytest.mark.parametrize(("net", "channels", "given", "axis"), [
    *((net, ONE_WIDE, {}, 1) for net in registry.names("nets")),
    *((net, ONE_WIDE16, {"alignment": "pad100"}, 1) for net in registry.names("nets")),
    ("fcn8s", ONE_WIDE16, {}, 0),
    ("fcn16s", ONE_WIDE, {"alignment": "pad100", "last_layer": "conv5_3"}, 0),
    ("fcn32s", ONE_WIDE, {"last_layer": "relu5_3", "learn_upsampling": True}, 1),
    ("fcn8s_tutorial", ONE_WIDE, {"last_layer": "conv5_4"}, 1),
])
def test_pixel_changes_outputs_up_to_the_margin_and_no_farther(net, channels, given, axis):
    architecture, parts = Architecture(net, 1, channels, variant=given), components.of(net)
    found = sights(net, channels, given, axis)
    assert found == [parts.receptive_field(pixel, architecture) for pixel in range(32)]
    farthest = max(max(pixel - first, last - pixel) for pixel, (first, last) in enumerate(found))
    assert farthest == components.margin(architecture)


@pytest.mark.parametrize(("net", "last_layer", "known", "field"), [
    ("fcn32s", "last", {"conv1_1": 64}, 404), ("fcn32s", "last", {}, 460), ("fcn32s", "conv5_3", {}, 428)])
def test_margin_of_32s_follows_from_the_receptive_field_of_fc6(net, last_layer, known, field):
    # A cell of fc6 lies over 32 px, pixels 0 to 31, and sees (field - 32) / 2 px more on either side. Pixel 16 is
    # mixed of cells 0 and 1, pixel 15 of cells -1 and 0: either sees 16 px of its own cell and a whole one farther.
    architecture = Architecture(net, 1, published_nets.widths(known), variant={"last_layer": last_layer})
    assert components.margin(architecture) == 16 - 1 + 32 + (field - 32) // 2


def test_skips_add_the_reach_of_their_upsampling():
    channels = published_nets.widths({"conv1_1": 64})
    margins = [components.margin(Architecture(f"fcn{n}s", 1, channels)) for n in (32, 16, 8)]
    # 32s: 15.5 px beyond its cell's centre at most. Upsampled by 2 and by 16 a pixel may mix in cells whose centre is
    # 8 px farther; by 2, 2 and 8 yet 4 px farther.
    assert margins == [233, 233 + 8, 233 + 8 + 4]
