"""The Lab, all panels alike: keyboard, links, sizes of text, axe, and errors in words."""

import json
import shlex

import pytest
from playwright.sync_api import Page, expect

from model.lab.panels import PANELS, answer
from tests.browser.conftest import Server
from tests.browser.test_accessibility import findings

pytestmark = pytest.mark.browser

ALL = "lab-revealed=1&lab-drawing=1"
SERIES = [",".join(["0.5", "-1", "0.7", "0.3", "-0.4", "0.9"][:T]) for T in range(2, 7)]
# Texts of pictures that lie over each other, and those below `least` pixels.
CROWDED = """() => [...document.querySelectorAll(".lab-picture svg")].flatMap((svg) => {
  const boxes = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim())
    .map((text) => [text.textContent, text.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], i) => boxes.slice(i + 1).filter(([, b]) => {
    const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    return across > 1 && down > 4;
  }).map(([other]) => `${one} | ${other}`));
})"""
SMALL = """(least) => [...document.querySelectorAll(".lab *")].filter((element) =>
  [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())
  && element.getClientRects().length && !element.closest("sub, sup, math, option")
).map((element) => {
  const svg = element.closest("svg");
  const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
  const size = scale * parseFloat(getComputedStyle(element).fontSize);
  return [element.textContent.trim().slice(0, 30), size];
}).filter(([, size]) => size < least - 0.05)"""


@pytest.fixture(scope="module")
def lab_server() -> Server:
    """Serves all released networks, as `make app` does."""
    running = Server(None)
    yield running
    running.kill()


@pytest.fixture
def lab(open_page, lab_server):
    """Open a panel; `more` is the rest of its link."""

    def opened(panel: str, more: str = "", **options) -> Page:
        page = open_page(f"{lab_server.url}/#lab={panel}&{more}", wait=False, **options)
        page.locator(".lab-figure > *").first.wait_for()
        if "lab-drawing" in more:
            page.locator(".lab-drawing-result > *").first.wait_for()
        return page

    return opened


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_is_readable_by_all_and_on_all_screens(lab, panel):
    """Nothing serious for axe in light and dark, on a desktop and a phone; no page that scrolls
    sideways; texts of at least 14 pixels, 24 on a projector; none over another."""
    page = lab(panel, ALL)
    for width in (360, 390, 820, 1100, 1280, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 860})
        page.wait_for_function(
            "(width) => document.documentElement.scrollWidth <= width", arg=width
        )
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 860})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert findings(page) == [], (width, scheme)
    page.set_viewport_size({"width": 1280, "height": 860})
    assert page.evaluate(SMALL, 14) == []
    assert page.evaluate(CROWDED) == []
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.get_by_role("button", name="Project").click()
    assert page.evaluate(SMALL, 24) == []
    assert page.evaluate(CROWDED) == []


@pytest.mark.parametrize("panel", ["graph", "paths", "bidirectional"])
def test_no_label_of_a_graph_lies_over_another(lab, panel):
    page = lab(panel, "lab-revealed=1")
    page.set_viewport_size({"width": 1280, "height": 860})
    for series in SERIES:
        page.evaluate(
            "(hash) => (location.hash = hash)", f"lab={panel}&lab-revealed=1&lab-x={series}"
        )
        names = f"x{'₂₃₄₅₆'[series.count(',') - 1]}"
        expect(page.locator(".lab-figure text", has_text=names).first).to_be_visible()
        assert page.evaluate(CROWDED) == [], series
        assert page.evaluate(SMALL, 14) == [], series


@pytest.mark.parametrize("panel", PANELS)
def test_a_link_reopens_the_panel_with_its_numbers(lab, panel):
    page = lab(panel, ALL, permissions=["clipboard-read", "clipboard-write"])
    control = page.locator(".lab-body > .lab-controls [data-key^=control]").first
    control.focus()
    before = page.locator(".lab-command").inner_text()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".lab-command")).not_to_have_text(before)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".lab-body > .lab-status").first).to_contain_text("Link copied")
    link = page.evaluate("navigator.clipboard.readText()")
    shown = page.locator(".lab-result, .lab-drawing-result, .lab-command").all_inner_texts()
    page.goto("about:blank")
    page.goto(link)
    page.locator(".lab-drawing-result > *").first.wait_for()
    again = page.locator(".lab-result, .lab-drawing-result, .lab-command")
    for one, text in zip(again.all(), shown, strict=True):
        expect(one).to_have_text(text, use_inner_text=True)


def written(value: float) -> str:
    """As the Lab writes a number: three significant digits."""
    return f"{float(f'{value:.3g}'):g}".replace("-", "−")


