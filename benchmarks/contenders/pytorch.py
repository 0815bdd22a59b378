"""The same net in PyTorch, as its documentation advises for speed, on the GPU if there is one, else on the CPU.

Variants: the net (by default the tutorial's; pytorch_paper.NETS), the layout of images and weights (nchw,
channels_last), the precision, torch.compile or not, which needs a C++ compiler, "kept": freed memory stays for the
next step, and "frozen": in predictions, the compiler arranges the weights once. PyTorch's tuning guide advises an
allocator that keeps memory. By itself, glibc returns it to the system, whose work for new pages took a third of
PyTorch's processor time on a virtual machine. bfloat16 trains under autocast and predicts with weights that are stored
in it. As in TensorFlow, denormal numbers are zero: they may slow a processor down to a tenth. On a GPU cuDNN chooses
its algorithms by measurement, and float32 is computed as TF32, as TensorFlow does.
"""

import contextlib
import ctypes

import torch
from torch._inductor import config as inductor
from torch.nn import functional

from contenders import net, pytorch_paper
from fcn.core import machine

VARIANTS = tuple(f"{prefix}{layout}-{precision}{how}" for prefix in ("", *pytorch_paper.NETS)
                 for how in ("", "-compile", "-kept", "-compile-kept", "-compile-kept-frozen")
                 for precision in ("float32", "bfloat16") for layout in ("nchw", "channels_last"))


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of glibc's malloc.h


def keep_memory():
    """Let glibc's malloc keep all memory that this process frees, and take new memory 256 MB at a time."""
    for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, 1 << 28)):
        if not ctypes.CDLL(None).mallopt(parameter, value):
            raise OSError(f"mallopt refuses {parameter} {value}")


class Net(torch.nn.Module):
    def __init__(self, classes, channels, layout, keep_prob):
        super().__init__()
        self.stages, self.layout, self.drop = net.stages(channels), layout, 1 - keep_prob
        depth, self.layers = 3, torch.nn.ModuleDict()
        for name in (*(name for stage in self.stages for name in stage), "fc6", "fc7"):
            size = {"fc6": 7, "fc7": 1}.get(name, 3)
            self.layers[name] = torch.nn.Conv2d(depth, channels[name], size, padding=size // 2)
            depth = channels[name]
        self.layers["score_fr"] = torch.nn.Conv2d(depth, classes, 1)
        depth = classes
        widths = (channels[self.stages[3][-1]], channels[self.stages[2][-1]], classes)
        for (name, size, stride), width in zip(net.DECONVS, widths, strict=True):
            self.layers[name] = torch.nn.ConvTranspose2d(depth, width, size, stride, padding=(size - stride) // 2)
            depth = width
        self.register_buffer("mean", torch.tensor(net.MEAN_RGB))

    def forward(self, images):
        """Logits (N, classes, H, W) of uint8 (N, H, W, 3), of the weights' type or autocast's."""
        x = (images.float() - self.mean.float()).permute(0, 3, 1, 2).to(self.layers["fc7"].weight.dtype)
        x, pools, layers = x.contiguous(memory_format=self.layout), [], self.layers
        for stage in self.stages:
            for name in stage:
                x = functional.relu(layers[name](x), inplace=True)
            x = functional.avg_pool2d(x, 2, ceil_mode=True)  # sizes are rounded up, a rim is averaged alone
            pools.append(x)
        for name in ("fc6", "fc7"):
            x = functional.dropout(functional.relu(layers[name](x), inplace=True), self.drop, self.training)
        x = functional.relu(layers["score_fr"](x), inplace=True)
        x = self._cut(layers["deconv1"](x), pools[3].shape) + pools[3]
        x = self._cut(layers["deconv2"](x), pools[2].shape) + pools[2]
        return self._cut(layers["deconv3"](x), (*images.shape[:1], 0, *images.shape[1:3]))

    @staticmethod
    def _cut(x, shape):
        return x[:, :, :shape[2], :shape[3]]


class Contender:
    def __init__(self, job, size, classes, channels, variant, keep_prob=net.KEEP_PROB):
        torch.set_num_threads(machine.cores())
        torch.set_flush_denormal(True)
        torch.backends.cudnn.benchmark = torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        prefix = next((prefix for prefix in pytorch_paper.NETS if variant.startswith(prefix)), "")
        layout, precision, *how = variant.removeprefix(prefix).split("-")
        if "kept" in how:
            keep_memory()
        layout = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.plain = (pytorch_paper.Net(pytorch_paper.NETS[prefix], classes, channels, layout, keep_prob) if prefix else
                      Net(classes, channels, layout, keep_prob))
        with torch.no_grad():
            for name, parameter in self._parameters():
                as_ours = parameter.permute(2, 3, 1, 0) if parameter.ndim == 4 else parameter
                as_ours.copy_(torch.from_numpy(net.draw(name, tuple(as_ours.shape))))
        self.plain.to(DEVICE, memory_format=layout)
        self.half = precision == "bfloat16"
        if self.half and job == "predict":
            self.plain.to(torch.bfloat16)
        if "frozen" in how:
            inductor.freezing = True
        self.net = torch.compile(self.plain) if "compile" in how else self.plain
        if job == "train":
            self.adam = torch.optim.Adam(self.plain.parameters(), net.LEARNING_RATE, eps=net.EPSILON, fused=True)

    def train(self, images, labels):
        self.plain.train()
        self.adam.zero_grad(set_to_none=True)
        with torch.autocast(DEVICE, torch.bfloat16) if self.half else contextlib.nullcontext():
            logits = self.net(on_device(images))
        loss = functional.cross_entropy(logits.float(), on_device(labels).long(), ignore_index=net.UNLABELLED)
        loss.backward()
        self.adam.step()
        return loss.item()

    def predict(self, images):
        self.plain.eval()
        with torch.inference_mode():
            return self.net(on_device(images)).argmax(1).to(torch.uint8).cpu().numpy()

    def scores(self, images):
        self.plain.eval()
        with torch.inference_mode():
            return self.net(on_device(images)).float().permute(0, 2, 3, 1).cpu().numpy()

    def weights(self):
        return {name: (p.permute(2, 3, 1, 0) if p.ndim == 4 else p).detach().float().cpu().numpy().copy()
                for name, p in self._parameters()}

    def _parameters(self):
        """(our name, parameter); a kernel is (out, in, height, width), a transposed convolution's (in, out, ...)."""
        for name, layer in self.plain.layers.items():
            yield f"{name}/kernel", layer.weight
            yield f"{name}/bias", layer.bias


def on_device(array):
    return torch.from_numpy(array).to(DEVICE)
