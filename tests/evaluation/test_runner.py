"""An evaluation that predicts, reads and writes several images at a time has the results of one after the other."""

import dataclasses

import numpy as np
import pytest
from conftest import save
from video_help import drawn, encoded

import fcn
from fcn.core import errors
from fcn.evaluation import batching, image_sources, prediction_writer, read_ahead, runner
from fcn.reporting.gallery import Gallery

pytestmark = pytest.mark.slow

PX = (64, 64)  # 64 images in a pass
FILES = ("predictions", "colour", "overlays", "panels", "probabilities")


@pytest.fixture(scope="module")
def model(trained):
    with fcn.load(trained[0] / "run") as model:
        yield model


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Places of 144 photos of three sizes, of which one is damaged, and of a video of 70 frames."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(144):
        size = (33, 47) if 70 < number < 76 else (50, 40) if number < 140 else (64, 64)
        colours = rng.integers(0, 256, (2, 2, 3), np.uint8)
        save(folder / f"{number:03}.png", np.kron(colours, np.ones((32, 32, 1), np.uint8))[:size[0], :size[1]])
    (folder / "066.png").write_bytes((folder / "066.png").read_bytes()[:60])
    return [folder, encoded(folder.parent / "clip.mp4", drawn(70, 40, 56))]


def predicted(model, places, out, kinds, skip_bad=True):
    """(runner.Scored, {path: bytes} of all files) of photos."""
    evaluated = model._evaluated
    evaluated = dataclasses.replace(evaluated, settings=dataclasses.replace(evaluated.settings, skip_bad=skip_bad))
    sources, problems, _ = image_sources.from_photos([str(place) for place in places])
    assert not problems
    with prediction_writer.PredictionWriter(out, evaluated.spec, kinds, needed=True) as writes:
        scored = runner.run_evaluation(model._loaded, sources, evaluated, model.config(size=PX), writes,
                                       Gallery(evaluated.spec))
        writes.finish()
    return scored, {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}, \
        [path.relative_to(out) for path in writes.written]


@pytest.mark.parametrize("kinds", [FILES[:4], FILES])
def test_batches_and_threads_change_no_file_and_no_order(model, photos, tmp_path, monkeypatch, kinds):
    scored, files, written = predicted(model, photos, tmp_path / "together", kinds)
    monkeypatch.setattr(batching, "MOST", 1)
    monkeypatch.setattr(read_ahead, "threads", lambda: 1)
    alone, expected, in_order = predicted(model, photos, tmp_path / "alone", kinds)
    assert files == expected and written == in_order == sorted(written)
    assert scored.images == alone.images == 143 + 70
    assert [str(one) for one in scored.left_out] == [str(one) for one in alone.left_out]
    assert "066.png" in str(scored.left_out[0])


def test_images_before_a_bad_one_are_written_and_it_is_named(model, photos, tmp_path):
    with pytest.raises(errors.DataError, match=r"066.png(.|\n)*--skip-bad continues without it"):
        predicted(model, photos[:1], tmp_path, ["predictions"], skip_bad=False)
    names = sorted(path.stem for path in tmp_path.rglob("*.png"))
    assert names == [f"{number:03}" for number in range(len(names))] and len(names) <= 66
