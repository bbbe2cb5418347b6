// One explorer a run: which checkpoint is shown, how it is chosen, and what is drawn when it changes.

class Explorer {
  constructor(root, run, number, many) {
    [this.root, this.run, this.number, this.many] = [root, run, number, many];
    this.find = (name) => root.querySelector(`.${name}`);
    this.slider = this.find("slider");
    this.slider.max = run.checkpoints.length - 1;
    this.at = run.checkpoints.length - 1;
    // Enlarged at first where half of what happens lies in that stretch.
    const inside = run.focus ? run.events.filter(({ at }) => at >= run.focus[0] && at <= run.focus[1]) : [];
    this.view = run.focus && 2 * inside.length >= run.events.length ? "focus" : "whole";
    this.link = (event) => this.address(this.checkpointAfter(event).s);
    fillLegend(this.find("legend"), run);
    if (run.graph) fillRelations(this.find("relations"), run);
    this.find("graph").hidden = !run.graph;
    this.find("events").hidden = !run.events.length;
    // On a line eigenvalues are real, and their picture low and wide.
    this.find("pair").classList.toggle("flat", run.dim === 1 && run.time === "flow");
    this.listen();
  }

  address(step) {
    return this.many ? `#run=${this.number}&${this.run.axis}=${step}` : `#${this.run.axis}=${step}`;
  }

  checkpointAfter(event) {
    return this.run.checkpoints[event.to];
  }

  listen() {
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.find("back").addEventListener("click", () => this.show(this.at - 1));
    this.find("forth").addEventListener("click", () => this.show(this.at + 1));
    this.find("earlier").addEventListener("click", () => this.jump(-1));
    this.find("later").addEventListener("click", () => this.jump(1));
    this.find("zoom").hidden = !this.run.focus;
    for (const button of this.root.querySelectorAll(".zoom button")) button.addEventListener("click", () => this.zoom(button.value));
    new ResizeObserver(() => this.resize()).observe(this.find("flow"));
  }

  // To the next checkpoint in this direction that an event leads to.
  jump(way) {
    const places = this.run.events.map((event) => event.to);
    const found = places.filter((place) => (place - this.at) * way > 0).sort((a, b) => (a - b) * way);
    if (found.length) this.show(found[0]);
  }

  zoom(view) {
    this.view = view;
    this.drawAlong();
  }

  resize() {
    const width = this.find("flow").clientWidth;
    if (!width || width === this.width) return;
    this.width = width;
    this.drawAlong();
    this.drawHere();
  }

  drawAlong() {
    // Hidden, it has no width, and is drawn when it is shown.
    if (!this.width) return;
    const { run, root } = this;
    const held = root.contains(document.activeElement) && document.activeElement.matches("a.event") ? document.activeElement : null;
    const part = held?.closest(".timeline") ? ".timeline" : ".graph";
    for (const button of root.querySelectorAll(".zoom button")) button.setAttribute("aria-pressed", String(button.value === this.view));
    const svg = root.querySelector(".timeline svg");
    this.time = drawTimeline(svg, run, this.view, this.find("timeline").clientWidth, this.link);
    this.time.pad.addEventListener("click", (click) => this.nearest(this.stepAt(click, svg)));
    if (run.graph) drawGraph(root.querySelector(".graph svg"), run, this.find("graph").clientWidth, this.link);
    this.moveCursor();
    // Whoever is at an event by keyboard stays there.
    const same = (link) => link.getAttribute("aria-label") === held.getAttribute("aria-label");
    if (held) [...root.querySelectorAll(`${part} a.event`)].find(same)?.focus({ preventScroll: true });
  }

  stepAt(click, svg) {
    const { left, right, steps } = this.time, box = svg.getBoundingClientRect();
    return steps[0] + ((click.clientX - box.left - left) / (right - left)) * (steps[1] - steps[0]);
  }

