"""Whether an image fits into memory, asked before a net sees it: a process that the system ends for it says nothing."""

from fcn.core import errors, machine
from fcn.evaluation import tiling
from fcn.models import components
from fcn.training import resources
from fcn.training.resources import FLOAT

UNASKED_BYTES = 1e9  # what needs less is never refused


class Room:
    """Of one net and one inference_config.InferenceConfig, image after image.

    need: bytes that the net takes for an image, see need_of(); None: nothing is ever refused.
    """

    def __init__(self, config, num_classes, need, session):
        self.config, self.num_classes, self.need, self.session = config, num_classes, need, session
        self.held = 0.0  # bytes that the net has taken so far, and keeps

    def needed(self, base, target, is_plain=True):
        """(bytes that the net takes, bytes of scores besides), beside the program and the weights.

        base, target: (height, width) at scale 1 and of the ids. is_plain: the argmax is made in the graph. Else scores
        are held too: those of a window several times, as they come, are prepared and joined; of images in more windows
        than one the rows that are open at every scale; and a few strips. Mirrored windows are up to 31 px wider.
        """
        sizes, flip = self.config.sizes(base), self.config.flip
        spans = [self.config.spans(size) for size in sizes]
        net = max(self.need((down[0][1], min(across[0][1] + 31 * flip, width)), is_plain)
                  for (_, width), (down, across) in zip(sizes, spans, strict=True))
        if is_plain:
            return net, 0.0
        scores = 0
        for (_, width), (down, across) in zip(sizes, spans, strict=True):
            in_windows = len(down) * len(across) > 1
            scores += down[0][1] * (width * in_windows + (3 + 2 * (flip and in_windows)) * across[0][1])
        return net, FLOAT * self.num_classes * scores + 6 * tiling.STRIP_BYTES + target[0] * target[1]

    def check(self, base, target, is_plain=True):
        """Raise MachineError if the machine has not as much; arguments as in needed().

        What the net took for an image before is TensorFlow's to use again, though it no longer counts as available.
        """
        if self.need is None:
            return
        net, scores = self.needed(base, target, is_plain)
        if net + scores > UNASKED_BYTES:
            free = machine.available_memory()
            if free is not None and net + scores > free + self.held and not self._on_gpu():
                raise errors.MachineError(f"an image of {base[0]} x {base[1]} px needs about "
                                          f"{(net + scores) / 1e9:.1f} GB of memory, {(free + self.held) / 1e9:.1f} GB "
                                          "are there for it", fix=self.fix(base))
        self.held = max(self.held, net)

    def fix(self, base):
        """Advice for an image of `base` (height, width) px: windows smaller than what the net saw of it."""
        seen = int(min([max(base) * max(self.config.scales), *(self.config.window or ())]))
        smaller = max(tiling.SMALLEST_PX, min(512, seen // 64 * 32))
        if smaller >= seen:
            return "end other programs, or give a smaller --size."
        return f"--window {smaller} predicts in windows, which takes less memory."

    def _on_gpu(self):
        return any(device.device_type == "GPU" for device in self.session.list_devices())


def need_of(architecture):
    """Function of (height, width), and whether the argmax is made in the graph -> bytes that a net takes for an image;
    None if its encoder does not know.
    """
    parts, width = components.of(architecture.net), 2 if architecture.precision == "bfloat16" else FLOAT
    if parts.memory_map(architecture, (tiling.SMALLEST_PX, tiling.SMALLEST_PX)) is None:
        return None

    def need(size_px, is_plain=True):
        return resources.forward(parts.memory_map(architecture, size_px), size_px,
                                 parts.score_count(architecture, size_px), width, is_plain)
    return need
