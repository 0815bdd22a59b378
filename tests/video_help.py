"""Small videos for tests, written by the ffmpeg of imageio-ffmpeg with a lossless codec."""

import subprocess

import imageio_ffmpeg
import numpy as np

LOSSLESS = ("-c:v", "libx264rgb", "-qp", "0")


def drawn(count, height=48, width=64, seed=0):
    """Different frames, uint8 (count, height, width, 3)."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, -(-height // 8), -(-width // 8), 3), np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]


def encoded(path, frames, *options, fps="30"):
    """Write frames without loss; options of ffmpeg before the path. Returns the path."""
    height, width = frames.shape[1:3]
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", fps, "-i", "pipe:", *LOSSLESS,
           *options, path, data=frames.tobytes())
    return path


def ffmpeg(*words, data=None):
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *map(str, words)], input=data, check=True)
