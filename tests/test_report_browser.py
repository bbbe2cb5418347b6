"""The report page in a real browser: what a person sees and presses, and what a screen reader meets.

Skipped where there is no Chromium with its driver, but never on a server of tests (`CI=true`).
"""

import json
import os
import shutil
import socket
import threading
from pathlib import Path

import numpy as np
import pytest

import dynaghost as dg
from dynaghost.views.report import report, report_collection

DATA = Path(__file__).parents[1] / "data"
FLAGS = (
    "headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync hide-scrollbars"
)
NUMBERS = np.random.default_rng(3)
M = NUMBERS.normal(size=(100, 2))
N = (M.T * [[2.2], [1.6]] + NUMBERS.normal(size=(2, 100))) / 100
B = 0.3 * NUMBERS.normal(size=100)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"expected {' and '.join(missing)}, which .ci/run installs")
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on this machine")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS.split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        # The driver is on this machine, whatever proxy leads out of it.
        patch.setenv("NO_PROXY", "localhost,127.0.0.1")
        patch.setenv("no_proxy", "localhost,127.0.0.1")
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        yield driver
        driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of a line, a plane, a space of three dimensions (a map), a run of one checkpoint, and of them all."""
    states = [{"m": M, "n": (0.4 + 0.6 * k / 10) * N, "b": B} for k in (0, 2, 3, 5)]
    matrix = np.array([[2.0, 0.3, 0.0], [-0.3, 1.4, 0.2], [0.0, 0.1, 0.5]])
    runs = {
        "line": dg.analyze(dg.load_run(DATA / "fig3b_stuck")),
        "plane": dg.analyze(dg.load_run(states, leak=0.2, x0=0.4)),
        "space": dg.analyze(dg.load_run([{"W": g * matrix} for g in (0.4, 1.0)], leak=0.5, time="map", x0=0.2)),
        "one": dg.analyze([{"m": [1.5], "n": [1.0], "b": [0.0]}]),
    }
    folder = tmp_path_factory.mktemp("pages")
    found = {name: report(findings, folder / f"{name}.html").as_uri() for name, findings in runs.items()}
    return found | {"all": report_collection(list(runs.items()), folder / "all.html").as_uri()}


@pytest.fixture
def browser(driver):
    """The browser at its usual size, with empty logs; afterwards it has seen no error and made no request."""
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    driver.set_window_size(1200, 900)
    driver.get("about:blank")
    driver.get_log("browser"), driver.get_log("performance")
    yield driver
    assert driver.get_log("browser") == []
    requests = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in requests if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
    assert len({url.partition("#")[0] for url in asked if url.startswith("file:")}) == 1


def text(browser, selector):
    return " ".join(element.text for element in browser.find_elements("css selector", selector))


def count(browser, selector):
    return len(browser.find_elements("css selector", selector))


def now(browser):
    return text(browser, ".now")


def wait(browser, condition):
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, 10, poll_frequency=0.02).until(lambda _: condition())


def test_text_and_pictures_are_those_of_the_checkpoint_in_the_address(browser, pages):
    browser.get(f"{pages['line']}#epoch=6000")
    assert now(browser).startswith(
        "Epoch 6,000 (checkpoint 121 of 121 shown, epoch_6000.npz): 3 fixed points, 0 ghosts."
    )
    assert "Fixed points proved complete, ghosts proved complete." in now(browser)
    assert text(browser, ".points caption") == "Slow points at epoch 6,000"
    rows = [row.text for row in browser.find_elements("css selector", ".points tbody tr")]
    assert [("unstable" in row) for row in rows] == [False, True, False]
    assert "κ = −6.49398" in rows[0]
    assert "proved" in rows[0]
    assert count(browser, ".flow .point.stable") == 2
    assert count(browser, ".flow .point.unstable") == 1
    assert count(browser, ".spectrum .point") == 3


def test_an_epoch_between_checkpoints_shows_the_nearest(browser, pages):
    browser.get(f"{pages['line']}#epoch=5130")
    assert now(browser).startswith("Epoch 5,150 ")
    browser.get(f"{pages['line']}#epoch=-7")
    wait(browser, lambda: now(browser).startswith("Epoch 0 "))


@pytest.mark.parametrize("nonsense", ["#epoch=", "#epoch=x", "#main", "#run=7&epoch=3", "#epoch=NaN", "#%"])
def test_an_address_without_an_epoch_shows_where_the_first_event_is(browser, pages, nonsense):
    browser.get(pages["line"] + nonsense)
    assert now(browser).startswith("Epoch 5,050 ")


def test_the_slider_moves_by_keys_and_says_what_it_shows(browser, pages):
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{pages['line']}#epoch=5100")
    curve = browser.find_element("css selector", ".flow .curve").get_attribute("d")
    slider = browser.find_element("css selector", ".slider")
    slider.send_keys(Keys.ARROW_RIGHT)
    assert now(browser).startswith("Epoch 5,150 ")
    assert slider.get_attribute("aria-valuetext") == "epoch 5,150: 3 fixed points, 0 ghosts"
    assert browser.find_element("css selector", ".flow .curve").get_attribute("d") != curve
    wait(browser, lambda: browser.current_url.endswith("#epoch=5150"))
    slider.send_keys(Keys.HOME)
    assert now(browser).startswith("Epoch 0 ")
    slider.send_keys(Keys.END)
    assert now(browser).startswith("Epoch 6,000 ")


def test_the_cursor_moves_along_training(browser, pages):
    browser.get(f"{pages['line']}#epoch=5000")
    place = [float(browser.find_element("css selector", ".timeline .cursor").get_attribute("x1"))]
    browser.find_element("css selector", ".forth").click()
    place.append(float(browser.find_element("css selector", ".timeline .cursor").get_attribute("x1")))
    assert place[0] < place[1]


def test_buttons_go_to_the_next_event_and_stop_at_the_ends(browser, pages):
    browser.get(f"{pages['line']}#epoch=0")
    browser.find_element("css selector", ".later").click()
    assert now(browser).startswith("Epoch 5,050 ")
    browser.find_element("css selector", ".earlier").click()
    assert now(browser).startswith("Epoch 5,050 ")
    browser.get(f"{pages['line']}#epoch=6000")
    wait(browser, lambda: not browser.find_element("css selector", ".forth").is_enabled())


@pytest.mark.parametrize("place", [".timeline", ".graph"])
def test_a_click_on_an_event_goes_to_the_checkpoint_after_it(browser, pages, place):
    browser.get(f"{pages['line']}#epoch=5000")
    (event,) = (
        link
        for link in browser.find_elements("css selector", f"{place} a.event")
        if "saddle-node" in link.get_attribute("aria-label")
    )
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", event)
    event.find_element("css selector", ".shape").click()
    wait(browser, lambda: now(browser).startswith("Epoch 5,150 "))
    assert browser.current_url.endswith("#epoch=5150")


def test_a_link_that_is_pressed_at_once_is_not_lost(browser, pages):
    browser.get(f"{pages['line']}#epoch=0")
    # The slider's own address comes late: here after a link was pressed, and before the page hears of it.
    browser.execute_script("""
        const late = [], usual = window.setTimeout, slider = document.querySelector('.slider');
        window.setTimeout = (call) => late.push(call);
        slider.value = 7;
        slider.dispatchEvent(new Event('input'));
        window.setTimeout = usual;
        location.hash = '#epoch=5150';
        late.forEach((call) => call());
    """)
    wait(browser, lambda: now(browser).startswith("Epoch 5,150 "))


def test_an_event_is_reached_by_keyboard(browser, pages):
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{pages['line']}#epoch=0")
    link = browser.find_element("css selector", ".timeline a.event")
    browser.execute_script("arguments[0].focus()", link)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    wait(browser, lambda: now(browser).startswith("Epoch 5,050 "))


def test_a_link_in_the_text_goes_there_too(browser, pages):
    browser.get(f"{pages['line']}#epoch=0")
    browser.execute_script("document.querySelector('table.cards tbody tr:nth-child(4) a').click()")
    wait(browser, lambda: now(browser).startswith("Epoch 5,150 "))


def test_a_click_along_training_shows_the_nearest_checkpoint(browser, pages):
    from selenium.webdriver.common.action_chains import ActionChains

    browser.get(f"{pages['line']}#epoch=0")
    pad = browser.find_element("css selector", ".timeline .pad")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", pad)
    ActionChains(browser).move_to_element_with_offset(pad, pad.size["width"] // 4, 40).click().perform()
    # Three quarters of the whole run, 0 to 6000.
    epoch = int(now(browser).split()[1].replace(",", ""))
    assert abs(epoch - 4500) <= 50


def test_a_part_of_training_can_be_enlarged(browser, pages):
    browser.get(f"{pages['line']}#epoch=5100")
    focus, whole = browser.find_elements("css selector", ".zoom button")
    assert [b.get_attribute("aria-pressed") for b in (focus, whole)] == ["true", "false"]
    near = text(browser, ".timeline .tick")
    browser.execute_script("arguments[0].click()", whole)
    assert [b.get_attribute("aria-pressed") for b in (focus, whole)] == ["false", "true"]
    assert text(browser, ".timeline .tick") != near


def test_a_plane_shows_flow_nullclines_points_and_the_trial(browser, pages):
    browser.get(f"{pages['plane']}#step=2")
    assert now(browser).startswith("Step 2 ")
    assert count(browser, ".flow image") == 1
    assert count(browser, ".flow .nullcline") == 2
    assert all(len(n.get_attribute("d")) > 500 for n in browser.find_elements("css selector", ".flow .nullcline"))
    assert count(browser, ".flow .path") == 1
    rows = count(browser, ".points tbody tr")
    assert count(browser, ".flow .point") == rows > 1


# From each mark of a point to the nearest piece of each line, in pixels.
DISTANCES = """
    const numbers = (text) => text.match(/-?[\\d.]+/g).map(Number);
    const pieces = [...document.querySelectorAll(arguments[0])].map((path) =>
        path.getAttribute('d').split('M').slice(1).flatMap((part) => {
            const flat = numbers(part), found = flat.flatMap((v, i) => (i % 2 ? [] : [[v, flat[i + 1]]]));
            return found.slice(1).map((end, i) => [found[i], end]);
        }));
    const apart = ([[a, b], [c, d]], x, y) => {
        const [u, v] = [c - a, d - b], size = u * u + v * v;
        const t = size ? Math.max(0, Math.min(1, ((x - a) * u + (y - b) * v) / size)) : 0;
        return Math.hypot(a + t * u - x, b + t * v - y);
    };
    return [...document.querySelectorAll(arguments[1])].flatMap((point) => {
        const [x, y] = numbers(point.getAttribute('transform'));
        return pieces.map((curve) => Math.min(...curve.map((piece) => apart(piece, x, y))));
    });
