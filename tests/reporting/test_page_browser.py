"""report.html in headless Chromium: no complaint, no sideways scrolling, and what it says when it is pointed at."""

import dataclasses

import browser
import numpy as np
import page_help
import pytest
from PIL import Image

from fcn.reporting import html_report

pytestmark = pytest.mark.skipif(browser.chromium() is None, reason="Chromium is neither on PATH nor in CHROME")
SIZES = {"phone": (390, 844), "desk": (1280, 800)}
POINT = """const point = async (selector, x, y, kind = "pointermove") => {
  const element = document.querySelector(selector), box = element.getBoundingClientRect();
  element.dispatchEvent(new PointerEvent(kind, { bubbles: true, pointerType: kind === "pointerdown" ? "touch" : "mouse",
    clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
  await pause(400);
};
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return html_report.write_page(page_help.write(tmp_path_factory.mktemp("small") / "run"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return html_report.write_page(page_help.large(tmp_path_factory.mktemp("large") / "run"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["small", "large"])
def test_page_fits_its_window_without_console_messages(request, kind, size):
    answer, console = browser.told(request.getfixturevalue(kind), """
        for (const fold of document.querySelectorAll("details")) fold.open = true;
        return [innerWidth, document.documentElement.scrollWidth <= innerWidth, document.compatMode];""", SIZES[size])
    assert answer == f"{SIZES[size][0]},true,CSS1Compat"
    assert console == []


def test_script_error_would_be_detected(small, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(small.read_text().replace('"use strict";', '"use strict"; nothing.there();'))
    assert any("nothing is not defined" in line for line in browser.told(broken, "return 1")[1])


def test_too_wide_page_would_be_detected(small, tmp_path):
    broken = tmp_path / "wide.html"
    broken.write_text(small.read_text().replace("<main>", '<main><p style="width:600px">x</p>'))
    answer, _ = browser.told(broken, "return document.documentElement.scrollWidth > innerWidth", SIZES["phone"])
    assert answer == "true"


def test_page_policy_blocks_external_resources(small):
    _, console = browser.told(small, """const image = new Image();
        image.src = "https://example.com/x.png";
        await pause(300);""")
    assert "Content Security Policy" in console[0]


@pytest.mark.parametrize("how", ["pointermove", "pointerdown"])
def test_pointing_at_or_tapping_a_picture_names_its_classes(small, how):
    answer, console = browser.told(small, f"""{POINT} const found = [];
        for (const [kind, x, y] of [["label", .05, .5], ["label", .55, .5], ["prediction", .95, .5], ["error", .65, .5],
                                    ["photo", .5, .95]]) {{
          await point(`.images .${{kind}} svg`, x, y, "{how}");
          found.push(document.querySelector(".images .pixel").textContent);
        }}
        return found.join("\\n");""", SIZES["phone"])
    assert answer.split("\n") == [
        "label: sky · prediction: sky · correct",
        "label: sea · prediction: sky · wrong",  # sky and sea have one colour
        "label: sea · prediction: sea · correct",
        "label: sea · prediction: sky · wrong",
        "label: ignored (other) · prediction: sky"]
    assert console == []


def test_every_pixel_of_a_picture_has_its_class(large):
    """12 x 12 px blocks of random classes: the middle of some of them, in the worst image."""
    answer, console = browser.told(large, f"""{POINT} const found = [];
        for (let row = 0; row < 30; row += 7) for (let column = 0; column < 40; column += 9) {{
          await point(".images .prediction svg", (column + .5) / 40, (row + .5) / 30);
          found.push(document.querySelector(".images .pixel").textContent);
        }}
        return document.querySelector(".images b").textContent + "|" + found.join("|");""".replace("400", "60"))
    name, *found = answer.split("|")
    drawn = np.random.default_rng(0).integers(0, 151, (12, 2, 30, 40), dtype=np.uint8)[int(name[-8:])]
    names = ["ignored (other)", *(f"a class called {i}" for i in range(1, 151))]
    expected = [tuple(names[drawn[k, row, column]] for k in (0, 1)) for row in range(0, 30, 7)
                for column in range(0, 40, 9)]
    assert [tuple(part.split(": ", 1)[1] for part in said.split(" · ")[:2]) for said in found] == expected
    assert console == []


def test_matrix_cell_names_label_and_prediction(small):
    answer, console = browser.told(small, f"""{POINT} const found = [];
        for (const [x, y] of [[.1, .5], [.9, .1], [.1, .1], [.5, .9]]) {{
          await point("#matrix", x, y);
          found.push(document.getElementById("tip").textContent);
        }}
        return found.join("\\n");""")
    assert answer.split("\n") == [
        "sea predicted as sky: 40.0 % of sea (18 px)",
        "sky predicted as dune: 6.9 % of sky (10 px)",
        "sky predicted correctly: 93.1 % of sky (135 px)",
        "dune predicted as sea: 0.0 % of dune (0 px)"]
    assert console == []


def test_tooltip_stays_inside_a_phone_and_follows_the_pointer(large):
    answer, _ = browser.told(large, f"""{POINT}
        const tip = document.getElementById("tip"), found = [tip.hidden];
        document.getElementById("matrix").scrollIntoView();
        await pause(300);  // scrolling hides it
        await point("#matrix", .6, .3);
        const box = tip.getBoundingClientRect();
        found.push(tip.hidden, box.width > 200, box.left >= 0 && box.right <= innerWidth);
        found.push(box.top >= 0 && box.bottom <= innerHeight);
        document.getElementById("matrix").dispatchEvent(new PointerEvent("pointerleave"));
        return [...found, tip.hidden];""", SIZES["phone"])
    assert answer == "true,false,true,true,true,true"


def test_chart_dot_names_its_class(small):
    answer, _ = browser.told(small, f"""{POINT} await point("#classes circle", .5, .5, "pointerdown");
        return document.getElementById("tip").textContent;""")
    assert answer == "sky: IoU 0.828, 76.3 % of the pixels"


def test_table_sorts_by_the_clicked_column(small):
    answer, _ = browser.told(small, """const found = [], table = document.querySelector(".sortable");
        for (const column of [3, 3, 1, 2, 0]) {
          table.tHead.rows[0].cells[column].querySelector("button").click();
          found.push([...table.tBodies[0].rows].map((row) => row.cells[0].textContent).join("") +
            table.tHead.rows[0].cells[column].getAttribute("aria-sort")[0]);
        }
        return found;""")
    assert answer == "123d,321a,321a,123d,123a"  # IoU .83 .6 0, again, by name, by share, by id


def test_dark_and_light_mode_have_their_colours(small, tmp_path):
    corners = []
    for dark in (True, False):
        browser.screenshot(small, tmp_path / "shot.png", (390, 200), dark)
        corners.append(sum(Image.open(tmp_path / "shot.png").convert("RGB").getpixel((2, 2))) / 3)
    assert corners[0] < 60
    assert corners[1] > 250


def test_hostile_names_are_shown_literally_and_run_nothing(tmp_path):
    spec = dataclasses.replace(page_help.SPEC, class_names=page_help.HOSTILE)
    path = html_report.write_page(page_help.write(tmp_path / "run", spec,
                                                  names=("<script>self.run = 1</script>", "\"'></svg>")))
    answer, console = browser.told(path, f"""{POINT} await point(".images .label svg", .55, .5);
        return [self.run, document.querySelector(".images .pixel").textContent];""")
    assert answer == f",label: {page_help.HOSTILE[2]} · prediction: {page_help.HOSTILE[1]} · wrong"
    assert console == []
