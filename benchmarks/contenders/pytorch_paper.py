"""The paper's FCN-32s and FCN-8s-at-once (fcn/models/nets) in PyTorch, for pytorch.py."""

import torch
from torch.nn import functional

from contenders import net
from fcn.models import published_nets

NETS = {"fcn32s-": (), "fcn8s_atonce-": (4, 3)}  # prefix of the variant: the pools whose scores are added


class Net(torch.nn.Module):
    def __init__(self, skips, classes, channels, layout, keep_prob):
        super().__init__()
        self.skips, self.layout, self.drop = skips, layout, 1 - keep_prob
        self.stages = [[name for name in channels if name.startswith(f"conv{stage}_")] for stage in range(1, 6)]
        depth, self.layers = 3, torch.nn.ModuleDict()
        for name in channels:
            size = published_nets.side(name)
            self.layers[name] = torch.nn.Conv2d(depth, channels[name], size, padding=size // 2)
            depth = channels[name]
        self.layers["score_fr"] = torch.nn.Conv2d(depth, classes, 1)
        for pool in skips:
            self.layers[f"score_pool{pool}"] = torch.nn.Conv2d(channels[self.stages[pool - 1][-1]], classes, 1)
        self.register_buffer("mean", torch.tensor(net.MEAN_RGB))

    def forward(self, images):
        """Logits (N, classes, H, W) of uint8 (N, H, W, 3), of the weights' type or autocast's."""
        x = (images.float() - self.mean.float()).permute(0, 3, 1, 2).to(self.layers["fc7"].weight.dtype)
        x, pools, layers = x.contiguous(memory_format=self.layout), {}, self.layers
        for number, stage in enumerate(self.stages, 1):
            for name in stage:
                x = functional.relu(layers[name](x), inplace=True)
            x = pools[number] = functional.max_pool2d(x, 2, ceil_mode=True)
        for name in ("fc6", "fc7"):
            x = functional.dropout(functional.relu(layers[name](x), inplace=True), self.drop, self.training)
        x, factor = layers["score_fr"](x), 32
        for pool in self.skips:
            skip = layers[f"score_pool{pool}"](pools[pool] * published_nets.POOL_SCALES[f"pool{pool}"])
            x, factor = upsampled(x, 2, skip.shape[2:]) + skip, factor // 2
        return upsampled(x, factor, images.shape[1:3])


def upsampled(x, factor, height_width):
    """Upsample bilinearly with zeros outside, which interpolate() does not have: they are added and cut off again."""
    x = functional.interpolate(functional.pad(x, (1, 1, 1, 1)), scale_factor=factor, mode="bilinear")
    height, width = height_width
    return x[:, :, factor:factor + height, factor:factor + width]
