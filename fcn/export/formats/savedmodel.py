"""SavedModel: a folder for tf.saved_model.load of TensorFlow 2 and for TensorFlow Serving.

Each output has its own signature, because TensorFlow 2 and Serving compute all outputs of a signature. Users who need
only class ids do not pay for probabilities.
"""

from fcn.core import errors
from fcn.export.formats import _check
from fcn.models import graph_builder, layers
from fcn.models.tf_compat import first_line, new_session, run, tf, tf_errors
from fcn.weights import checkpoint_reader

SIGNATURES = {"serving_default": "prediction", "probabilities": "probabilities", "logits": "logits"}
TAGS = [tf.saved_model.SERVING]


def write(path, checkpoint, model):
    """Write the folder, as the contract of fcn/export/formats says."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        layers.use_implementation("product")  # the same graph on every device
        net = graph_builder.inference_of_run(model)
        checkpoint_reader.restore(session, checkpoint)
        signatures = {name: tf.saved_model.predict_signature_def({"images": net.images}, {key: getattr(net, key)})
                      for name, key in SIGNATURES.items()}
        try:
            builder = tf.saved_model.Builder(str(path))
            builder.add_meta_graph_and_variables(session, TAGS, signatures, strip_default_attrs=True)
            builder.save()
        except tf_errors.OpError as error:
            raise errors.MachineError("the SavedModel could not be written", where=path.parent, why=first_line(error),
                                      fix="check permissions and free space.") from None
    return "a SavedModel; signatures: " + ", ".join(f"{name} (images -> {key})" for name, key in SIGNATURES.items())


def outputs(path, batches):
    """Yield the outputs of the folder, as the contract of fcn/export/formats says."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        signatures = tf.saved_model.load(session, TAGS, str(path)).signature_def
        for images in batches:
            logits, prediction, probabilities = (
                _call(session, signatures[name], images) for name in ("logits", "serving_default", "probabilities"))
            _check.probabilities(logits, prediction, probabilities)
            yield logits, prediction


def _call(session, signature, images):
    """Return the only output of a signature, as TensorFlow Serving would."""
    output, = signature.outputs.values()
    return run(session, output.name, {signature.inputs["images"].name: images})
