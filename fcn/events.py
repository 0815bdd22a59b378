"""TensorBoard's events: scalars, pictures of the validation, and the graph. `tensorboard --logdir runs` shows them."""

import io
import pathlib

import imageio.v3 as imageio

from fcn import pictures
from fcn.tf1 import tf


class Events:
    """Writes RUN/events. What is later than first_step is hidden: a resumed run writes it again."""

    def __init__(self, run, first_step, graph=None):
        self.writer = tf.summary.FileWriter(str(pathlib.Path(run) / "events"), graph if first_step == 0 else None)
        self.writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), first_step + 1)

    def scalars(self, entry):
        """The numbers of a log's entry, at its step."""
        values = [tf.Summary.Value(tag=key, simple_value=value) for key, value in entry.items() if key != "step"]
        self._add(values, entry["step"])

    def samples(self, step, samples, spec):
        """photo | label | prediction of each sample, with a legend. samples: (photo, label, prediction), uint8."""
        values = []
        for number, (photo, label, prediction) in enumerate(samples):
            panel, file = pictures.panel(photo, label, prediction, spec), io.BytesIO()
            imageio.imwrite(file, panel, extension=".png")
            image = tf.Summary.Image(height=panel.shape[0], width=panel.shape[1], colorspace=3,
                                     encoded_image_string=file.getvalue())
            values.append(tf.Summary.Value(tag=f"validation/{number}", image=image))
        self._add(values, step)

    def _add(self, values, step):
        self.writer.add_summary(tf.Summary(value=values), step)
        self.writer.flush()
