"""The network graph: layers, encoders, decoders, nets, losses. TensorFlow enters by tf_compat."""
