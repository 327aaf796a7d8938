"""What the page shows when the network doubts: calm while the pen moves, words once it rests."""

import pytest

from tests.browser.conftest import Server
from tests.browser.pen import ONE, SEVEN, digit, draw, places, sentence, settle, watch

pytestmark = pytest.mark.browser

SCRIBBLE = [(0.15 + 0.7 * (i % 2), 0.15 + 0.07 * i) for i in range(11)]
NOT_A_DIGIT = "Not a digit, I think"
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2}


@pytest.fixture(scope="module")
def doubting_server(doubting_model):
    running = Server(doubting_model)
    yield running
    running.kill()


@pytest.fixture
def page(open_page, doubting_server):
    page = open_page(doubting_server.url)
    watch(page)
    return page


def shown(page) -> str:
    """What stands in the answer's place, as read from left to right and top to bottom."""
    return " ".join(page.locator(".verdict").inner_text().split())


def rests_as(page, text: str) -> None:
    page.wait_for_function(
        """(text) => {
          const shown = document.querySelector(".verdict").innerText.split(/\\s+/).join(" ").trim();
          return shown === text;
        }""",
        arg=text,
    )


def spoken(page) -> str:
    return page.locator(".spoken[role=status][aria-live=polite]").inner_text()


def colour(page, selector: str, prop: str = "color") -> str:
    return page.locator(selector).first.evaluate(
        "(element, prop) => getComputedStyle(element)[prop]", prop
    )


def test_a_sure_answer_is_a_digit_alone(page):
    draw(page, SEVEN)
    page.wait_for_function("document.querySelector('.spoken').textContent.includes('reads 7')")
    assert shown(page) == "7"


def test_what_is_no_digit_is_told_with_the_best_guess(page):
    draw(page, SCRIBBLE)
    rests_as(page, f"{NOT_A_DIGIT} best guess: 7")
    assert "not a digit" in spoken(page)
    assert page.locator(".digit").is_hidden()
    sizes = [colour(page, f".{name}", "fontSize") for name in ("doubt", "guess")]
    assert float(sizes[1][:-2]) < float(sizes[0][:-2])


def test_two_digits_are_told(page):
    for left in (0.2, 0.8):
        draw(page, [(left, 0.2), (left, 0.8)])
    page.wait_for_function("document.querySelector('.doubt').textContent === 'More than one digit'")
    assert "more than one digit" in spoken(page)
    assert "can read only one" in sentence(page)


def test_a_belief_in_what_is_no_digit_is_explained(page):
    draw(page, SCRIBBLE)
    rests_as(page, f"{NOT_A_DIGIT} best guess: 7")
    knowledge = page.locator(".knowledge")
    assert "judged separately" in knowledge.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert "After rows 1 and 2 it must choose a digit" in knowledge.inner_text()
    page.keyboard.press("Escape")
    page.get_by_role("slider", name="Rows read").fill("28")
    assert "sees no digit" in sentence(page)
    assert "believes" not in sentence(page)
    assert "judged separately" in knowledge.inner_text()
    page.get_by_role("button", name="Clear").click()
    draw(page, SEVEN)
    assert "judged separately" not in knowledge.inner_text()


def test_two_digits_that_are_as_likely_are_both_told(page):
    draw(page, ONE)
    rests_as(page, "Not sure: 4 or 9")
    assert "4 or 9" in spoken(page)


def test_the_bars_stay_and_lose_their_confident_colour(page):
    draw(page, SEVEN)
    sure = colour(page, ".digit")
    bar = colour(page, ".track i", "backgroundColor")
    draw(page, SCRIBBLE)  # a second stroke: with the seven, far too much ink
    assert colour(page, ".track i", "backgroundColor") != bar
    assert colour(page, ".digit") != sure
    assert page.locator(".bars .winner b").inner_text() == "7"
    assert page.locator(".bars .value").last.inner_text().endswith("%")


