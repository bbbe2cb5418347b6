"""The report page without a browser: its text, its numbers, its size, its policy, and names that are no friends."""

import base64
import dataclasses
import hashlib
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dynaghost as dg
from dynaghost.trajectories.branches import Tracks
from dynaghost.trajectories.course import Losses
from dynaghost.trajectories.verdict import Answer, Grade
from dynaghost.views import verdict_text as text
from dynaghost.views.report import background, report, report_collection, words
from dynaghost.views.report.fields import frame, paths
from dynaghost.views.report.payload import payload
from dynaghost.views.report.thinning import digits, packed, shown, thin

DATA = Path(__file__).parents[1] / "data"
NUMBERS = np.random.default_rng(3)
M = NUMBERS.normal(size=(100, 2))
N = (M.T * [[2.2], [1.6]] + NUMBERS.normal(size=(2, 100))) / 100
B = 0.3 * NUMBERS.normal(size=100)
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&amp;\u2028'\""
VOID = {"meta", "link", "input", "br", "img"}


def weights(b, m=1.5, n=1.0):
    return {"m": [m], "n": [n], "b": [b]}


@cache
def line():
    return dg.analyze([weights(b) for b in (0.0, 0.1, 0.3)])


@cache
def plane():
    states = [{"m": M, "n": (0.4 + 0.6 * k / 10) * N, "b": B} for k in (0, 2, 3, 5)]
    return dg.analyze(dg.load_run(states, leak=0.2, x0=0.4))


@cache
def space():
    states = [{"W": g * np.array([[2.0, 0.3, 0.0], [-0.3, 1.4, 0.2], [0.0, 0.1, 0.5]])} for g in (0.4, 1.0)]
    return dg.analyze(dg.load_run(states, leak=0.5, time="map", x0=0.2))


@cache
def stuck():
    return dg.analyze(dg.load_run(DATA / "fig3b_stuck"))