# By panel: the first control's keys, and a number of the command's JSON that the page shows.
MOVED = {
    "graph": ("W", lambda n: n["nodes"][-1]["value"]),
    "paths": ("W", lambda n: n["dz_dW"]),
    "inputs": ("W", lambda n: n["dz_dU"]),
    "clipping": ("c, the largest norm", lambda n: n["norms"]["clipvalue"]),
    "bidirectional": ("A₁", lambda n: n["y"][0]),
    "saturation": ("b", lambda n: n["loss"]),
    "truncation": (None, lambda n: n["paths_kept"]),
}


@pytest.mark.parametrize("panel", MOVED)
def test_by_keyboard_alone_a_control_is_moved_and_the_number_is_the_commands(lab, panel):
    label, number = MOVED[panel]
    page = lab(panel, "lab-revealed=1")
    before = page.locator(".lab-command code").inner_text()
    for _ in range(80):  # from the page's top
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.closest('label')?.textContent ?? ''")
        if focused == label or (label is None and "piece" in focused):
            break
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".lab-command code")).not_to_have_text(before)
    page.wait_for_timeout(300)
    _, *words = shlex.split(page.locator(".lab-command code").inner_text())[2:]
    asked = dict(zip(words[1::2], words[2::2], strict=True))
    found = json.loads(answer(panel, {name.lstrip("-"): text for name, text in asked.items()}))
    assert written(number(found)) in page.locator(".lab-result").inner_text().split()


# What the sheet asks for, as one types it, or the choice that is right.
SHEET = [
    ("graph", "Rectangles =", "10"),
    ("graph", "Where is h₂ computed?", "in the rectangle tanh that reads τ₂"),
    ("paths", "∂z/∂W =", "0.83"),
    ("paths", "τ, h, y: more values for 100 steps than for 2 =", "294"),
    ("paths", "1 − h²: more values for 100 steps than for 2 =", "196"),
    ("inputs", "Where is x₁ in ∂z/∂W?", "in no factor of its own, but in τ₁, h₁, y₁, τ₂ and y₂"),
    ("clipping", "The technical term:", "gradient clipping"),
    ("clipping", "Its precise effect, where ‖g‖ > c:", "g ← c · g / ‖g‖"),
    ("clipping", "‖g‖ =", "5.1"),
    ("clipping", "‖g‖ after global_clipnorm =", "1"),
    ("bidirectional", "This type of network:", "a bidirectional recurrent network"),
    ("bidirectional", "A task that it suits:", "which word is a name in a sentence"),
    ("bidirectional", "k₁ =", "0.32"),
    ("bidirectional", "y₁ =", "0.66"),
    ("saturation", "L of set (1) =", "2.00"),
    ("saturation", "L of set (2) =", "0.45"),
    ("saturation", "Start with:", "set (2), its tanh is not saturated, so the gradient is not 0"),
    ("truncation", "Paths of the whole =", "406"),
    ("truncation", "Paths kept =", "112"),
    (
        "truncation",
        "A disadvantage:",
        "what depends on inputs further back than a piece is not learnt",
    ),
    ("truncation", "An advantage:", "less memory for stored states, and more updates"),
]


@pytest.mark.parametrize("panel", PANELS)
def test_the_sheets_answers_are_right(lab, panel):
    page = lab(panel)
    for _, question, typed in [row for row in SHEET if row[0] == panel]:
        row = page.locator(".lab-answers p", has=page.get_by_text(question, exact=True))
        field = row.locator("input, select")
        if field.evaluate("(field) => field.tagName") == "SELECT":
            field.select_option(label=typed)
            row.get_by_role("button", name="Check").press("Enter")
        else:
            field.fill(typed)
            field.press("Enter")
        expect(row.locator("output")).to_contain_text("Right")


def test_two_readers_are_watched_in_the_player(lab):
    page = lab("bidirectional", "lab-drawing=1")
    page.get_by_role("button", name="Watch it read").press("Enter")
    expect(page.locator(".pad-ink")).to_be_visible()
    expect(page.locator(".networks select").first).to_have_value("bidirectional")
    page.wait_for_function("document.querySelector('.scrub').value < 28")