def test_while_the_pen_moves_no_words_come_and_go(page):
    """The bar of a seven is "not sure", the whole one a seven: all in one stroke."""
    page.evaluate("""() => {
      window.states = [];
      const answer = document.querySelector(".answer");
      document.querySelector(".scanline").addEventListener("painted", () => {
        const visible = [...answer.querySelectorAll(".verdict > p")]
          .filter((part) => getComputedStyle(part).visibility === "visible" && part.offsetParent);
        window.states.push([answer.classList.contains("doubted"),
                            visible.map((part) => part.className).join(" ")]);
      });
    }""")
    first, *rest = places(page, SEVEN)
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=12)
    settle(page)
    states = {tuple(state) for state in page.evaluate("window.states")}
    assert {doubted for doubted, _ in states} == {True, False}, "the stroke met no doubt"
    assert {parts for _, parts in states} <= {"digit", "digit guess"}
    page.mouse.up()


def test_words_give_way_to_the_guess_when_the_pen_goes_on(page):
    draw(page, ONE)
    rests_as(page, "Not sure: 4 or 9")
    draw(page, [(0.3, 0.5), (0.36, 0.5)], release=False)
    assert page.locator(".digit").is_visible()
    assert page.locator(".doubt").is_hidden()
    page.mouse.up()


def test_nothing_moves_when_the_verdict_changes(page):
    boxes = []
    for stroke, text in ((SEVEN, "7"), (ONE, "Not sure: 4 or 9"), (SCRIBBLE, None)):
        page.keyboard.press("Delete")
        draw(page, stroke)
        rests_as(page, text or f"{NOT_A_DIGIT} best guess: 7")
        boxes.append(
            [page.locator(part).bounding_box() for part in (".bars", ".reading", ".tools")]
        )
    assert boxes[0] == boxes[1] == boxes[2]


def test_the_cleared_pad_is_not_doubted(page):
    draw(page, SCRIBBLE)
    rests_as(page, f"{NOT_A_DIGIT} best guess: 7")
    page.get_by_role("button", name="Clear").click()
    settle(page)
    assert shown(page) == "–"
    assert float(colour(page, ".digit", "fontSize")[:-2]) < 40  # a remark, no bar
    assert "no digit to read" in sentence(page)


def test_a_change_of_theme_keeps_the_words(page):
    draw(page, ONE)
    rests_as(page, "Not sure: 4 or 9")
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_timeout(100)
    assert shown(page) == "Not sure: 4 or 9"


def test_a_doubted_answer_is_not_called_an_answer(page):
    draw(page, SCRIBBLE)
    assert "answers" not in sentence(page)


@pytest.mark.parametrize("screen", [{}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("stroke", [ONE, SCRIBBLE], ids=["not sure", "not a digit"])
def test_the_words_fit_their_place(open_page, doubting_server, screen, stroke):
    page = open_page(doubting_server.url, **screen)
    watch(page)
    draw(page, stroke)
    page.locator(".rejected .doubt").wait_for()
    place = page.locator(".verdict").bounding_box()
    for part in (".doubt", ".guess"):
        box = page.locator(part).bounding_box()
        assert box["y"] >= place["y"] - 0.5
        assert box["y"] + box["height"] <= place["y"] + place["height"] + 0.5
        assert page.locator(part).evaluate("(p) => p.scrollWidth <= p.clientWidth")


def test_a_network_that_cannot_doubt_never_does(open_page, tiny_server):
    page = open_page(tiny_server.url)
    watch(page)
    draw(page, SCRIBBLE)
    page.wait_for_function("document.querySelector('.spoken').textContent.includes('reads')")
    assert shown(page) == digit(page)


def test_the_documentation_of_the_api_works_offline(browser, doubting_server):
    page = browser.new_page()
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{doubting_server.url}/docs")
    page.get_by_text("/classify").first.wait_for()
    assert [url for url in requests if not url.startswith((doubting_server.url, "data:"))] == []
    page.close()
