"""Settings of prediction: size of the network input, tiling, scales, mirroring and merging."""

import dataclasses

from fcn.core import errors
from fcn.evaluation import tiling

ENLARGE = ("labels", "scores")
SMALLEST_PX = 32


@dataclasses.dataclass(frozen=True)
class InferenceConfig:
    """Settings of prediction. Raises UsageError for invalid values.

    size: (height, width) of the network input at scale 1 (the base grid), in px; None: the image's own size.
    window: (height, width) of windows (tiles) in px, multiples of 32; None: whole images.
    overlap: of neighbouring windows; below 1 a share of the window, else px (tiling.along).
    merge: key of tiling.RULES, used for windows, scales and mirrored images.
    scales: factors of the base grid's size.
    flip: predict each window mirrored as well.
    enlarge: "labels" computes ids on the base grid and resizes them by nearest neighbour, as in the benchmark's
        demoSegmentation.m. "scores" resizes merged scores bilinearly to the original size and computes ids there.
    threshold: of two classes, the least probability of the foreground; None: the class with the largest score.
    """

    size: tuple[int, int] | None = None
    window: tuple[int, int] | None = None
    overlap: float = 0.5
    merge: str = "mean"
    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    enlarge: str = "labels"
    threshold: float | None = None

    def __post_init__(self):
        if self.window:
            tiling.check(self.window, self.overlap)
        for name, value, allowed in (("merge", self.merge, tiling.RULES), ("enlarge", self.enlarge, ENLARGE)):
            if value not in allowed:
                raise errors.UsageError(f"invalid {name} '{value}'", fix=f"use one of {', '.join(allowed)}.")
        if not self.scales or not all(0 < scale < 100 for scale in self.scales):
            raise errors.UsageError(f"invalid scales {self.scales}", fix="use numbers above 0, such as 0.75,1,1.25.")

    def describe(self):
        """Return a sentence for report.json."""
        parts = [f"network input {f'{self.size[0]} x {self.size[1]} px' if self.size else 'at original size'}"]
        if self.scales != (1.0,):
            parts[0] += f" times {', '.join(f'{scale:g}' for scale in self.scales)}"
        if self.window:
            overlap = f"{self.overlap:g} px" if self.overlap >= 1 else f"{100 * self.overlap:g} %"
            parts.append(f"in windows of {self.window[0]} x {self.window[1]} px with {overlap} overlap")
        if self.flip:
            parts.append("original and mirrored")
        if self.window or self.flip or len(self.scales) > 1:
            parts.append(f"merged by {tiling.RULES[self.merge].text}")
        if self.enlarge == "scores" and self.size:
            parts.append("scores resized bilinearly to the original size")
        elif self.size:
            parts.append("prediction resized by nearest neighbour to the original size")
        if self.threshold is not None:
            parts.append(f"foreground from a probability of {self.threshold:g}")
        return ", ".join(parts)

    def sizes(self, base):
        """Return [(height, width)] of the image at each scale, at least 32 px per side. base: size of the base grid."""
        return [(max(SMALLEST_PX, round(base[0] * scale)), max(SMALLEST_PX, round(base[1] * scale)))
                if scale != 1 else base for scale in self.scales]

    def spans(self, size):
        """Return (vertical spans, horizontal spans) of the windows of an image of size (height, width)."""
        if self.window is None:
            return [(0, size[0])], [(0, size[1])]
        return (tiling.along(size[0], self.window[0], self.overlap),
                tiling.along(size[1], self.window[1], self.overlap))

    def is_plain(self, base):
        """Return whether a single forward pass of the whole image is enough."""
        return self.scales == (1.0,) and not self.flip and all(len(spans) == 1 for spans in self.spans(base))
