"""report.html as a file: what is on it, that it is whole, escaped and needs nothing; what is missing or damaged."""

import dataclasses
import json
import re

import page_help
import pytest
from page_help import Parsed

from fcn.core import errors, registry
from fcn.data.spec import DatasetSpec
from fcn.reporting import html_report
from fcn.reporting.sections import _report, headline


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An evaluation, not to be changed, and its page."""
    found = page_help.write(tmp_path_factory.mktemp("runs") / "beaches")
    html_report.write_page(found)
    return found


@pytest.fixture
def parsed(folder):
    return Parsed((folder / "report.html").read_text())


@pytest.fixture
def report(folder):
    return _report.read(folder)


def changed(report, **content):
    """The Report with other content; None takes a key away."""
    kept = {key: value for key, value in (report.content | content).items() if value is not None}
    return dataclasses.replace(report, content=kept)


def test_page_has_the_dataset_and_the_four_scores(parsed, report):
    assert "beaches: validation, step 20, fcn8s" in parsed.text
    for key in ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"):
        low, high = report.content["protocols"]["benchmark"]["intervals"][key]
        assert f"{report.content[key]:.3f} 95 % interval: {low:.3f} to {high:.3f}" in parsed.text
    assert "0.853" in parsed.text  # pixel accuracy: 135 sky and 27 sea of 190
    assert "always 'sky'" in parsed.text


def test_every_class_has_a_row_with_share_iou_and_confusions(parsed):
    assert "1 sky 76.3 % 0.828 0.931 0.882 0.906 2 dune: 6.9 %" in parsed.text
    assert "2 sea 23.7 % 0.600 0.600 1.000 0.750 1 sky: 40.0 %" in parsed.text
    assert "3 dune 0.0 % 0.000 - 0.000 0.000 0 -" in parsed.text


def test_largest_confusions_are_listed_with_their_shares(parsed):
    assert "sea sky 40.0 % 64.3 % 18 sky dune 6.9 % 35.7 % 10" in parsed.text


def test_every_protocol_has_its_convention(parsed, report):
    for name, found in report.content["protocols"].items():
        assert f"{name} {found['text']}" in parsed.text
        assert f"{found['scores']['mean_iou']:.4f}" in parsed.text


def test_settings_and_provenance_are_on_the_page(parsed):
    for words in ("batch 2", "commit abc123", "command python eval_fcn.py --run r", "command python train_fcn.py"):
        assert words in parsed.text


def test_html_elements_are_closed_and_ids_unique(parsed):
    assert parsed.faults == []
    found = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(found) == len(set(found))
    assert {attributes["href"][1:] for tag, attributes in parsed.tags if tag in ("a", "use")} <= set(found)


def test_html_checker_detects_an_unclosed_element():
    assert Parsed("<p><b>x</p>").faults
    assert Parsed("<p>x").faults == ["p"]


def test_page_loads_no_external_resource(folder, parsed):
    for tag, attributes in parsed.tags:
        for key in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
            assert re.match(r"#|data:image/", attributes.get(key) or "#"), (tag, key)
    text = (folder / "report.html").read_text()
    assert not re.search(r"url\(|@import|\bimport\(|fetch\(|XMLHttpRequest", text)
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'; img-src data:; "
                     "style-src 'unsafe-inline'; script-src 'unsafe-inline'"}) in parsed.tags


def test_names_are_escaped_everywhere(tmp_path):
    spec = dataclasses.replace(page_help.SPEC, class_names=page_help.HOSTILE)
    evil = "<img src=x onerror=alert(1)>\udc80"
    folder = page_help.write(tmp_path / "<i>run", spec, names=("a<b>&amp;", "\"'></svg>"), settings={evil: [evil]},
                             split=evil, left_out=[evil], inference=evil, commit=evil, training=[{evil: evil}])
    content = json.loads((folder / "report.json").read_text())
    content["warnings"] = [evil]
    content["anchors"][0] |= {"name": evil, "source": evil}
    content["protocols"]["benchmark"] |= {"text": evil, "size": evil}
    content["protocols"][evil] = content["protocols"]["berkeley"] | {
        "scores": content["protocols"]["berkeley"]["scores"] | {evil: 0.5}}
    content["subsets"] = {evil: content["protocols"]["berkeley"]}
    (folder / "report.json").write_text(json.dumps(content))
    raw = html_report.write_page(folder).read_text()
    found = Parsed(raw)
    assert found.faults == []
    assert sum(tag == "script" for tag, _ in found.tags) == 2
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in found.tags)
    assert "<b>sky" not in raw
    seen = " ".join([found.text, *(str(attributes.get("aria-label")) for _, attributes in found.tags)])
    for name in (*spec.class_names[1:], "<i>run", "a<b>&amp;", "\"'></svg>", "<img src=x onerror=alert(1)>"):
        assert re.sub(r"\s+", " ", name) in seen
    stored = re.search(r'id="data">(.*?)</script>', raw, re.DOTALL)[1]
    assert tuple(json.loads(stored)["names"]) == spec.class_names


@pytest.mark.slow
@pytest.mark.parametrize("without", ["anchors", "warnings", "subsets", "per_image", "settings", "training", "left_out",
                                     "inference", "conventions", "checkpoint_step", "split", "weights", "protocols"])
def test_missing_parts_of_a_report_are_left_out(report, without):
    assert Parsed(html_report.build_page(changed(report, **{without: None}))).faults == []
    empty = type(report.content.get(without, []))()
    assert Parsed(html_report.build_page(changed(report, **{without: empty}))).faults == []


def test_score_without_interval_is_shown_alone(report):
    for none in (None, {}, {"mean_iou": None}, {"mean_iou": [None, None]}, {"mean_iou": [float("nan")] * 2}):
        protocols = {name: found | {"intervals": none} for name, found in report.content["protocols"].items()}
        found = Parsed(html_report.build_page(changed(report, protocols=protocols)))
        assert found.faults == []
        assert "no interval" in found.text
        assert not re.search(r"\bnan\b", found.text)


def test_section_is_one_new_file_and_plain_text_is_escaped(report, tmp_path):
    (tmp_path / "sections").mkdir()
    for name, order, body in (("extra", 25, 'render_text("<p>{{ name }}</p>", name="<b>sky</b>")'),
                              ("plain", 26, '"<b>sea</b>"')):
        (tmp_path / "sections" / f"{name}.py").write_text(
            "from fcn.reporting.sections._html import render_text\n"
            f"ORDER, TITLE, LINK = {order}, '{name.title()}', 'my {name}'\n"
            f"def build(report):\n    return {body}\ndef data(report):\n    return len(report.name)\n")
    try:
        registry.use([tmp_path])
        raw = html_report.build_page(report)
    finally:
        registry.use()
    assert re.findall('<section id="(.*?)"><h2>', raw)[1:5] == ["classes", "extra", "plain", "confusion"]
    assert '<a href="#extra">my extra</a>' in raw and "<p>&lt;b&gt;sky&lt;/b&gt;</p>" in raw
    assert "&lt;b&gt;sea&lt;/b&gt;" in raw
    stored = re.search(r'id="data">(.*?)</script>', raw, re.DOTALL)[1]
    assert json.loads(stored)["extra"] == len("beaches")
    assert 'id="extra"' not in html_report.build_page(report)


def test_warnings_come_first_and_only_if_there_are_any(report):
    warned = headline.build(changed(report, warnings=["these labels look shifted by one"]))
    assert warned.index("shifted by one") < warned.index("cards")
    assert 'role="alert"' in warned
    assert "alert" not in headline.build(changed(report, warnings=[]))


def test_page_without_matrix_gallery_and_log_is_shorter(report):
    bare = dataclasses.replace(report, total=None, pictures={}, entries=[])
    found = Parsed(html_report.build_page(bare))
    assert found.faults == []
    there = {attributes.get("id") for tag, attributes in found.tags if tag == "section"}
    assert there == {"protocols", "classes", "facts"}
    assert {attributes["href"] for tag, attributes in found.tags if tag == "a"} == {"#protocols", "#classes", "#facts"}


@pytest.mark.parametrize("file", ["gallery/index.json", "gallery/00-label.png", "confusion.npz"])
def test_damaged_parts_are_left_out_with_a_note(tmp_path, file):
    folder = page_help.write(tmp_path / "run")
    (folder / file).write_bytes(b"\0damaged")
    found = Parsed(html_report.write_page(folder).read_text())
    section = "confusion" if "confusion" in file else "images"
    assert "could not be read" in found.text
    assert section not in {attributes.get("id") for _, attributes in found.tags}


def test_matrix_of_other_classes_is_left_out_with_a_note(tmp_path):
    folder, other = page_help.write(tmp_path / "run"), page_help.write(
        tmp_path / "other", DatasetSpec(("sky", "sea", "dune", "rock", "tree"), (0,)))
    (folder / "confusion.npz").write_bytes((other / "confusion.npz").read_bytes())
    assert "has 5 classes, report.json has 4" in Parsed(html_report.write_page(folder).read_text()).text


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"3", b'{"per_class": 3}', b'{"per_class": [], "protocols": {}}'])
def test_a_damaged_report_is_one_clear_error(tmp_path, damage):
    folder = page_help.write(tmp_path / "run")
    (folder / "report.json").write_bytes(damage)
    with pytest.raises(errors.DataError, match=r"report\.json"):
        html_report.write_page(folder)
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("key", ["colours", "class_names", "per_class", "anchors", "subsets", "per_image", "warnings"])
def test_report_with_a_wrong_value_is_one_error_or_a_page(tmp_path, key):
    folder = page_help.write(tmp_path / "run")
    content = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps(content | {key: [[3]]}))
    try:
        html_report.write_page(folder)
    except errors.DataError as error:
        assert "report.json" in str(error)


def test_page_is_rewritten_from_the_folder_alone(tmp_path, folder):
    alone = tmp_path / "mailed" / "here"
    page_help.write(tmp_path / "run").rename(tmp_path / "away")
    alone.parent.mkdir()
    (tmp_path / "away").rename(alone)
    found = Parsed(html_report.write_page(alone).read_text())
    assert "run: validation, step 20" in found.text  # as the weights are called
    there = {attributes.get("id") for tag, attributes in found.tags if tag == "section"}
    assert there == {"protocols", "classes", "confusion", "images", "facts"}
    content = json.loads((alone / "report.json").read_text())
    for run, has_curves in ((str(tmp_path / "run"), True), (None, False)):  # as an evaluation says itself
        (alone / "report.json").write_text(json.dumps(content | {"run": run}))
        assert ('id="training"' in html_report.write_page(alone).read_text()) == has_curves


def test_weights_from_a_file_show_no_curves_of_a_surrounding_run(tmp_path):
    folder = page_help.write(tmp_path / "run")
    assert 'id="training"' in html_report.write_page(folder).read_text()
    content = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps(content | {"run": None}))
    assert 'id="training"' not in html_report.write_page(folder).read_text()


@pytest.mark.slow
def test_page_of_150_classes_is_small(tmp_path):
    path = html_report.write_page(page_help.large(tmp_path / "run"))
    assert path.stat().st_size < 3_000_000
    assert Parsed(path.read_text()).faults == []
