"""What SavedModel, .pb, .tflite and .onnx are made of: the graph that predicts, with a checkpoint's weights."""

import contextlib

from fcn import checkpoint
from fcn import model as models
from fcn.tf1 import session as new_session
from fcn.tf1 import tf

OUTPUTS = ("logits", "prediction")


@contextlib.contextmanager
def opened(folder, model):
    """(session, model.Inference) of the checkpoint in `folder`, in a graph of its own. Raises WeightsError."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        net = models.inference(**model)
        checkpoint.restore(session, folder)
        yield session, net


def frozen(folder, model):
    """The GraphDef from "images" to OUTPUTS whose variables are constants."""
    with opened(folder, model) as (session, _):
        return tf.graph_util.convert_variables_to_constants(session, session.graph_def, OUTPUTS)
