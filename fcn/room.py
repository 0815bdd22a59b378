"""Whether an image fits into memory, asked before a net sees it: a process that the system ends for it says nothing."""

from fcn import choices, errors, estimate, machine, resampling, windows
from fcn.estimate import FLOAT

UNASKED_BYTES = 1e9  # what needs less is never refused


class Room:
    """Of one net and one plan.Plan, image after image.

    need: bytes that the net takes for an image of (height, width), see need_of(); None: nothing is ever refused.
    """

    def __init__(self, plan, num_classes, need, session):
        self.plan, self.num_classes, self.need, self.session = plan, num_classes, need, session
        self.fitted = UNASKED_BYTES

    def needed(self, base, target, is_plain=True):
        """Bytes beside the program and the weights. base, target: (height, width) at scale 1 and of the ids.

        is_plain: the argmax is made in the graph. Else scores are held too: at every scale the rows that are open,
        and those of a window thrice, as they come, are prepared and joined; and a few strips.
        """
        sizes = self.plan.sizes(base)
        spans = [self.plan.spans(size) for size in sizes]
        net = max(self.need((down[0][1], across[0][1])) for down, across in spans)
        if is_plain:
            return net
        scores = sum(down[0][1] * (width + 3 * across[0][1])
                     for (_, width), (down, across) in zip(sizes, spans, strict=True))
        return net + FLOAT * self.num_classes * scores + 6 * resampling.STRIP_BYTES + target[0] * target[1]

    def check(self, base, target, is_plain=True):
        """Raise MachineError if the machine has not as much; arguments as in needed().

        What fitted once is not asked for again: TensorFlow still holds it, and it no longer counts as available.
        """
        if self.need is None:
            return
        needed = self.needed(base, target, is_plain)
        if needed <= self.fitted:
            return
        free = machine.available_memory()
        if free is not None and needed > free and not self._on_gpu():
            raise errors.MachineError(f"an image of {base[0]} x {base[1]} px needs about {needed / 1e9:.1f} GB of "
                                      f"memory, {free / 1e9:.1f} GB are free", cure=self.cure())
        self.fitted = needed

    def cure(self):
        smaller = 512 if self.plan.window is None else max(windows.SMALLEST_PX, min(self.plan.window) // 64 * 32)
        return f"--window {smaller} predicts in windows, which takes less memory."

    def _on_gpu(self):
        return any(device.device_type == "GPU" for device in self.session.list_devices())


def need_of(arguments):
    """Function (height, width) -> bytes that a net takes for an image; arguments: those of model.build()."""
    chosen = choices.of(arguments["net"], **(arguments.get("choices") or {}))
    width = 2 if arguments.get("precision") == "bfloat16" else FLOAT

    def need(size_px):
        return estimate.forward(arguments["channels"], size_px, arguments["num_classes"],
                                chosen.alignment == "pad100", width)
    return need
