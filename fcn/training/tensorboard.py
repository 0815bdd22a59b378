"""TensorBoard events: scalars, validation images and the graph. View them with `tensorboard --logdir runs`.

An event file is a TFRecord file. tf.summary.FileWriter is not used, because its thread ends with a traceback when the
disk is full. Here, events that cannot be written are dropped, and a new file is started when there is space again.
"""

import contextlib
import io
import pathlib
import platform
import time

import imageio.v3 as imageio

from fcn.data import images, render
from fcn.models.tf_compat import tf, tf_errors


class EventWriter:
    """Writes RUN/events. TensorBoard hides earlier events after first_step, because a resumed run writes them again.

    error: reason why the last event could not be written, or "".
    """

    def __init__(self, run, first_step, graph=None):
        self.folder, self.writer, self.error, self.files = pathlib.Path(run) / "events", None, "", 0
        self.path = self.folder
        if graph and first_step == 0:
            self._add(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString())
        self._add(step=first_step + 1, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def scalars(self, entry):
        """Write the numbers of a log entry, a dict with "step", as scalars."""
        values = [tf.Summary.Value(tag=key, simple_value=value) for key, value in entry.items() if key != "step"]
        self._add(step=entry["step"], summary=tf.Summary(value=values))

    def samples(self, step, samples, spec):
        """Write an image for each sample: photo, label and prediction side by side, with a legend.

        samples: list of (photo, label, prediction), uint8.
        """
        values = []
        for number, (photo, label, prediction) in enumerate(samples):
            panel, file = render.panel(images.as_rgb(photo), label, prediction, spec), io.BytesIO()
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
        except (tf_errors.OpError, OSError) as error:  # this file's last record may be incomplete; readers use the next
            self.writer, self.error = None, str(error).strip().splitlines()[-1][:300]
            with contextlib.suppress(OSError):
                if self.path.stat().st_size == 0:
                    self.path.unlink()

    def _begin(self):
        """Open a new event file. Names follow TensorBoard's pattern and sort after those of earlier files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        start = f"events.out.tfevents.{int(time.time()):010d}.{platform.node()}"
        while True:
            self.files += 1
            self.path = self.folder / f"{start}.{self.files:06d}"
            with contextlib.suppress(FileExistsError):  # from another start in the same second
                self.path.open("x").close()
                break
        writer = tf.io.TFRecordWriter(str(self.path))
        writer.write(tf.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        return writer
