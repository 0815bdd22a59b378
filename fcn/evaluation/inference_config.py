"""How an image is predicted, as settings: what the net sees of it, and how that becomes one answer."""

import dataclasses

from fcn.core import errors
from fcn.evaluation import tiling

ENLARGE = ("labels", "scores")
SMALLEST_PX = 32


@dataclasses.dataclass(frozen=True)
class InferenceConfig:
    """How an image is predicted. Raises UsageError for what cannot be.

    size: (height, width) px that the net sees at scale 1, the base grid; None: the image's own. window: (height,
    width) px, multiples of 32, or None for whole images. overlap: of windows, a share below 1 or px (tiling.along).
    merge: a rule of tiling.RULES, for windows, scales and mirrored images alike. scales: of the base grid.
    flip: each window also mirrored. enlarge: "labels": ids are found on the base grid and resized to the original by
    nearest neighbour, as in the benchmark's own demoSegmentation.m; "scores": merged scores are resized bilinearly to
    the original, and ids found there. Both are the same where the base grid is the original's.
    """

    size: tuple[int, int] | None = None
    window: tuple[int, int] | None = None
    overlap: float = 0.5
    merge: str = "mean"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    enlarge: str = "labels"

    def __post_init__(self):
        if self.window:
            tiling.check(self.window, self.overlap)
        for name, value, allowed in (("merge", self.merge, tiling.RULES), ("enlarge", self.enlarge, ENLARGE)):
            if value not in allowed:
                raise errors.UsageError(f"--{name} {value}: it is one of {', '.join(allowed)}")
        if not self.scales or not all(0 < scale < 100 for scale in self.scales):
            raise errors.UsageError(f"--scales {self.scales}: they are numbers above 0, such as 0.75,1,1.25")

    def describe(self):
        """The sentence for report.json."""
        parts = [f"the net sees each image at {f'{self.size[0]} x {self.size[1]} px' if self.size else 'its own size'}"]
        if self.scales != (1.0,):
            parts[0] += f" times {', '.join(f'{scale:g}' for scale in self.scales)}"
        if self.window:
            lapping = f"{self.overlap:g} px" if self.overlap >= 1 else f"{100 * self.overlap:g} %"
            parts.append(f"in windows of {self.window[0]} x {self.window[1]} px that overlap by {lapping}")
        if self.flip:
            parts.append("plain and mirrored")
        if self.window or self.flip or len(self.scales) > 1:
            parts.append(f"merged by {tiling.RULES[self.merge].text}")
        if self.enlarge == "scores" and self.size:
            parts.append("the scores are enlarged bilinearly to the original size")
        elif self.size:
            parts.append("the prediction is enlarged by nearest neighbour")
        return ", ".join(parts)

    def sizes(self, base):
        """[(height, width)] of the image at each scale, at least 32 px a side; base: that of the base grid."""
        return [(max(SMALLEST_PX, round(base[0] * scale)), max(SMALLEST_PX, round(base[1] * scale)))
                if scale != 1 else base for scale in self.scales]

    def spans(self, size):
        """(spans down, spans across) of the windows over an image of this size."""
        if self.window is None:
            return [(0, size[0])], [(0, size[1])]
        return (tiling.along(size[0], self.window[0], self.overlap),
                tiling.along(size[1], self.window[1], self.overlap))

    def is_plain(self, base):
        """Whether one pass over the whole image is all there is to it."""
        return self.scales == (1.0,) and not self.flip and all(len(spans) == 1 for spans in self.spans(base))
