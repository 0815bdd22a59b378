"""Videos are read frame by frame, as they were written, and written whole or not at all."""

import itertools
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from video_help import drawn, encoded, ffmpeg

from fcn.core import errors
from fcn.data import video


def read(path):
    return list(video.frames(video.probe(path)))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "with space & 100%.avi"])
def test_frames_are_those_that_were_written(tmp_path, name):
    frames = drawn(7, 35, 51)
    path = encoded(tmp_path / name, frames)
    np.testing.assert_array_equal(read(path), frames)
    assert (video.probe(path).frames, video.probe(path).fps) == (7, "30")


def test_rotated_video_is_turned_upright(tmp_path):
    frames = drawn(2)
    path = encoded(tmp_path / "a.mp4", frames)
    ffmpeg("-display_rotation", "90", "-i", path, "-c", "copy", tmp_path / "turned.mp4")
    np.testing.assert_array_equal(read(tmp_path / "turned.mp4"), [np.rot90(frame) for frame in frames])


def test_each_frame_of_a_variable_rate_is_read_once(tmp_path):
    frames = drawn(6)
    path = encoded(tmp_path / "a.mkv", frames, "-vf", "setpts=N*N/30/TB", "-fps_mode", "vfr")  # after 0, 1, 4, 9, ...
    np.testing.assert_array_equal(read(path), frames)


def test_video_of_unknown_length_is_read(tmp_path):
    frames = drawn(5)
    path = encoded(tmp_path / "a.mkv", frames, "-live", "1")
    assert video.probe(path).frames is None and "unknown number" in str(video.probe(path))
    np.testing.assert_array_equal(read(path), frames)


def test_ntsc_rate_is_exact(tmp_path):
    assert video.probe(encoded(tmp_path / "a.mp4", drawn(2), fps="30000/1001")).fps == "30000/1001"


def test_frames_before_the_end_of_a_cut_video_are_read(tmp_path):
    frames = drawn(40)
    whole = encoded(tmp_path / "a.mkv", frames, "-g", "1").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[:len(whole) // 2])
    reading, found = video.frames(video.probe(cut)), []
    with pytest.raises(errors.DataError, match=r"cut.mkv: is damaged or truncated: 1\d of about 40 (.|\n)*ffmpeg: "):
        for frame in reading:
            found.append(frame)
    np.testing.assert_array_equal(found, frames[:len(found)])


def test_reading_can_end_early(tmp_path):
    frames = drawn(200)
    reading = video.frames(video.probe(encoded(tmp_path / "a.mkv", frames)))
    assert len(list(itertools.islice(reading, 2))) == 2
    reading.close()


def test_frame_above_the_limit_of_pixels_is_refused(tmp_path):
    path = encoded(tmp_path / "a.mkv", drawn(2))
    with pytest.raises(errors.DataError, match="48x64 pixels are more than the limit of 3,000"):
        list(video.frames(video.probe(path), 3000))


@pytest.mark.parametrize(("content", "words"), [
    (b"", "is empty"), (b"<html>", "is a web page"), (b"\0\0\0\x18ftypmp42" + bytes(99), "cannot be opened as a video"),
    (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "cannot be opened as a video"), (b"ffconcat version 1.0\nfile b.mp4\n",
                                                                              "cannot be opened as a video")])
def test_other_files_are_refused_with_a_fix(tmp_path, content, words):
    (tmp_path / "a.mp4").write_bytes(content)
    encoded(tmp_path / "b.mp4", drawn(2))
    with pytest.raises(errors.DataError, match=rf"a.mp4: {words}(.|\n)*Fix: "):
        video.probe(tmp_path / "a.mp4")


def test_sound_without_pictures_is_refused(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "a.mp4")
    with pytest.raises(errors.DataError, match="holds no video stream"):
        video.probe(tmp_path / "a.mp4")


def test_missing_package_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(errors.MachineError, match=r"not installed(.|\n)*-m pip install imageio-ffmpeg"):
        video.probe(tmp_path / "a.mp4")


@pytest.mark.parametrize("size", [(48, 64), (35, 51)])
def test_written_video_has_the_size_rate_and_number_of_frames(tmp_path, size):
    frames, path = drawn(9, *size), tmp_path / "new/a.mp4"
    path.parent.mkdir()
    writer = video.Writer(path, "30000/1001")
    for frame in frames:
        writer.write(frame)
    assert not path.exists()
    writer.close()
    assert [item.name for item in path.parent.iterdir()] == ["a.mp4"]
    assert (video.probe(path).fps, *read(path)[0].shape[:2]) == ("30000/1001", *size)
    assert imageio_ffmpeg.count_frames_and_secs(path)[0] == 9


def test_colours_of_a_written_video_are_kept(tmp_path):
    writer = video.Writer(tmp_path / "a.mp4", "25")
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 64, 128]], np.uint8)
    writer.write(np.broadcast_to(colours[:, None].repeat(32, axis=0), (128, 64, 3)))
    writer.close()
    assert np.abs(read(tmp_path / "a.mp4")[0][16::32, 32].astype(int) - colours).max() <= 6


def test_failing_writer_leaves_no_file(tmp_path):
    writer = video.Writer(tmp_path / "a.mp4", "no number")
    with pytest.raises(OSError, match="ffmpeg"):
        for _ in range(99):
            writer.write(drawn(1)[0])
        writer.close()
    writer.close()
    assert list(tmp_path.iterdir()) == []
