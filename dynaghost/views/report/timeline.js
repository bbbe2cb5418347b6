// What happens along training, all above one axis: branches, distances of pairs to the real axis, loss and gradient.

function drawTimeline(svg, run, view, width, link) {
  const x = view === "focus" && run.focus ? run.focus : run.whole;
  const wide = x[0] < x[1] ? x : [x[0] - 1, x[1] + 1];
  const rows = [["branches", width < 500 ? 210 : 260]];
  if (run.pairs.length) rows.push(["pairs", 96]);
  run.metrics.forEach((metric, i) => rows.push([i, 120, metric]));
  let top = 24;
  svg.replaceChildren();
  const guides = element(svg, "g");
  const panels = rows.map(([name, tall, metric], i) => {
    const last = i === rows.length - 1;
    const box = { left: 58, right: width - 24, top, bottom: top + tall };
    top += tall + (last ? 46 : 34);
    const options = { steps: true, bare: !last, xlabel: last ? `training (${run.axis}s)` : "" };
    if (name === "branches") return branchPanel(svg, run, wide, box, options);
    if (name === "pairs") return pairPanel(svg, run, wide, box, options);
    return metricPanel(svg, run, metric, name, wide, box, options);
  });
  svg.setAttribute("viewBox", `0 0 ${width} ${top}`);
  svg.setAttribute("height", top);
  const ends = { top: panels[0].box.top, bottom: panels[panels.length - 1].box.bottom };
  const shown = run.events.filter((event) => event.at >= wide[0] && event.at <= wide[1]);
  for (const { at } of shown) element(guides, "line", { class: "guide", x1: panels[0].x(at), x2: panels[0].x(at), y1: ends.top, y2: ends.bottom });
  const pad = element(svg, "rect", { class: "pad", x: panels[0].box.left, y: ends.top, width: panels[0].box.right - panels[0].box.left, height: ends.bottom - ends.top });
  const cursor = element(svg, "line", { class: "cursor", y1: ends.top - 4, y2: ends.bottom });
  placeEvents(element(svg, "g"), run, shown, panels, rows, link);
  return { pad, cursor, x: panels[0].x, steps: wide, left: panels[0].box.left, right: panels[0].box.right };
}

function extent(lists, wide, xs) {
  let [low, high] = [Infinity, -Infinity];
  lists.forEach((values, k) => values.forEach((value, i) => {
    if (value === null || xs[k][i] < wide[0] || xs[k][i] > wide[1]) return;
    [low, high] = [Math.min(low, value), Math.max(high, value)];
  }));
  return low <= high ? [low, high] : [-1, 1];
}

function padded([low, high], share = 0.08) {
  const room = share * (high - low) || 0.1 * Math.abs(high) || 1;
  return [low - room, high + room];
}

function branchPanel(svg, run, wide, box, options) {
  const extra = run.starts ? [run.starts] : [];
  const lists = [...run.lines, ...extra];
  let seen = extent(lists.map((l) => l.x), run.whole, lists.map((l) => l.s));
  if (run.threshold !== null) seen = [Math.min(seen[0], run.threshold), Math.max(seen[1], run.threshold)];
  const picture = panel(svg, box, wide, padded(seen), { ...options, ylabel: `slow points: ${run.line}` });
  const { inside, x, y } = picture;
  if (run.threshold !== null) element(inside, "line", { class: "threshold", x1: box.left, x2: box.right, y1: y(run.threshold), y2: y(run.threshold) });
  if (run.starts) line(inside, { class: "start" }, run.starts.s, run.starts.x, x, y);
  for (const { r, s, x: places } of run.lines) {
    line(inside, { class: `branch ${ROLES[r]}` }, s, places, x, y);
    if (s.length === 1) mark(inside, r, x(s[0]), y(places[0]), 4);
  }
  return picture;
}

function pairPanel(svg, run, wide, box, options) {
  const high = extent(run.pairs.map((p) => p.y), wide, run.pairs.map((p) => p.s))[1];
  const picture = panel(svg, box, wide, [0, 1.1 * (high > 0 ? high : 1)], { ...options, ylabel: "|Im z| of complex pairs" });
  for (const { s, y, g } of run.pairs) {
    line(picture.inside, { class: "pair" }, s, y, picture.x, picture.y);
    const heights = y.map((v, i) => (g[i] ? v : null));
    line(picture.inside, { class: "branch ghost" }, s, heights, picture.x, picture.y);
    // A height without neighbours is no line.
    heights.forEach((v, i) => {
      if (v !== null && (heights[i - 1] ?? null) === null && (heights[i + 1] ?? null) === null) mark(picture.inside, 3, picture.x(s[i]), picture.y(v), 4);
    });
  }
  return picture;
}

function metricPanel(svg, run, { name, s, v, hidden }, number, wide, box, options) {
  let [low, high] = extent([v], wide, [s]);
  const logarithmic = low > 0;
  if (logarithmic) [low, high] = low < high ? [low / 1.4, high * 1.4] : [low / 2, high * 2];
  const note = hidden ? ` (${counted(hidden, "value")} that a logarithmic axis cannot hold left out)` : "";
  const picture = panel(svg, box, wide, logarithmic ? [low, high] : padded([low, high]), { ...options, logarithmic, ylabel: name + note });
  if (number === 0) for (const span of run.spans) drawSpan(picture, span);
  line(picture.inside, { class: "metric" }, s, v, picture.x, picture.y);
  if (s.length === 1 && v[0] !== null) element(picture.inside, "circle", { class: "dot", cx: picture.x(s[0]), cy: picture.y(v[0]), r: 3 });
  return picture;
}

function drawSpan({ inside, x, box }, span) {
  const [left, right] = [x(span.from), x(span.to)];
  element(inside, "rect", { class: `span ${span.kind}`, x: left, y: box.top, width: Math.max(right - left, 2), height: box.bottom - box.top });
}

// Each event where it is on a branch, or above the loss; verdicts beside their drops where there is room.
function placeEvents(group, run, shown, panels, rows, link) {
  const loss = panels[rows.findIndex(([name]) => name === 0)];
  const taken = run.spans.map((span) => [loss?.x(span.from), loss?.x(span.to)]);
  for (const event of shown) {
    const own = event.y === null ? loss ?? panels[0] : panels[0];
    const y = event.y === null ? own.box.top + 9 : Math.max(own.box.top, Math.min(own.box.bottom, own.y(event.y)));
    eventMark(group, event, link(event), own.x(event.at), y);
    const span = run.spans.find((s) => s.verdict && s.from === event.before && s.to === event.after && event.name === "loss drop");
    if (!span || !loss) continue;
    const text = span.grade ? `${span.verdict}, ${span.grade}` : span.verdict, wide = 6.4 * text.length;
    const sides = [[own.x(span.to) + 5, "start"], [own.x(span.from) - 5 - wide, "end"]];
    const fits = ([left]) => left >= own.box.left && left + wide <= own.box.right && taken.every(([a, b]) => left > b || left + wide < a);
    const side = sides.find(fits);
    if (!side) continue;
    taken.push([side[0], side[0] + wide]);
    element(group, "text", { class: "verdict-label", x: side[1] === "end" ? side[0] + wide : side[0], y: own.box.bottom - 8, "text-anchor": side[1] }, text);
  }
}