def test_the_tabs_are_places_to_go_back_to(lab):
    page = lab("paths")
    page.get_by_role("link", name="4 Clipping").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Too large a gradient: what can be done?"
    )
    page.locator(".lab .tabs").get_by_role("link", name="Read").press("Enter")
    expect(page.locator(".pad-ink")).to_be_visible()
    expect(page.locator(".lab")).to_be_hidden()
    page.go_back()
    expect(page.get_by_role("link", name="4 Clipping")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("How does W reach z?")


def test_the_drawing_is_safe_from_keys_while_the_lab_is_shown(lab):
    page = lab("paths")
    drawn = page.evaluate(
        "window.scanlineDrawn = 0; document.querySelector('.scanline')"
        ".addEventListener('drawn', () => window.scanlineDrawn++); 0"
    )
    for key in ("7", "s", "Delete", "Control+z", "e", " "):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.evaluate("window.scanlineDrawn") == drawn


def test_what_is_no_number_is_said_in_words_and_loses_nothing(lab):
    page = lab("paths", allowed="400")
    shown = page.locator(".lab-figure").inner_text()
    page.get_by_label("W", exact=True).fill("")
    expect(page.locator(".lab-body > .lab-status").first).to_have_text("W: '' is not a number")
    assert page.locator(".lab-figure").inner_text() == shown
    page.get_by_label("W", exact=True).fill("1e999")
    expect(page.locator(".lab-body > .lab-status").first).to_contain_text("number")
    page.get_by_label("W", exact=True).fill("0.9")
    expect(page.locator(".lab-body > .lab-status").first).to_have_text("")


def test_an_answer_is_checked_before_it_is_shown(lab):
    """Right within 1 % of the exact one, or as with two decimals at every step; a comma counts."""
    for typed, said in (
        ("0.8", "Not yet."),
        ("0,83", "Right."),
        ("", "Type a number, such as −0.25."),
    ):
        page = lab("paths")
        expect(page.locator(".lab-sum")).to_contain_text("is ?")
        answer = page.get_by_label("∂z/∂W =")
        answer.fill(typed)
        answer.press("Enter")
        expect(page.locator(".lab-answers output").first).to_have_text(said)
        shown = "is 0.827" if said == "Right." else "is ?"
        expect(page.locator(".lab-sum")).to_contain_text(shown)
    page.get_by_role("button", name="Reveal").press("Enter")
    expect(page.locator(".lab-sum")).to_contain_text("is 0.827")


def test_an_answer_counts_for_the_numbers_it_was_given_to(lab):
    """Forgotten when they change, kept while another panel is looked at, and in no link."""
    page = lab("paths")
    answer, said = page.get_by_label("∂z/∂W ="), page.locator(".lab-answers output").first
    answer.fill("0.827")
    answer.press("Enter")
    expect(said).to_have_text("Right.")
    page.get_by_role("link", name="3 Inputs").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Where are the inputs?")
    page.get_by_role("link", name="2 Paths").press("Enter")
    expect(page.get_by_label("∂z/∂W =")).to_have_value("0.827")
    expect(said).to_have_text("Right.")
    page.get_by_label("W", exact=True).fill("0.8")
    expect(said).to_have_text("")
    expect(page.locator(".lab-sum")).to_contain_text("is ?")
    page.get_by_role("button", name="Reveal").press("Enter")
    expect(page.locator(".lab-sum")).not_to_contain_text("?")
    page.wait_for_timeout(1000)  # the address follows after 0.7 s
    assert "revealed" not in page.url


def test_rounding_once_is_right_too_and_enter_checks_its_own_field_alone(lab):
    page = lab("saturation")
    answer = page.get_by_label("L of set (2) =")
    answer.fill("0.46")
    answer.press("Enter")
    first, second, _ = page.locator(".lab-answers output").all()
    expect(second).to_contain_text("Right, rounded once at the end.")
    expect(first).to_have_text("")
    expect(page.locator(".lab-see")).not_to_contain_text("learns nothing")
    page.get_by_label("Start with:").select_option(index=2)
    page.get_by_role("button", name="Check").last.press("Enter")
    expect(page.locator(".lab-see")).to_contain_text("learns nothing")


def test_the_arrows_walk_the_paths_and_their_factors_multiply_to_them(lab):
    page = lab("paths", "lab-x=0.5,-1,0.7&lab-revealed=1")
    page.locator('[data-key="path-1-2"]').focus()
    for key, path in (
        ("ArrowRight", "1-3"),
        ("ArrowDown", "2-3"),
        ("ArrowLeft", "2-2"),
        ("ArrowUp", "1-2"),
    ):
        page.keyboard.press(key)
        expect(page.locator(f'[data-key="path-{path}"]')).to_be_focused()
        numbers = [
            float(text.replace("−", "-"))
            for text in page.locator(".lab-factors td").all_inner_texts()
        ]
        *factors, product = numbers
        found = 1.0
        for factor in factors:
            found *= factor
        assert found == pytest.approx(product, rel=0.02)
