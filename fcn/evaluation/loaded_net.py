"""A net with loaded weights, with its own graph and session, so that one process can use several nets."""

import contextlib

from fcn.core import errors
from fcn.evaluation import inference
from fcn.models import graph_builder, tf_compat, variables
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.weights import checkpoint_reader, initialize


class LoadedNet(contextlib.AbstractContextManager):
    """The net of a model_source.EvaluatedModel. architecture: its Architecture. close() frees its memory."""

    def __init__(self, evaluated):
        self.architecture = Architecture.from_dict(evaluated.model | {"precision": evaluated.settings.precision})
        self._policy, self._held, self.is_open = evaluated.policy, 0.0, True
        graph = tf.Graph()
        with graph.as_default():
            self._net = graph_builder.inference(self.architecture, self._policy.never_predicted, prepared=True)
            steps = variables.preparation([self._net.logits])  # before the session has run anything
            self._session = tf_compat.new_session(graph)
            try:
                if evaluated.weights is None:
                    checkpoint_reader.restore(self._session, evaluated.checkpoint)
                else:
                    initialize.load_all(self._session, evaluated.weights)
                for step in steps:
                    self._session.run(step)
            except BaseException:
                self.close()
                raise

    @contextlib.contextmanager
    def predictor(self, config):
        """Yield an inference.Predictor with two predictions: without the ids that scores ignore, and the net's own.

        The benchmark expects the first; the protocol `tutorial` scores the second. config: InferenceConfig. Each thread
        needs its own predictor.
        """
        self.check_open()
        excluded_ids = self._policy.ignored_in_scores, self._policy.never_predicted
        made = inference.Predictor(self._session, self._net, config, excluded_ids,
                                   inference.need_of(self.architecture))
        made.room.held = self._held
        yield made
        self._held = max(self._held, made.room.held)

    def check_open(self):
        """Raise UsageError after close()."""
        if not self.is_open:
            raise errors.UsageError("the model is closed", fix="load it again with fcn.load().")

    def close(self):
        """Close the TensorFlow session."""
        self.is_open = False
        self._session.close()

    def __exit__(self, *_):
        self.close()
