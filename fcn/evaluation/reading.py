"""Samples of images and of the frames of videos, in order, read by threads; what cannot be read becomes a Problem."""

import contextlib
import dataclasses

from fcn.core import errors
from fcn.data import file_checks, images, video
from fcn.data.spec import DatasetSpec
from fcn.evaluation import image_sources, read_ahead
from fcn.evaluation.image_sources import Sample


@dataclasses.dataclass(frozen=True)
class Reader:
    """How to read images. size_px: (height, width) of the network input, None for the image's own size.

    max_pixels: limit for a decoded image. skip_bad: an image that cannot be read is a Problem, not an error.
    is_single: no other image is to be read, so the message does not advise to leave this one out.
    """

    spec: DatasetSpec
    size_px: tuple[int, int] | None
    max_pixels: int
    skip_bad: bool
    is_single: bool

    def items(self, numbered):
        """Yield the arguments of read() of these (number, Source): (number, Source, None) of an image.

        Of a frame, (number, Source, (its number from 1, uint8 (h, w, channels))). A damaged video ends with (number,
        Source, Problem) after its readable frames, also without skip_bad. Raises DataError for a video without any.
        """
        for number, source in numbered:
            if source.clip is None:
                yield number, source, None
                continue
            frame = 0
            try:
                for frame, pixels in enumerate(video.frames(source.clip, self.max_pixels), 1):
                    yield number, source, (frame, pixels)
            except errors.DataError as error:
                if not (self.skip_bad or frame or not self.is_single):
                    raise
                yield number, source, file_checks.problem(error, source.photo)

    def read(self, item):
        """Return (number, Sample), or (number, Problem) of an image that is left out. Raises DataError."""
        number, source, part = item
        if isinstance(part, errors.Problem):
            return number, part
        if part is not None:
            return number, self._frame(source, *part)
        try:
            return number, image_sources.read_sample(source, self.spec, self.size_px, self.max_pixels)
        except errors.DataError as error:
            if self.skip_bad:
                return number, file_checks.problem(error, source.photo)
            if self.is_single:
                raise
            fix = " ".join(filter(None, [error.fix, "--skip-bad continues without it."]))
            raise errors.DataError(error.what, where=error.where, why=error.why, fix=fix) from None

    def _frame(self, source, number, frame):
        """The Sample of a frame, named NAME/000001, NAME/000002, ..."""
        network_input = images.resize_image(frame, self.size_px or frame.shape[:2])
        return Sample(f"{source.name}/{number:06}", frame, None, network_input, None, source.clip.fps)


@contextlib.contextmanager
def ahead(found, numbers, spec, size_px, settings):
    """Context manager of an iterator over (number, Sample or Problem) of the Sources `found`, read ahead by threads.

    numbers: of the Sources. settings: skip_bad and max_pixels of a Config. Raises DataError.
    """
    reader = Reader(spec, size_px, settings.max_pixels, settings.skip_bad, len(found) == 1)
    with contextlib.closing(reader.items(zip(numbers, found, strict=True))) as items, \
            read_ahead.ReadAhead(reader.read, items, lambda found: pixels(found[1])) as samples:
        yield samples


def pixels(sample):
    """Number of pixels of a Sample's photo; 0 of a Problem."""
    return sample.photo.shape[0] * sample.photo.shape[1] if isinstance(sample, Sample) else 0


def batches(samples, most):
    """Yield lists of consecutive (number, Sample) for one forward pass; a (number, Problem) is a list by itself.

    most: function of the first Sample of a list -> most of them. Network inputs of a list have the same shape.
    """
    batch: list = []
    for number, sample in samples:
        is_problem = isinstance(sample, errors.Problem)
        if batch and (is_problem or sample.network_input.shape != batch[0][1].network_input.shape):
            yield batch
            batch = []
        batch.append((number, sample))
        held = sum(pixels(one) for _, one in batch)
        if is_problem or len(batch) >= most(batch[0][1]) or not read_ahead.has_room(len(batch), held):
            yield batch
            batch = []
    if batch:
        yield batch
