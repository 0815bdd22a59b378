"""The network graph: layers, encoders, decoders, nets and losses. Only tf_compat imports TensorFlow."""
