// The event graph: a lane a branch, a column an event in the order of training, arrows for relations.

function drawGraph(svg, run, width, link) {
  const graph = run.graph, phone = width < 560;
  const rows = Math.max(1, ...graph.lanes.map(([lane]) => lane + 1));
  const left = phone ? 84 : 150, right = width - 24, tall = Math.max(20, Math.min(phone ? 44 : 48, 700 / rows));
  const top = 18, bottom = top + rows * tall, height = bottom + (phone ? 40 : 132);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren();
  const x = scale([0, Math.max(graph.columns - 1, 1)], [left + 12, right]), y = (lane) => bottom - (lane + 0.5) * tall;
  for (const [lane, ...names] of graph.lanes) {
    element(svg, "line", { class: "grid", x1: left, x2: right, y1: y(lane), y2: y(lane) });
    const shown = phone || tall < 34 ? names.slice(0, 1) : names;
    shown.forEach((name, i) => element(svg, "text", { class: i ? "tick" : "label", x: left - 8, y: y(lane) + 4 + (i - (shown.length - 1) / 2) * 15, "text-anchor": "end" }, name));
  }
  for (const [from, to] of graph.stretches) element(svg, "line", { class: "stretch", x1: x(from), x2: x(to) + 0.1, y1: y(rows - 1), y2: y(rows - 1) });
  for (const [lane, role, from, to] of graph.lines) element(svg, "line", { class: `branch ${ROLES[role]}`, x1: x(from), x2: x(to), y1: y(lane), y2: y(lane) });
  for (const arrow of graph.arrows) drawRelation(svg, arrow, x, y);
  drawColumns(svg, run, x, y, bottom, phone, link);
}

function drawRelation(svg, [relation, c1, l1, c2, l2], x, y) {
  const [x1, y1, x2, y2] = [x(c1), y(l1), x(c2), y(l2)];
  const size = Math.hypot(x2 - x1, y2 - y1) || 1, [a, b] = [(x2 - x1) / size, (y2 - y1) / size];
  const [sx, sy, ex, ey] = [x1 + 9 * a, y1 + 9 * b, x2 - 9 * a, y2 - 9 * b];
  const group = element(svg, "g", { class: `relation ${relation}` });
  element(group, "title", {}, relation);
  element(group, "line", { x1: sx, y1: sy, x2: ex, y2: ey });
  element(group, "path", { d: `M${ex} ${ey}L${ex - 7 * a - 4 * b} ${ey - 7 * b + 4 * a}L${ex - 7 * a + 4 * b} ${ey - 7 * b - 4 * a}Z` });
}

function drawColumns(svg, run, x, y, bottom, phone, link) {
  const apart = x(1) - x(0), every = Math.max(1, Math.ceil(18 / apart));
  for (const [id, column, lane] of run.graph.nodes) {
    const event = run.events.find((e) => e.id === id);
    element(svg, "line", { class: "guide", x1: x(column), x2: x(column), y1: y(lane), y2: bottom });
    eventMark(svg, event, link(event), x(column), y(lane), 6.5);
    if (column % every) continue;
    if (phone) element(svg, "text", { class: "tick", x: x(column), y: bottom + 14, "text-anchor": "middle" }, `e${id}`);
    else element(svg, "text", { class: "tick", transform: `translate(${x(column) + 4} ${bottom + 10}) rotate(-40)`, "text-anchor": "end" }, `e${id} ${event.name}, ${stepText(run, event.at)}`);
  }
}
