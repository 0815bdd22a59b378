"""The command that exports refuses a wrong run and a wrong place before it reads or writes anything."""

import pytest

from fcn.cli import export
from fcn.core import errors


def main(run, to):
    return export.main(["--run", str(run), "--to", str(to)])


@pytest.mark.parametrize(("name", "said"), [
    ("net.ckpt", "unknown export format .ckpt"), ("net.PB", "unknown export format .PB"),
    ("there.pb", "exists already"), ("there", "exists already"), ("noted.pb", "noted.pb.json: exists already"),
    ("no/net.pb", "no: is not a folder")])
def test_unwritable_output_is_reported_before_weights_are_read(tmp_path, name, said):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/config.json").write_text('{"spec": {}, "config": {}, "model": {"channels": {}}}')
    (tmp_path / "there.pb").touch()
    (tmp_path / "noted.pb.json").touch()
    with pytest.raises(errors.UsageError, match=said):
        main(tmp_path / "there", tmp_path / name)


def test_folder_that_is_not_a_run_is_reported(tmp_path):
    with pytest.raises(errors.UsageError, match="--run is not a folder"):
        main(tmp_path / "nowhere", tmp_path / "net.pb")
    with pytest.raises(errors.UsageError, match="neither a run folder nor a checkpoint"):
        main(tmp_path, tmp_path / "net.pb")
