"""Read the frames of a video one by one, and write frames as a video. ffmpeg of the package imageio-ffmpeg does both.

ffmpeg is called directly: imageio's reader ignores its exit status and messages, so that a truncated video looks
complete.
"""

import collections
import contextlib
import dataclasses
import errno
import pathlib
import re
import shlex
import subprocess
import sys
import threading
import typing

import numpy as np

from fcn.core import atomic_io, errors, file_kinds
from fcn.data.spec import MAX_PIXELS

SUFFIXES = file_kinds.VIDEO_ENDINGS
QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error")
# Containers of SUFFIXES. Other formats that ffmpeg detects, such as playlists, may read other files or the network.
SAFE = ("-protocol_whitelist", "file", "-format_whitelist", "mov,matroska,avi,asf,mpeg,mpegvideo,mpegts,flv")
AS_PPM = ("-map", "0:V:0", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-c:v", "ppm", "-f", "image2pipe", "-")
AS_MP4 = ("-an", "-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709", "-c:v", "libx264", "-crf", "18",
          "-movflags", "+faststart", "-f", "mp4")
NTSC = {"23.98": "24000/1001", "29.97": "30000/1001", "59.94": "60000/1001", "119.88": "120000/1001"}  # as printed
ASSUMED_FPS = "25"  # for a video without a frame rate
KEPT_LINES = 20  # of ffmpeg's messages


@dataclasses.dataclass(frozen=True)
class Video:
    """A video file. fps: its average frame rate as ffmpeg reads it. frames: about how many it has; None if unknown."""

    path: pathlib.Path
    fps: str
    frames: int | None

    def __str__(self):
        about = f"about {self.frames:,} frames" if self.frames else "an unknown number of frames"
        return f"{self.path}: {about}, {self.fps} per second"


def is_video(path):
    """Whether the name of a file ends like that of a video."""
    return pathlib.Path(path).suffix.lower() in SUFFIXES


def probe(path):
    """The Video of a file, from its header. Raises DataError, and MachineError without imageio-ffmpeg."""
    program, path = ffmpeg(), pathlib.Path(path)
    try:
        kind = file_kinds.kind_of(path)
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                               fix=errors.reading_fix(error)) from None
    if kind.name and not kind.name.startswith("a video"):
        raise errors.DataError(f"{kind.described}, expected a video", where=path, fix=kind.fix or file_kinds.AGAIN)
    told = subprocess.run([program, "-hide_banner", "-nostdin", *SAFE, "-i", path.absolute()], process_group=0,
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, errors="replace").stderr
    streams = [line for line in told.splitlines() if " Video: " in line and "(attached pic)" not in line]
    if not streams:
        lines = told.strip().splitlines()
        raise errors.DataError("holds no video stream" if "Input #0" in told else "cannot be opened as a video",
                               where=path, why=None if "Input #0" in told else _ffmpeg_said(lines),
                               fix="download or copy the file again.")
    fps = _rate(streams[0], "fps") or _rate(streams[0], "tbr") or ASSUMED_FPS
    duration = re.search(r"Duration: (\d+):(\d+):(\d+\.\d+)", told)
    hours, minutes, seconds = map(float, duration.groups()) if duration else (0, 0, 0)
    return Video(path, NTSC.get(fps, fps), round((3600 * hours + 60 * minutes + seconds) * float(fps)) or None)


def _rate(stream, unit):
    """'29.97' of the line of a stream with '29.97 fps'; "" if it has no such rate."""
    found = re.search(rf"([\d.]+)(k?) {unit}", stream)
    return found[1] + ("000" if found[2] else "") if found and float(found[1]) else ""


def ffmpeg():
    """Path of the program. Raises MachineError if imageio-ffmpeg is not installed."""
    try:
        import imageio_ffmpeg
        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # it has no program for this machine
        raise errors.MachineError("videos need imageio-ffmpeg: not installed",
                                  fix=f"{shlex.quote(sys.executable)} -m pip install imageio-ffmpeg") from None


