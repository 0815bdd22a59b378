"""A few steps of a new run with random weights, to measure times before it starts. Nothing is written."""

import contextlib
import dataclasses
import statistics

from fcn.config import training_config
from fcn.models import tf_compat
from fcn.models.tf_compat import tf
from fcn.training import dry_run, loop, setup, trainer
from fcn.weights import initialize


@contextlib.contextmanager
def of(job):
    """Build the net of a setup.Job with random weights; inside, (trainer.Trainer, session)."""
    random = setup.read_weights(dataclasses.replace(job.settings, weights=training_config.NO_WEIGHTS))
    with trainer.built(job) as built, tf_compat.new_session() as session:
        session.run(tf.local_variables_initializer())
        initialize.load_weights(session, random, job.spec.class_names, built.graph.num_classes, "fresh", None)
        yield built, session


def step_seconds(built, session):
    """Return the median seconds of a training step, with a learning rate of 0. Arguments: what of() gives."""
    at = loop.Position.of({"step": 0}, 1, built.job.settings.batches_per_step)
    seconds, _ = dry_run.timed_steps(session, built, at, lambda step: 0.0)
    return statistics.median(seconds)
