// The same in words: what a checkpoint's network has, as a sentence that is read aloud and as a table.

function claims(at) {
  const told = [["fixed points", at.c & 1], ["ghosts", at.c & 2]];
  return told.map(([what, proved]) => `${what} ${proved ? "proved complete" : "not proved complete"}`).join(", ");
}

function sentence(run, at, number) {
  const when = `${run.axis[0].toUpperCase()}${run.axis.slice(1)} ${grouped(at.s)}`;
  const parts = [`${when} (checkpoint ${number + 1} of ${run.checkpoints.length} shown, ${at.n}): ${counted(at.p.length, "fixed point")}, ${counted(at.g.length, "ghost")}.`];
  if (at.l !== null) parts.push(`Loss ${short(at.l)}.`);
  parts.push(`${claims(at)[0].toUpperCase()}${claims(at).slice(1)}.`);
  const slowest = [...at.g].sort((a, b) => a[1] - b[1])[0];
  if (slowest) parts.push(`The slowest ghost is at ${run.letter} = ${place(run, slowest)}, speed ${short(slowest[1])}, passage time ${short(slowest[2])} ${run.unit}.`);
  if (at.u) parts.push(`${counted(at.u, "point or part")} of the region undecided.`);
  if (at.o) parts.push(`${counted(at.o, "slow region")} that ${at.o === 1 ? "is" : "are"} no point.`);
  if (at.k) parts.push(ending(run, at));
  return parts.join(" ");
}

function ending(run, at) {
  const who = at.t.length > 1 ? "The first trial" : "The trial", end = at.p.find((point) => point[0] === at.k[1]);
  return end ? `${who} ends at ${run.letter} = ${place(run, end)}, on branch ${at.k[1]}.` : `${who} comes to rest at no fixed point.`;
}

// Where a point is: its only number, or the first few.
function place(run, point) {
  if (run.dim === 1) return short(point[7][0], 6);
  const numbers = (point[6] ?? point[7]).map((value) => short(value));
  return `(${numbers.join(", ")}${run.dim > numbers.length ? ", …" : ""})`;
}

function rates(run, point) {
  const [re, im] = point[8];
  if (re === undefined || re === null) return "";
  const what = run.time === "map" ? "leading multiplier" : "leading eigenvalue";
  const value = im ? `${short(re)} ± ${short(Math.abs(im))}i` : short(re);
  return run.dim === 1 ? `${what.slice(8)} ${value}` : `${what} ${value}, ${counted(point[5], "unstable direction")}`;
}

function row(body, role, cells) {
  const names = Array.from(body.parentElement.querySelectorAll("thead th"), (head) => head.textContent);
  const line = element(body, "tr");
  const name = element(line, "th", { scope: "row" });
  const picture = document.createElementNS(SVG, "svg");
  for (const [key, value] of [["viewBox", "-9 -9 18 18"], ["width", 18], ["height", 18], ["aria-hidden", "true"]]) picture.setAttribute(key, value);
  mark(picture, role, 0, 0);
  name.append(picture, ` ${ROLES[role] === "ghost" ? "ghost" : "fixed point"}`);
  cells.forEach((cell, i) => element(line, "td", { "data-label": names[i + 1] }, cell));
}

function fillTable(table, run, at) {
  table.querySelector("caption").textContent = `Slow points at ${run.axis} ${grouped(at.s)}`;
  const body = table.querySelector("tbody");
  body.replaceChildren();
  for (const point of at.p) {
    const sure = point[3] ? `exists, within ${short(point[4], 2)}, and is alone there: proved` : `undecided: ${point[9]}`;
    row(body, point[1], [`${run.letter} = ${place(run, point)}`, `${run.names[point[2]]}; ${rates(run, point)}`, sure, String(point[0])]);
  }
  for (const ghost of at.g) {
    const sure = ghost[4] ? `no fixed point within ${short(ghost[5])}: proved` : `undecided: ${ghost[9]}`;
    const pair = ghost[8] === null ? "" : `; its pair is ${short(ghost[8])} from the real axis`;
    row(body, 3, [`${run.letter} = ${place(run, ghost)}`, `speed ${short(ghost[1])}; passage time ${short(ghost[2])} ${run.unit} (${ghost[3]})${pair}`, sure, String(ghost[0])]);
  }
  if (!at.p.length && !at.g.length) element(element(body, "tr"), "td", { colspan: 5 }, "none found");
}

const RELATIONS = {
  birth: "is born", death: "dies", explains: "explains the drop", "becomes-ghost": "leaves a ghost", crosses: "crosses the readout's threshold", captures: "captures",
};

// Only the relations that the graph has.
function fillRelations(list, run) {
  for (const relation of new Set(run.graph.arrows.map(([name]) => name))) {
    const item = element(list, "li");
    const picture = element(item, "svg", { viewBox: "0 0 30 12", width: 30, height: 12, "aria-hidden": "true" });
    const group = element(picture, "g", { class: `relation ${relation}` });
    element(group, "line", { x1: 0, x2: 22, y1: 6, y2: 6 });
    element(group, "path", { d: "M29 6L22 2V10Z" });
    item.append(` ${RELATIONS[relation] ?? relation}`);
  }
}

function fillLegend(list, run) {
  const seen = new Set(run.checkpoints.flatMap(({ p, g }) => [...p.map((point) => point[1]), ...(g.length ? [3] : [])]));
  for (const role of [...seen].sort()) {
    const item = element(list, "li");
    const picture = element(item, "svg", { viewBox: "-9 -9 18 18", width: 18, height: 18, "aria-hidden": "true" });
    mark(picture, role, 0, 0);
    item.append(` ${ROLE_NAMES[role]}`);
  }
  const lines = [[run.threshold !== null && run.dim === 1, "threshold", "readout threshold"], [run.starts, "start", "trial's start"],
    [run.frame.kind === "plane", "nullcline n0", `d${run.letter}₁/dt = 0`], [run.frame.kind === "plane", "nullcline n1", `d${run.letter}₂/dt = 0`],
    [run.checkpoints.some(({ t }) => t.length), "path", "trial"], [run.frame.kind === "space", "trail", "branch at all checkpoints"]];
  for (const [there, name, text] of lines) if (there) {
    const item = element(list, "li");
    const picture = element(item, "svg", { viewBox: "0 0 26 12", width: 26, height: 12, "aria-hidden": "true" });
    element(picture, "line", { class: name, x1: 0, x2: 26, y1: 6, y2: 6 });
    item.append(` ${text}`);
  }
  const kinds = new Map(run.events.map((event) => [event.name, event]));
  for (const [name, { shape, colour }] of kinds) {
    const item = element(list, "li");
    const picture = element(item, "svg", { viewBox: "-9 -9 18 18", width: 18, height: 18, "aria-hidden": "true" });
    element(picture, "path", { class: `shape ${colour}`, d: SHAPES[shape](5) });
    item.append(` ${name}`);
  }
}
