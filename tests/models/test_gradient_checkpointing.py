"""Maps that are computed twice: the same loss and gradients, the same variables."""

import numpy as np
import pytest
from nets_help import THIN, fresh, randomise, start

from fcn.data.label_policy import LabelPolicy
from fcn.models import graph_builder
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.training import lr_multipliers, weight_update

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 33, 47, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 5, (2, 33, 47)).astype(np.uint8)


def step(recompute, net="fcn8s", precision="float32", freeze=""):
    """(loss, {variable: gradient}, names of all variables, number of convolutions) of a batch with dropout."""
    channels = dict.fromkeys(THIN, 4) if net == "fcn8s_tutorial" else THIN
    with fresh() as session:
        graph = graph_builder.build(Architecture(net, 5, channels, (120, 120, 120), precision=precision,
                                                 gradient_checkpointing=recompute), LabelPolicy((0,)))
        names = [v.op.name for v in tf.trainable_variables()]
        factor_of = lr_multipliers.factors(names, graph.encoder_layers, {}, freeze, 1.0)
        made = weight_update.build(graph.objective, graph.normalizer,
                                   weight_update.Rule("momentum", factor_of=factor_of))
        start(session)
        randomise(session)
        feed = {graph.images: IMAGES, graph.labels: LABELS, graph.keep_prob: 0.5, graph.dropout_seed: [1, 2]}
        loss, grads = session.run([graph.loss_sum, {v.op.name: g for g, v in made.grads}], feed)
        convolutions = sum(op.type == "Conv2D" for op in tf.get_default_graph().get_operations())
        return loss, grads, [v.op.name for v in tf.global_variables()], convolutions


@pytest.mark.parametrize("options", [{}, {"net": "fcn8s_tutorial"}, {"precision": "bfloat16"}, {"freeze": "conv3_2"},
                                     {"freeze": "fc7"}], ids=str)
def test_checkpointed_loss_and_gradients_match_plain(options):
    plain, other = step(False, **options), step(True, **options)
    assert plain[0] == other[0] and plain[1].keys() == other[1].keys() and plain[2] == other[2]
    assert (other[3] > plain[3]) == (options != {"freeze": "fc7"})  # there are convolutions to be done again
    for name, gradient in plain[1].items():
        np.testing.assert_allclose(other[1][name], gradient, rtol=1e-6, atol=1e-6 * abs(gradient).max())