def frames(video, max_pixels=MAX_PIXELS):
    """Yield the frames of a Video, uint8 (h, w, 3) RGB, read-only, turned upright as its metadata say.

    Every stored frame is read once, also with a variable frame rate. Raises DataError for a frame of more than
    max_pixels, and, after the last frame that can be read, for a damaged or truncated video.
    """
    process: typing.Any = subprocess.Popen(
        [ffmpeg(), *QUIET, *SAFE, "-i", video.path.absolute(), *AS_PPM], process_group=0, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    messages, number = _Messages(process.stderr), 0
    try:
        while process.stdout.readline():  # P6
            width, height = map(int, process.stdout.readline().split())
            if width * height > max_pixels:
                raise errors.DataError(f"{height}x{width} pixels are more than the limit of {max_pixels:,}",
                                       where=video.path, fix="if this size is right, raise --max-pixels.")
            process.stdout.readline()  # 255, the largest value
            data = process.stdout.read(3 * width * height)
            if len(data) < 3 * width * height:
                break
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            number += 1
        if process.wait() or messages.lines() or not number:
            of = f" of about {video.frames:,}" if video.frames else ""
            raise errors.DataError(f"is damaged or truncated: {number:,}{of} frames were read", where=video.path,
                                   why=_ffmpeg_said(messages.lines()), fix="download or copy the file again.")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _ffmpeg_said(lines):
    """'ffmpeg: moov atom not found; ...' of its first messages, without the part of the program before each."""
    texts = dict.fromkeys(re.sub(r"^(\[[^]]*\] ?)+", "", line).strip().rstrip(".") for line in lines)
    shown = [text for text in texts if not text.startswith("Error opening input file")][:3]
    return f"ffmpeg: {'; '.join(shown)}" if shown else None


class _Messages:
    """Reads the messages of ffmpeg in a thread, because a full pipe would stop it, and keeps the first KEPT_LINES."""

    def __init__(self, pipe):
        self._pipe, self._lines = pipe, collections.deque[str]()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        with self._pipe:
            for line in self._pipe:
                if len(self._lines) < KEPT_LINES and line.strip():
                    self._lines.append(line.decode(errors="replace").strip())

    def lines(self):
        """All messages, once ffmpeg has ended."""
        self._thread.join()
        return list(self._lines)


class Writer:
    """Writes frames as an MP4 (H.264, without sound), which has its name only when it is complete.

    path: file that does not exist. fps: as of Video. Frames with an odd side keep their size (pixel format 4:4:4).
    """

    def __init__(self, path, fps):
        self._path, self._fps = path, fps
        self._stack = contextlib.ExitStack()
        self._process: typing.Any = None  # subprocess.Popen

    def write(self, frame):
        """Add a frame uint8 (h, w, 3); all have one size. Raises OSError."""
        process = self._process or self._begin(*frame.shape[:2])
        try:
            process.stdin.write(np.ascontiguousarray(frame))
        except BrokenPipeError:  # ffmpeg has ended
            self.close()
            raise OSError(errno.EIO, "ffmpeg ended early", str(self._path)) from None

    def _begin(self, height, width):
        temporary = self._stack.enter_context(atomic_io.making(self._path, sync=False))
        layout = "yuv444p" if height % 2 or width % 2 else "yuv420p"  # 4:2:0 halves both sides
        command = [ffmpeg(), *QUIET, "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", self._fps,
                   "-i", "pipe:", *AS_MP4, "-pix_fmt", layout, temporary.absolute()]
        self._process = subprocess.Popen(command, process_group=0, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self._messages = _Messages(self._process.stderr)
        return self._process

    def close(self):
        """Finish the video with the frames so far; without frames there is none. Raises OSError."""
        process, self._process = self._process, None
        if process is None:
            return
        with self._stack:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            if process.wait():
                said = _ffmpeg_said(self._messages.lines()) or f"ffmpeg ended with {process.returncode}"
                raise OSError(errno.ENOSPC if "No space left" in said else errno.EIO, said, str(self._path))