def long(findings, count):
    """The same findings over and over, as a run of so many checkpoints, with a loss every tenth of a step."""
    times = -(-count // len(findings.steps))
    each = max(findings.steps[-1] // max(len(findings.steps) - 1, 1), 1)
    steps = tuple(range(0, each * count, each))
    losses = Losses(
        np.arange(10 * count) * each / 10, np.exp(np.sin(np.arange(10.0 * count))), np.arange(10 * count) + 0.5
    )
    return dataclasses.replace(
        findings,
        steps=steps,
        files=tuple(f"runs/seed7/checkpoint_{step}.pt" for step in steps),
        circuits=(tuple(findings.circuits) * times)[:count],
        points=(tuple(findings.points) * times)[:count],
        tracks=Tracks(steps, findings.branches, (), (tuple(findings.tracks.labels) * times)[:count], ()),
        starts=None if findings.starts is None else (tuple(findings.starts) * times)[:count],
        losses=losses,
        paths=None if findings.paths is None else (tuple(findings.paths) * times)[:count],
        pairs=tuple(pair for pair in findings.pairs if set(pair.steps) <= set(steps)),
    )


CASES = {
    "line": line,
    "plane": plane,
    "space": space,
    "one checkpoint": lambda: dg.analyze([weights(0.0)]),
    "no events": lambda: dg.analyze([weights(b) for b in (2.0, 2.1)]),
    "degenerate": lambda: dg.analyze([weights(0.0, 1.0)]),
    "a map": lambda: dg.analyze(dg.load_run([weights(b) for b in (0.1, 0.4)], leak=0.5, time="map", x0=-1.0)),
    "steep": lambda: dg.analyze([weights(b, 1e8) for b in (0.0, 0.1)]),
    "no coupling": lambda: dg.analyze([weights(0.0, 0.0, 0.0)] * 2),
    "losses not finite": lambda: dataclasses.replace(
        line(), losses=Losses(np.arange(30.0), np.array([np.nan, np.inf, -np.inf] * 10), None)
    ),
    "stuck": stuck,
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]()


class Page(HTMLParser):
    """Every element with its attributes, the text in it, and whether all that opens is closed."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.wrong = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop()["tag"] != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]

    @property
    def data(self):
        (found,) = (e for e in self.all("script") if e.get("type") == "application/json")
        return json.loads(found["text"])


def written(findings, tmp_path, **options):
    return Page(report(findings, tmp_path / "page.html", **options).read_text(encoding="utf-8"))


def test_every_page_is_whole_and_says_what_was_found(case, tmp_path):
    page = written(case, tmp_path)
    assert page.wrong == []
    assert page.open == []
    (body,) = page.all("body")
    assert "What is proved, and what is not" in body["text"]
    assert len(page.all("h1")) == 1
    assert all(element["text"].strip() for tag in ("h1", "h2", "h3", "th") for element in page.all(tag))
    (run,) = page.data["runs"]
    assert [at["s"] for at in run["checkpoints"]] == list(case.steps)
    for at, points in zip(run["checkpoints"], case.points, strict=True):
        assert (len(at["p"]), len(at["g"])) == (len(points.fixed_points), len(points.ghosts))
        assert at["c"] == points.complete + 2 * points.ghosts_complete
    assert [event["id"] for event in run["events"]] == [event.id for event in case.events]


def test_ids_are_there_once_and_what_refers_to_them_finds_them(case, tmp_path):
    page = written(case, tmp_path)
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(ids) == len(set(ids))
    assert {e["for"] for e in page.all("label")} | {
        e["aria-labelledby"] for e in page.all("section") if "aria-labelledby" in e
    } <= set(ids)


def test_events_are_a_table_with_links_to_the_checkpoint_after_each(tmp_path):
    findings = stuck()
    page = written(findings, tmp_path)
    links = {element["text"]: element["href"] for element in page.all("a") if element["text"].startswith("e")}
    assert links == {
        f"e{event.id}": f"#epoch={next(step for step in findings.steps if step >= event.after)}"
        for event in findings.events
    }
    (table,) = (element for element in page.all("table") if "Events in the order" in element["text"])
    assert all(text.what_matters(e.kind, e.evidence).replace("-", "−") in table["text"] for e in findings.events)
    row = next(row["text"] for row in page.all("tr") if "saddle-node" in row["text"])
    assert row.startswith("e3saddle-node5,100 and")


def test_the_verdict_is_told_with_its_grade_and_its_evidence(tmp_path):
    findings = stuck()
    (told,) = (element for element in written(findings, tmp_path).all("div") if element.get("class") == "verdict")
    for reason in text.verdict_text(findings.verdicts[0], findings.verdicts, findings).split("\n  ")[1:]:
        words_of = re.sub(r"(?<=\d),(?=\d{3})", "", told["text"]).replace("−", "-")
        assert reason.replace("readout_crossing", "readout crossing") in words_of
    assert "through a ghost proved" in told["text"]


@pytest.mark.parametrize("answer", Answer)
@pytest.mark.parametrize("grade", Grade)
def test_every_answer_and_grade_has_words(answer, grade):
    findings = stuck()
    changed = dataclasses.replace(findings.verdicts[0], verdict=answer, grade=grade)
    findings = dataclasses.replace(findings, verdicts=(changed,))
    told = words.verdicts(findings, None, range(len(findings.steps)))
    assert text.ANSWERS[answer] in told
    assert (f">{grade.value}</span>" in told) == (answer is not Answer.UNDECIDED)
    assert f'<li class="{answer.value}">' in words.answers(findings)


def judged(answer, grade, **evidence):
    """The page's words for one verdict of a run with trials, with this evidence instead of its own."""
    findings = stuck()
    kept = {**findings.verdicts[0].evidence, **evidence}
    changed = dataclasses.replace(findings.verdicts[0], verdict=answer, grade=grade, evidence=kept)
    return words.answers(dataclasses.replace(findings, verdicts=(changed,)))


@pytest.mark.parametrize("answer", [Answer.GHOST, Answer.BIFURCATION, Answer.BOTH, Answer.NONE])
def test_no_answer_says_more_than_what_was_looked_at(answer):
    proved, found = judged(answer, Grade.PROVED), judged(answer, Grade.FOUND)
    assert "followed" not in proved
    assert "followed" in found
    assert "are proved to be all there are" in proved
    assert "that there are no others is not proved" in found
    assert "within reach of the trial" in proved
    assert "within reach" not in judged(answer, Grade.PROVED, visited=None)
    assert all("That a change explains a drop is not proved" in told for told in (proved, found))


def test_an_undecided_answer_says_why_where_it_stands():
    told = judged(Answer.UNDECIDED, Grade.FOUND, because="a point at 52000 has no decided certificate <b>")
    assert "A point at 52,000 has no decided certificate &lt;b&gt;." in told


def test_an_undecided_answer_is_not_marked_as_proved(tmp_path):
    findings = stuck()
    changed = dataclasses.replace(findings.verdicts[0], verdict=Answer.UNDECIDED, grade=Grade.PROVED)
    findings = dataclasses.replace(findings, verdicts=(changed,))
    page = Page(report_collection([("one", findings), ("two", findings)], tmp_path / "all.html").read_text("utf-8"))
    rows = [e["text"] for e in page.all("tr") if e["text"].startswith(("one", "two"))]
    heads = [e["text"] for e in page.all("h3") if e["text"].startswith("Loss ")]
    spans = [span["grade"] for run in page.data["runs"] for span in run["spans"] if span["verdict"]]
    told = [*rows, *heads, text.verdict_text(changed, findings.verdicts, findings).split("\n")[0]]
    assert (len(told), spans) == (5, [None, None])
    assert all("undecided" in one and "proved" not in one for one in told)
    assert "2 undecided." in next(e["text"] for e in page.all("p") if "drops of the loss" in e["text"])
    assert not [e for e in page.all("p") if e.get("class") == "grades"]


@pytest.mark.parametrize(
    ("said", "shown_as"),
    [
        ("Epoch 33776.96 if, 1234 → 0.1234 of 999", "Epoch 33,776.96 if, 1,234 → 0.1234 of 999"),
        ("At -0.5 and 1e-5, epoch_37000.pt", "At −0.5 and 1e-5, epoch_37000.pt"),
    ],
)
def test_numbers_in_sentences_are_easy_to_read(said, shown_as):
    findings = stuck()
    changed = dataclasses.replace(findings.verdicts[0], evidence={"because": said})
    assert shown_as in words.verdicts(dataclasses.replace(findings, verdicts=(changed,)), None, range(121))


def test_of_too_many_events_those_that_explain_are_told_first_and_it_says_so(tmp_path):
    findings = stuck()
    crossing = findings.events[0]
    more = [dataclasses.replace(crossing, id=k) for k in range(len(findings.events), 2005)]
    many = [*findings.events, *more]
    explained = dataclasses.replace(findings.verdicts[0], events=(1500,), evidence={})
    page = written(dataclasses.replace(findings, events=tuple(many), verdicts=(explained,)), tmp_path)
    (run,) = page.data["runs"]
    ids = [event["id"] for event in run["events"]]
    assert len(ids) == 400
    assert ids == sorted(ids)
    assert {1500, *(event.id for event in findings.events)} <= set(ids)
    (table,) = (element for element in page.all("table") if "Events in the order" in element["text"])
    assert table["text"].count("readout crossing") == 395
    assert "(400 of 2005, first those that explain drops: analysis.json has all)" in table["text"]
    assert run["graph"] is None
    assert "The graph is too large for a picture (events: 2005, branches: 3)" in page.all("main")[0]["text"]


def test_the_kinds_of_events_that_a_page_has_are_in_its_words(tmp_path):
    def known(findings):
        return {element["text"] for element in written(findings, tmp_path).all("dt")}

    assert {"readout crossing", "ghost emergence", "no-learning zone", "saddle-node"} <= known(stuck())
    assert not {"readout crossing", "Hopf", "border collision"} & known(line())


def test_a_name_cannot_turn_the_direction_of_what_is_read(tmp_path):
    findings = dataclasses.replace(line(), files=("a\u202eb", "c\u2066d", "plain"))
    report(findings, tmp_path / "page.html", title="one\u202etwo")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)
    assert "one\ufffdtwo" in page


def test_the_page_opens_where_the_first_drop_is_explained():
    findings = dg.analyze(dg.load_run(DATA / "fig3a_ghost"))
    run = payload(findings, range(len(findings.steps)))
    assert run["checkpoints"][run["opens"]]["s"] == 34000
    assert len(run["checkpoints"][run["opens"]]["g"]) == 1
    assert payload(dg.analyze([weights(b) for b in (2.0, 2.1)]), range(2))["opens"] == 1
    # A readout crossing is not what explains it where a saddle-node is there too.
    findings = stuck()
    explained = dataclasses.replace(findings.verdicts[0], events=(0, 3))
    run = payload(dataclasses.replace(findings, verdicts=(explained,)), range(len(findings.steps)))
    assert run["checkpoints"][run["opens"]]["s"] == 5150


def test_runs_without_losses_or_drops_say_so():
    assert "No losses are known" in words.answers(line())
    flat = dataclasses.replace(line(), losses=Losses(np.arange(3.0), np.ones(3), None))
    assert "no abrupt drop" in words.answers(flat)


def test_what_is_proved_is_counted(tmp_path):
    proved = background.proofs(LINE)
    assert "on the whole line at 3 of 3 checkpoints" in proved
    (table,) = (t["text"] for t in written(LINE, tmp_path).all("table") if "How many" in t["text"])
    assert table.endswith("0 to 130211")


def test_names_of_files_are_text_and_nothing_else(tmp_path):
    findings = stuck()
    about = dataclasses.replace(
        findings.description, source=f"runs/{NASTY}", equation=NASTY, guess=NASTY, order=NASTY, notes=(NASTY,)
    )
    (verdict,) = findings.verdicts
    verdict = dataclasses.replace(verdict, evidence={**verdict.evidence, "because": NASTY})
    findings = dataclasses.replace(
        findings, description=about, files=tuple(f"a/{NASTY}" for _ in findings.files), verdicts=(verdict,)
    )
    for page in (
        written(findings, tmp_path),
        Page(report_collection([(NASTY, findings)], tmp_path / "all.html").read_text(encoding="utf-8")),
    ):
        assert page.wrong == []
        assert len(page.all("script")) == 2
        assert page.all("img") == []
        # Once in each of: heading or summary, equation, weights, order, note, reason.
        assert page.all("body")[0]["text"].count("alert(1)") > 5
        assert page.data["runs"][0]["checkpoints"][0]["n"] == NASTY.rsplit("/", 1)[-1]


def test_the_policy_allows_the_page_itself_and_nothing_else(case, tmp_path):
    page = written(case, tmp_path)
    (policy,) = (e["content"] for e in page.all("meta") if e.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    (script,) = (e["text"] for e in page.all("script") if "type" not in e)
    (style,) = (e["text"] for e in page.all("style"))
    for name, content in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert not [
        name for e in page.elements for name in e if name.startswith("on") or (name == "style" and e["tag"] != "style")
    ]
    addresses = re.findall(r"https?://[^\s\"'<)]+", (tmp_path / "page.html").read_text(encoding="utf-8"))
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def luminance(colour):
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """As WCAG 2 defines it, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_texts_and_marks_stand_out_in_light_and_dark(tmp_path):
    (style,) = (e["text"] for e in written(stuck(), tmp_path).all("style"))
    schemes = [
        dict(re.findall(r"--(\w+): (#[0-9a-fA-F]{6})", part)) for part in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len(schemes) == 3
    for colours in schemes:
        for ground in (colours["paper"], colours["ground"]):
            assert min(contrast(colours[name], ground) for name in ("ink", "soft", "accent", "good")) >= 4.5
        # Orange and sky fill shapes only, which have an outline of ink.
        marks = ("blue", "green", "red", "purple", "grey")
        assert min(contrast(colours[name], colours["paper"]) for name in marks) >= 3


def test_the_same_findings_give_the_same_bytes(case, tmp_path):
    one, two = (report(case, tmp_path / name).read_bytes() for name in ("one.html", "two.html"))
    assert one == two


@pytest.mark.parametrize("kind", ["line", "plane", "space"])
def test_a_thousand_checkpoints_take_less_than_a_megabyte(kind, tmp_path):
    findings = stuck() if kind == "line" else CASES[kind]()
    path = report(long(findings, 1001), tmp_path / "page.html")
    assert 200_000 < path.stat().st_size < 1_000_000
    assert len(Page(path.read_text(encoding="utf-8")).data["runs"][0]["checkpoints"]) == 1001


def test_of_more_checkpoints_a_thousand_are_shown_and_it_says_so(tmp_path):
    page = written(long(line(), 2500), tmp_path)
    (run,) = page.data["runs"]
    assert len(run["checkpoints"]) <= 1001
    assert (run["checkpoints"][0]["s"], run["checkpoints"][-1]["s"]) == (0, 2499)
    assert f"Of 2500 checkpoints {len(run['checkpoints'])} are shown" in page.all("main")[0]["text"]


def test_both_sides_of_every_event_are_shown_where_there_is_room():
    findings = stuck()
    chosen = {findings.steps[e] for e in shown(findings, 40)}
    assert len(chosen) <= 40
    assert all({event.before, event.after} <= chosen for event in findings.events if event.at is not None)


@given(st.integers(2, 60), st.integers(2, 300))
def test_shown_checkpoints_are_no_more_than_asked_and_hold_the_ends(most, total):
    findings = long(LINE, total)
    chosen = shown(findings, most)
    assert (chosen[0], chosen[-1]) == (0, total - 1)
    assert len(chosen) == total if total <= most else len(chosen) <= most
    assert list(chosen) == sorted(set(chosen))


LINE = line()


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=400),
    st.integers(6, 100),
    st.tuples(st.floats(0, 400), st.floats(0, 400)),
)
def test_a_thinned_curve_keeps_its_extremes_its_ends_and_its_gaps(values, most, part):
    steps, values = np.arange(float(len(values))), np.array(values)
    kept_steps, kept = thin(steps, values, most, (min(part), max(part)))
    assert len(kept) <= 3 * most + 4
    assert (kept_steps[0], kept_steps[-1]) == (0, len(values) - 1)
    np.testing.assert_array_equal(kept, values[kept_steps.astype(int)])
    assert np.isnan(values).any() == np.isnan(kept).any()
    if not np.isnan(values).all():
        assert (np.nanmin(kept), np.nanmax(kept)) == (np.nanmin(values), np.nanmax(values))


def unpacked(packed_text, factor, size):
    return np.frombuffer(base64.b64decode(packed_text), dtype="i1" if size == 1 else "<i2") * factor


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.sampled_from([1, 2]))
def test_packed_numbers_come_back_to_half_a_unit(values, size):
    values = np.array(values)
    packed_text, factor = packed(values, size)
    assert np.abs(unpacked(packed_text, factor, size) - values).max() <= 0.5000001 * factor


def test_the_field_of_every_checkpoint_is_that_of_its_network():
    findings = stuck()
    run = payload(findings, range(len(findings.steps)))
    kappa = np.linspace(*run["frame"]["x"], run["frame"]["grid"])
    for at, circuit in zip(run["checkpoints"], findings.circuits, strict=True):
        f = circuit.f(kappa)
        inside = np.abs(f) < 4 * run["frame"]["y"][1]
        error = np.abs(unpacked(*at["f"], 2) - f)[inside]
        assert error.max() < 2e-4 * run["frame"]["y"][1]


def test_the_field_of_a_plane_is_that_of_its_network():
    findings = plane()
    run = payload(findings, range(len(findings.steps)))
    first, second = np.meshgrid(*(np.linspace(*run["frame"][k], run["frame"]["grid"]) for k in "xy"))
    for at, circuit in zip(run["checkpoints"], findings.circuits, strict=True):
        f = circuit.f(np.stack([first, second], axis=-1))
        for k in (0, 1):
            values = unpacked(at["f"][2 * k], at["f"][2 * k + 1], run["frame"]["bytes"]).reshape(first.shape)
            assert np.abs(values - f[..., k]).max() < 1e-4 * np.abs(f[..., k]).max()


def test_trials_of_a_plane_start_where_the_network_starts_and_end_where_the_trial_ends():
    findings = plane()
    for e, circuit in enumerate(findings.circuits):
        (path,) = paths(findings, e)
        np.testing.assert_allclose(path[0], circuit.project(np.full(100, 0.4)))
        ends = findings.tracks.labels[e].roots.index(findings.starts[e][1])
        np.testing.assert_allclose(path[-1], findings.points[e].fixed_points[ends].x, atol=1e-3)


def test_coordinates_in_space_keep_distances_up_to_what_the_components_leave_out():
    findings = space()
    chosen = frame(findings, range(len(findings.steps)), len(findings.steps))
    np.testing.assert_allclose(chosen.components @ chosen.components.T, np.eye(2), atol=1e-12)
    for at, points in zip(payload(findings, range(len(findings.steps)))["checkpoints"], findings.points, strict=True):
        for drawn, point in zip(at["p"], points.fixed_points, strict=True):
            np.testing.assert_allclose(drawn[7], chosen.of(point.x), rtol=6e-4, atol=1e-9)


def test_multipliers_of_a_map_are_shown_with_the_greatest_growth_first():
    findings = space()
    run = payload(findings, range(len(findings.steps)))
    assert (run["time"], run["letter"]) == ("map", "x")
    for at, points in zip(run["checkpoints"], findings.points, strict=True):
        for drawn, point in zip(at["p"], points.fixed_points, strict=True):
            values = np.array(drawn[8][::2]) + 1j * np.array(drawn[8][1::2])
            expected = sorted(np.abs(1 + 0.5 * point.eigenvalues), reverse=True)
            np.testing.assert_allclose(np.abs(values), expected, rtol=1e-3)


def test_a_loaded_analysis_gives_the_same_page(tmp_path):
    findings = stuck()
    findings.save(tmp_path / "out")
    loaded = dg.load_analysis(tmp_path / "out")
    assert report(loaded, tmp_path / "a.html").read_bytes() == report(findings, tmp_path / "b.html").read_bytes()


def test_many_runs_are_a_table_with_links_to_their_sections(tmp_path):
    runs = [("seed 1", stuck()), ("seed 2", line()), ("seed 3", plane())]
    page = Page(report_collection(runs, tmp_path / "all.html").read_text(encoding="utf-8"))
    assert page.wrong == []
    assert {"#run-0", "#run-1", "#run-2"} <= {a["href"] for a in page.all("a")}
    assert {"run-0", "run-1", "run-2"} == {d["id"] for d in page.all("details") if "id" in d}
    (table,) = (t["text"] for t in page.all("table") if "Runs and their verdicts" in t["text"])
    assert "seed 11211ghost (proved)6" in table
    assert "1 drop of the loss: 1 through a ghost (1 proved)." in page.all("main")[0]["text"]
    assert len(page.data["runs"]) == 3
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(ids) == len(set(ids))


def test_runs_of_a_page_are_told_apart_by_a_screen_reader_too(tmp_path):
    runs = [("one", line()), ("", line()), ('</b>"', line())]
    page = Page(report_collection(runs, tmp_path / "all.html").read_text(encoding="utf-8"))
    regions = [
        e["aria-label"]
        for e in page.elements
        if e.get("role") == "region" or e["tag"] == "section"
        if "aria-label" in e
    ]
    assert len(regions) == len(set(regions)) == 1 + 3 * 3
    assert [element["text"] for element in page.all("summary") if "graph" not in element["text"]] == [
        "one",
        "run 2",
        '</b>"',
    ]


def test_forty_runs_take_less_than_a_megabyte_and_a_half(tmp_path):
    path = report_collection([(f"seed {k}", (stuck, plane)[k % 2]()) for k in range(40)], tmp_path / "all.html")
    assert path.stat().st_size < 1_500_000


def test_of_more_than_a_hundred_runs_all_are_in_the_table(tmp_path):
    page = Page(report_collection([(f"seed {k}", LINE) for k in range(103)], tmp_path / "all.html").read_text("utf-8"))
    (table,) = (t["text"] for t in page.all("table") if "Runs and their verdicts" in t["text"])
    assert all(f"seed {k}" in table for k in range(103))
    assert len(page.data["runs"]) == len([d for d in page.all("details") if "id" in d]) == 100


def test_nonsense_is_refused(tmp_path):
    with pytest.raises(dg.DynaghostError, match="runs: expected at least one run, got none"):
        report_collection([], tmp_path / "page.html")
    with pytest.raises(dg.DynaghostError, match="path: expected a file to write, got the folder"):
        report(LINE, tmp_path)


def test_digits_are_those_asked_for():
    assert [digits(v, 3) for v in (1234.6, -0.0012346, 0.0, None, np.inf)] == [1230, -0.00123, 0, None, None]


def test_the_commands_write_the_page(tmp_path, monkeypatch, capsys):
    from dynaghost.cli import commands

    monkeypatch.chdir(tmp_path)
    np.savez("epoch_1.npz", m=[1.5], n=[1.0], b=[0.0])
    np.savez("epoch_2.npz", m=[1.5], n=[1.0], b=[0.3])
    commands.main(["analyze", ".", "--out", "out", "--report"], standalone_mode=False)
    first = (tmp_path / "out" / "report.html").read_bytes()
    commands.main(["report", "out", "--to", "elsewhere/page.html"], standalone_mode=False)
    assert (tmp_path / "elsewhere" / "page.html").read_bytes() == first
    assert "wrote elsewhere/page.html" in capsys.readouterr().out


def test_several_folders_make_one_page(tmp_path, monkeypatch):
    import click

    from dynaghost.cli import commands

    monkeypatch.chdir(tmp_path)
    for name, findings in (("first", stuck()), ("second", LINE)):
        findings.save(name)
        findings.save(f"many/{name}")
    commands.main(["report", "many"], standalone_mode=False)
    assert (tmp_path / "many" / "report.html").exists()
    commands.main(["report", "first", "second", "--to", "all.html"], standalone_mode=False)
    page = Page((tmp_path / "all.html").read_text(encoding="utf-8"))
    assert page.data == Page((tmp_path / "many" / "report.html").read_text(encoding="utf-8")).data
    assert [summary["text"] for summary in page.all("summary") if summary["text"] in ("first", "second")] == [
        "first",
        "second",
    ]
    with pytest.raises(click.UsageError, match="expected --to FILE"):
        commands.main(["report", "first", "second"], standalone_mode=False)
