"""AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

from fcn.training.optimizers import adam

DECOUPLED_WEIGHT_DECAY = True
apply = adam.apply
