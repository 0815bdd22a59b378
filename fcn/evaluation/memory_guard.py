"""Memory check before prediction. Without it, the system would kill a process that runs out of memory, silently."""

from fcn.core import errors, machine
from fcn.evaluation import tiling
from fcn.models import components
from fcn.training import resources
from fcn.training.resources import FLOAT

UNCHECKED_BYTES = 1e9  # images that need less are not checked


class Room:
    """Memory check for one net and one InferenceConfig.

    need: function from need_of(); None turns the check off.
    """

    def __init__(self, config, num_classes, need, session):
        self.config, self.num_classes, self.need, self.session = config, num_classes, need, session
        self.held = 0.0  # bytes that TensorFlow has allocated for earlier images and keeps

    def needed(self, base, target, is_plain=True, count=1):
        """Return (bytes for the net, bytes for scores), without the program and the weights.

        base, target: (height, width) at scale 1 and of the prediction. count: images in a pass of the graph. is_plain:
        the graph computes the argmax. Otherwise scores are held too: several copies for a window, the unfinished rows
        of an image in several windows at every scale, and a few strips. Mirrored windows are up to 31 px wider.
        """
        sizes, flip = self.config.sizes(base), self.config.flip
        spans = [self.config.spans(size) for size in sizes]
        net = max(self.need((down[0][1], min(across[0][1] + 31 * flip, width)), is_plain)
                  for (_, width), (down, across) in zip(sizes, spans, strict=True))
        if is_plain:
            return net * count, 0.0
        scores = 0
        for (_, width), (down, across) in zip(sizes, spans, strict=True):
            in_windows = len(down) * len(across) > 1
            scores += down[0][1] * (width * in_windows + (3 + 2 * (flip and in_windows)) * across[0][1])
        return net, FLOAT * self.num_classes * scores + 6 * tiling.STRIP_BYTES + target[0] * target[1]

    def fits(self, size_px, count):
        """Whether a pass of `count` images of one size, and all its scores, need so little that they are not checked.

        The scores are compared once, see batching.py.
        """
        return self.need is None or count * self.need(size_px, False) <= UNCHECKED_BYTES

    def check(self, base, target, is_plain=True, count=1):
        """Raise MachineError if the available memory is too small. Arguments as in needed().

        Memory that TensorFlow allocated for earlier images is reused, although the system does not count it as
        available.
        """
        if self.need is None:
            return
        net, scores = self.needed(base, target, is_plain, count)
        if net + scores > UNCHECKED_BYTES:
            free = machine.available_memory()
            if free is not None and net + scores > free + self.held and not self._on_gpu():
                raise errors.MachineError(f"an image of {base[0]} x {base[1]} px needs about "
                                          f"{(net + scores) / 1e9:.1f} GB of memory, {(free + self.held) / 1e9:.1f} GB "
                                          "are available", fix=self.fix(base))
        self.held = max(self.held, net)

    def fix(self, base):
        """Return the fix for an image of `base` (height, width) px: windows smaller than the present network input."""
        input_px = int(min([max(base) * max(self.config.scales), *(self.config.window or ())]))
        smaller = max(tiling.SMALLEST_PX, min(512, input_px // 64 * 32))
        if smaller >= input_px:
            return "end other programs, or give a smaller --size."
        return f"--window {smaller} predicts in windows, which takes less memory."

    def _on_gpu(self):
        return any(device.device_type == "GPU" for device in self.session.list_devices())


def need_of(architecture):
    """Return need(size_px, is_plain), a function that returns the bytes that a net needs for an image.

    size_px: (height, width). is_plain: the graph computes the argmax.
    """
    net, width = components.of(architecture.net), 2 if architecture.precision != "float32" else FLOAT

    def need(size_px, is_plain=True):
        return resources.forward(net.memory_map(architecture, size_px), size_px,
                                 net.score_count(architecture, size_px), width, is_plain)
    return need