"""


def test_nullclines_meet_in_the_fixed_points(browser, pages):
    browser.get(f"{pages['plane']}#step=3")
    distances = browser.execute_script(DISTANCES, ".flow .nullcline", ".flow .point:not(.ghost)")
    assert len(distances) == 6
    assert max(distances) < 0.7


def test_points_and_ghosts_of_a_line_are_on_its_curve(browser, pages):
    for epoch in (5100, 5150):
        browser.get(f"{pages['line']}#epoch={epoch}")
        assert max(browser.execute_script(DISTANCES, ".flow .curve", ".flow .point")) < 0.5


def test_the_curve_has_the_values_of_f(browser, pages):
    browser.get(f"{pages['line']}#epoch=6000")
    path = browser.find_element("css selector", ".flow .curve").get_attribute("d")
    drawn = np.array([piece.split() for piece in path[1:].split("L")], dtype=float)
    circuit = dg.analyze(dg.load_run(DATA / "fig3b_stuck")).circuits[-1]
    frame = browser.execute_script("return JSON.parse(document.getElementById('data').textContent).runs[0].frame")
    f = circuit.f(np.linspace(*frame["x"], frame["grid"]))
    box = browser.execute_script("return document.querySelector('.flow .frame').getBBox()")
    expected = box["y"] + box["height"] * (frame["y"][1] - f) / (frame["y"][1] - frame["y"][0])
    np.testing.assert_allclose(drawn[:, 1], expected, atol=0.11)


def test_an_event_that_is_held_by_keyboard_stays_so_when_pictures_are_drawn_anew(browser, pages):
    browser.get(f"{pages['line']}#epoch=5100")
    browser.execute_script("document.querySelector('.timeline a.event').focus()")
    browser.execute_script("document.querySelector('.zoom button[value=whole]').click()")
    assert browser.execute_script("return document.activeElement.matches('.timeline a.event')")


def test_a_space_shows_points_in_components_beside_the_unit_circle(browser, pages):
    browser.get(pages["space"])
    assert "of the variance" in text(browser, ".flow .label")
    assert count(browser, ".flow .point") == count(browser, ".points tbody tr") > 0
    assert count(browser, ".spectrum path.critical") == 1
    circle = browser.find_element("css selector", ".spectrum path.critical").rect
    assert abs(circle["width"] - circle["height"]) < 3


def test_a_run_of_one_checkpoint_without_losses_is_shown(browser, pages):
    browser.get(pages["one"])
    assert now(browser).startswith("Step 0 (checkpoint 1 of 1 shown")
    assert "No losses are known" in text(browser, ".answers")
    assert not browser.find_element("css selector", ".forth").is_enabled()


def test_many_runs_open_on_demand_and_by_address(browser, pages):
    browser.get(pages["all"])
    assert count(browser, "details.run[open]") == 0
    assert count(browser, "table.cards tbody tr") >= 4
    browser.get(f"{pages['all']}#run=1&step=3")
    wait(browser, lambda: count(browser, "details.run[open]") == 1)
    assert text(browser, "#run-1 .now").startswith("Step 3 ")
    assert count(browser, "#run-1 .flow .nullcline") == 2
    browser.execute_script("document.querySelector('#run-0 > summary').click()")
    wait(browser, lambda: text(browser, "#run-0 .now").startswith("Epoch 5,050 "))
    browser.execute_script("document.querySelector('table.cards a[href=\"#run-3\"]').click()")
    wait(browser, lambda: text(browser, "#run-3 .now").startswith("Step 0 "))


def colours(browser):
    return browser.execute_script("""
        const style = (selector) => getComputedStyle(document.querySelector(selector));
        return [style('body').backgroundColor, style('body').color, style('.flow .label').fill, style('h2').color];
    """)


def brightness(colour):
    return sum(map(float, colour.strip("rgba()").split(",")[:3])) / 765


def test_dark_where_the_reader_wants_it_dark(browser, pages):
    found = {}
    for scheme in ("light", "dark"):
        wanted = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
        browser.get(pages["line"])
        found[scheme] = list(map(brightness, colours(browser)))
    paper, *inks = found["light"]
    assert paper > 0.9 > 0.3 > max(inks)
    paper, *inks = found["dark"]
    assert paper < 0.15 < 0.8 < min(inks)


@pytest.mark.parametrize("name", ["line", "plane", "space", "one", "all"])
@pytest.mark.parametrize("width", [320, 375, 768])
def test_nothing_scrolls_sideways_on_a_phone(browser, pages, name, width):
    device = {"width": width, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    browser.get(f"{pages[name]}#run=0&epoch=5150")
    wide, inner, sizes = browser.execute_script("""
        const texts = [...document.querySelectorAll('svg text')].filter((text) => text.getClientRects().length);
        const size = (text) => {
            const svg = text.ownerSVGElement, scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
            return scale * parseFloat(getComputedStyle(text).fontSize);
        };
        return [document.documentElement.scrollWidth, innerWidth, texts.map(size)];
    """)
    assert wide <= inner == width
    assert min(sizes, default=11) >= 10
    fold = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].every((e) => e.scrollWidth <= e.clientWidth + 1)"
    )
    assert fold or width > 736


def test_on_paper_everything_is_open_and_light(browser, pages, tmp_path):
    import base64

    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
    browser.get(f"{pages['line']}#epoch=5150")
    assert brightness(colours(browser)[0]) == 1
    assert not browser.find_element("css selector", ".slider").is_displayed()
    paper = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert paper[:5] == b"%PDF-"
    assert count(browser, "details:not([open])") == 0


def test_what_a_screen_reader_meets(browser, pages):
    browser.get(f"{pages['line']}#epoch=5150")
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    met = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in tree if not n.get("ignored")]
    headings = [name for role, name in met if role == "heading"]
    for expected in (
        "fig3b_stuck",
        "Epoch by epoch",
        "Latent flow",
        "Eigenvalues",
        "Events",
        "What is proved, and what is not",
    ):
        assert expected in headings
    assert ("slider", "Checkpoint at epoch 5,150") in met
    assert any(role == "status" for role, _ in met)
    tables = [name for role, name in met if role == "table"]
    assert "Slow points at epoch 5,150" in tables
    assert any(name.startswith("Events in the order") for name in tables)
    events = [name for role, name in met if role == "link" and "saddle-node" in name]
    assert events == ["e3 saddle-node, 5,100 to 5,150"] * 2
    unnamed = [
        role for role, name in met if role in ("button", "link", "slider", "image", "graphics-document") and not name
    ]
    assert unnamed == []


def test_the_policy_stops_every_request(driver, pages):
    """Not through `browser`: the errors in the console are what is expected here."""
    asked, server = [], socket.create_server(("127.0.0.1", 0))
    server.settimeout(1)

    def listen():
        try:
            while True:
                with server.accept()[0] as connection:
                    connection.settimeout(1)
                    asked.append(connection.recv(100))
        except OSError:
            return

    thread = threading.Thread(target=listen)
    thread.start()
    port = server.getsockname()[1]
    driver.get(pages["line"])
    told = driver.execute_async_script(
        """
        const [address, done] = arguments, stopped = [];
        document.addEventListener('securitypolicyviolation', (e) => stopped.push(e.effectiveDirective));
        new Image().src = address + 'a.png';
        const add = (tag, more) => document.body.append(Object.assign(document.createElement(tag), more));
        add('script', {src: address + 'a.js'});
        add('script', {textContent: 'window.broken = 1'});
        add('link', {rel: 'stylesheet', href: address + 'a.css'});
        fetch(address).catch(() => 0);
        setTimeout(() => done([stopped, window.broken ?? null]), 300);
        """,
        f"http://127.0.0.1:{port}/",
    )
    server.close()
    thread.join()
    driver.get_log("browser"), driver.get_log("performance")
    assert asked == []
    assert told[1] is None
    assert {"img-src", "script-src-elem", "style-src-elem", "connect-src"} <= set(told[0])


def test_a_page_of_a_thousand_checkpoints_answers_at_once(browser, tmp_path):
    states = [{"m": [1.5], "n": [1.0], "b": [0.4 * np.sin(k / 100)]} for k in range(1000)]
    page = report(dg.analyze(states), tmp_path / "page.html")
    assert page.stat().st_size < 1_000_000
    browser.get(page.as_uri())
    took = browser.execute_script("""
        const slider = document.querySelector('.slider'), begun = performance.now();
        for (let i = 0; i < 100; i++) { slider.value = 10 * i; slider.dispatchEvent(new Event('input')); }
        return (performance.now() - begun) / 100;
    """)
    # Milliseconds a move; a tenth of a second is what is felt.
    assert took < 100