  drawHere() {
    if (!this.width) return;
    const at = this.run.checkpoints[this.at];
    drawFlow(this.root.querySelector(".flow svg"), this.run, at, this.find("flow").clientWidth);
    drawSpectrum(this.root.querySelector(".spectrum svg"), this.run, at, this.find("spectrum").clientWidth);
    this.moveCursor();
  }

  moveCursor() {
    if (!this.time) return;
    const place = this.time.x(this.run.checkpoints[this.at].s);
    const inside = place >= this.time.left - 1 && place <= this.time.right + 1;
    this.time.cursor.setAttribute("x1", place);
    this.time.cursor.setAttribute("x2", place);
    this.time.cursor.setAttribute("visibility", inside ? "visible" : "hidden");
  }

  nearest(step) {
    const distances = this.run.checkpoints.map(({ s }) => Math.abs(s - step));
    this.show(distances.indexOf(Math.min(...distances)));
  }

  show(place, quiet = false) {
    const { run, slider } = this;
    this.at = Math.max(0, Math.min(run.checkpoints.length - 1, place));
    const at = run.checkpoints[this.at];
    slider.value = this.at;
    slider.setAttribute("aria-valuetext", `${run.axis} ${grouped(at.s)}: ${counted(at.p.length, "fixed point")}, ${counted(at.g.length, "ghost")}`);
    this.find("epoch").textContent = `${run.axis} ${grouped(at.s)}`;
    this.find("now").textContent = sentence(run, at, this.at);
    for (const [name, end] of [["back", 0], ["forth", run.checkpoints.length - 1]]) this.find(name).disabled = this.at === end;
    fillTable(this.find("points"), run, at);
    if (run.focus && (at.s < run.focus[0] || at.s > run.focus[1]) && this.view === "focus") this.zoom("whole");
    this.drawHere();
    if (quiet) return;
    // Browsers allow only so many changes of the address in a while; and a link that was pressed meanwhile goes first.
    clearTimeout(this.saving);
    const before = location.hash;
    this.saving = setTimeout(() => before === location.hash && history.replaceState(null, "", this.address(at.s)), 120);
  }
}

const runs = JSON.parse(document.getElementById("data").textContent).runs;
const explorers = new Map();

function explorer(number) {
  if (!explorers.has(number)) {
    const root = document.querySelector(`[data-run="${number}"]`);
    if (!root || !runs[number]) return null;
    explorers.set(number, new Explorer(root, runs[number], number, runs.length > 1));
    explorers.get(number).start();
  }
  return explorers.get(number);
}

Explorer.prototype.start = function start() {
  this.show(this.run.opens, true);
  this.resize();
};

// #epoch=6600, or #run=2&epoch=6600 where there are many runs; "step" serves as well as "epoch".
function follow() {
  // A link of the table of runs opens that run.
  const named = /^#run-\d+$/.test(location.hash) && document.querySelector(location.hash);
  if (named) named.open = true;
  const asked = new URLSearchParams(location.hash.slice(1));
  const step = asked.get("epoch") ?? asked.get("step");
  const number = Number(asked.get("run") ?? 0);
  const fold = document.querySelector(`[data-run="${number}"]`)?.closest("details");
  if (asked.has("run") && fold) fold.open = true;
  if (step === null || step.trim() === "" || !Number.isFinite(Number(step))) return;
  clearTimeout(explorer(number)?.saving);
  explorer(number)?.nearest(Number(step));
}

for (const root of document.querySelectorAll("[data-run]")) {
  const number = Number(root.dataset.run), fold = root.closest("details");
  if (!fold) explorer(number);
  else fold.addEventListener("toggle", () => fold.open && explorer(number)?.resize());
}
addEventListener("hashchange", follow);
follow();
for (const hidden of document.querySelectorAll(".needs-script")) hidden.hidden = false;
for (const one of explorers.values()) one.resize();

// On paper everything is open, and as wide as the paper is.
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not(.many)")) fold.open = true;
  for (const one of explorers.values()) one.resize();
});
