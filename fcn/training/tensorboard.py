"""TensorBoard's events: scalars, pictures of the validation, and the graph. `tensorboard --logdir runs` shows them.

A file of events is one of TFRecords. tf.summary.FileWriter would write it from a thread of its own, which ends for good
on a full disk, with a traceback; here what cannot be written is left out, and a new file is begun when there is room.
"""

import contextlib
import io
import pathlib
import platform
import time

import imageio.v3 as imageio

from fcn.data import render
from fcn.models.tf_compat import tf, tf_errors


class EventWriter:
    """Writes RUN/events. What is later than first_step is hidden: a resumed run writes it again.

    error: why the last event could not be written, or "".
    """

    def __init__(self, run, first_step, graph=None):
        self.folder, self.writer, self.error, self.files = pathlib.Path(run) / "events", None, "", 0
        self.path = self.folder
        if graph and first_step == 0:
            self._add(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString())
        self._add(step=first_step + 1, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def scalars(self, entry):
        """The numbers of a log's entry, at its step."""
        values = [tf.Summary.Value(tag=key, simple_value=value) for key, value in entry.items() if key != "step"]
        self._add(step=entry["step"], summary=tf.Summary(value=values))

    def samples(self, step, samples, spec):
        """photo | label | prediction of each sample, with a legend. samples: (photo, label, prediction), uint8."""
        values = []
        for number, (photo, label, prediction) in enumerate(samples):
            panel, file = render.panel(photo, label, prediction, spec), io.BytesIO()
            imageio.imwrite(file, panel, extension=".png")
            image = tf.Summary.Image(height=panel.shape[0], width=panel.shape[1], colorspace=3,
                                     encoded_image_string=file.getvalue())
            values.append(tf.Summary.Value(tag=f"validation/{number}", image=image))
        self._add(step=step, summary=tf.Summary(value=values))

    def _add(self, **content):
        try:
            self.writer = self.writer or self._begin()
            self.writer.write(tf.Event(wall_time=time.time(), **content).SerializeToString())
            self.writer.flush()
            self.error = ""
        except (tf_errors.OpError, OSError) as error:  # the end of this file is torn now; readers go on with the next
            self.writer, self.error = None, str(error).strip().splitlines()[-1][:300]
            with contextlib.suppress(OSError):
                if self.path.stat().st_size == 0:
                    self.path.unlink()

    def _begin(self):
        """A new file, named as TensorBoard looks for it and after those before it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        start = f"events.out.tfevents.{int(time.time()):010d}.{platform.node()}"
        while True:
            self.files += 1
            self.path = self.folder / f"{start}.{self.files:06d}"
            with contextlib.suppress(FileExistsError):  # of a start in the same second
                self.path.open("x").close()
                break
        writer = tf.io.TFRecordWriter(str(self.path))
        writer.write(tf.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        return writer
