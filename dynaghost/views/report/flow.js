// The flow of one checkpoint: f on the line, the phase portrait of a plane, or points in principal components.

function drawFlow(svg, run, at, width) {
  const kind = run.frame.kind;
  const height = kind === "line" ? Math.min(340, 0.72 * width + 60) : Math.min(440, 0.85 * width + 40);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren();
  const box = { left: 52, right: width - 10, top: 24, bottom: height - 42 };
  const picture = panel(svg, box, run.frame.x, run.frame.y, { xlabel: run.frame.labels[0], ylabel: run.frame.labels[1] });
  ({ line: drawLine, plane: drawPlane, space: drawSpace })[kind](picture, run, at);
}

function drawLine(picture, run, at) {
  const { inside, over, x, y, box } = picture;
  const [low, high] = run.frame.x, count = run.frame.grid;
  element(inside, "line", { class: "zero", x1: box.left, x2: box.right, y1: y(0), y2: y(0) });
  const f = at.f.length ? unpacked(at.f[0], at.f[1], 2) : [];
  const places = Array.from(f, (_, i) => low + ((high - low) * i) / (count - 1));
  const value = (kappa) => {
    const place = ((kappa - low) / (high - low)) * (count - 1), i = Math.max(0, Math.min(count - 2, Math.floor(place)));
    return f.length ? f[i] + (place - i) * (f[i + 1] - f[i]) : 0;
  };
  if (run.threshold !== null) rule(inside, picture, run.threshold, "threshold");
  line(inside, { class: "curve" }, places, f, x, y);
  drawArrows(inside, picture, value, [...at.p, ...at.g].map((p) => p[7][0]).concat(at.k ? at.k[0] : []));
  if (at.k) element(inside, "line", { class: "start", x1: x(at.k[0]), x2: x(at.k[0]), y1: y(0) - 11, y2: y(0) + 11 });
  for (const ghost of at.g) {
    const [px, f_here] = [x(ghost[7][0]), value(ghost[7][0])];
    mark(over, 3, px, Math.max(box.top, Math.min(box.bottom, y(f_here))));
    const below = f_here > 0, anchor = px < box.left + 60 ? "start" : px > box.right - 60 ? "end" : "middle";
    const text = element(over, "text", { class: "passage", x: px, y: y(0) + (below ? 20 : -24), "text-anchor": anchor });
    element(text, "tspan", { x: px }, "passage");
    element(text, "tspan", { x: px, dy: "1.15em" }, `${short(ghost[2], 3)} ${run.unit}`);
  }
  for (const point of at.p) mark(over, point[1], x(point[7][0]), y(0));
}

function rule(parent, { x, box }, value, name) {
  element(parent, "line", { class: name, x1: x(value), x2: x(value), y1: box.top, y2: box.bottom });
}

function drawArrows(parent, { x, y, box }, value, taken) {
  const count = Math.max(6, Math.round((box.right - box.left) / 42));
  for (let i = 0.5; i < count; i++) {
    const px = box.left + ((box.right - box.left) * i) / count;
    if (taken.some((kappa) => Math.abs(x(kappa) - px) < 13)) continue;
    const [left, right] = [x(0), x(1)], kappa = (px - left) / (right - left), way = Math.sign(value(kappa));
    if (way) element(parent, "path", { class: "arrow", d: `M${-4 * way} -4.5L${4 * way} 0L${-4 * way} 4.5Z`, transform: `translate(${px.toFixed(1)} ${y(0).toFixed(1)})` });
  }
}

// f between the points of its grid, by cubic convolution (Catmull and Rom).
function interpolated(values, side) {
  const weights = (t) => [0.5 * t * (-1 + t * (2 - t)), 0.5 * (2 + t * t * (3 * t - 5)), 0.5 * t * (1 + t * (4 - 3 * t)), 0.5 * t * t * (t - 1)];
  const inside = (i) => Math.max(0, Math.min(side - 1, i));
  return (u, v) => {
    const [i, j] = [inside(Math.floor(u)), inside(Math.floor(v))];
    const [a, b] = [weights(u - i), weights(v - j)];
    let sum = 0;
    for (let q = 0; q < 4; q++) for (let p = 0; p < 4; p++) sum += a[p] * b[q] * values[inside(j + q - 1) * side + inside(i + p - 1)];
    return sum;
  };
}

function drawPlane(picture, run, at) {
  const { inside, over, x, y } = picture, { grid, x: [left, right], y: [bottom, top] } = run.frame;
  const parts = [0, 1].map((k) => interpolated(unpacked(at.f[2 * k], at.f[2 * k + 1], run.frame.bytes), grid));
  const field = (a, b) => parts.map((part) => part(((a - left) / (right - left)) * (grid - 1), ((b - bottom) / (top - bottom)) * (grid - 1)));
  const fine = 61, samples = [];
  for (let j = 0; j < fine; j++) for (let i = 0; i < fine; i++) samples.push(field(left + ((right - left) * i) / (fine - 1), bottom + ((top - bottom) * j) / (fine - 1)));
  drawSpeed(inside, picture, samples, fine);
  drawStreaks(inside, picture, field, Math.max(...samples.map(([a, b]) => Math.hypot(a, b))));
  for (const k of [0, 1]) element(inside, "path", { class: `nullcline n${k}`, d: zeroLine(samples.map((f) => f[k]), fine, run.frame, x, y) });
  drawPaths(inside, at, x, y);
  drawPoints(over, at, x, y);
}

function drawSpeed(parent, { box }, samples, side) {
  const speeds = samples.map(([a, b]) => Math.log(Math.hypot(a, b) + 1e-12));
  const sorted = [...speeds].sort((a, b) => a - b), low = sorted[Math.floor(0.01 * sorted.length)], high = sorted[sorted.length - 1];
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d"), image = pen.createImageData(side, side);
  for (let j = 0; j < side; j++) for (let i = 0; i < side; i++) {
    const slow = Math.max(0, Math.min(1, (high - speeds[(side - 1 - j) * side + i]) / (high - low || 1)));
    image.data.set([0, 158, 115, Math.round(190 * slow ** 1.6)], 4 * (j * side + i));
  }
  pen.putImageData(image, 0, 0);
  element(parent, "image", { href: canvas.toDataURL(), x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top, preserveAspectRatio: "none" });
}

// Short pieces of the flow's lines, longer where it is fast.
function drawStreaks(parent, { x, y, box }, field, fastest) {
  const across = Math.max(9, Math.round((box.right - box.left) / 30)), up = Math.max(9, Math.round((box.bottom - box.top) / 30));
  const [x0, y0, sx, sy] = [x(0), y(0), x(1) - x(0), y(1) - y(0)];
  const way = (px, py) => {
    const [a, b] = field((px - x0) / sx, (py - y0) / sy), size = Math.hypot(a * sx, b * sy) || 1;
    return [(a * sx) / size, (b * sy) / size, Math.hypot(a, b)];
  };
  let streaks = "", heads = "";
  for (let j = 0.5; j < up; j++) for (let i = 0.5; i < across; i++) {
    let [px, py] = [box.left + ((box.right - box.left) * i) / across, box.top + ((box.bottom - box.top) * j) / up];
    const length = 5 + 17 * (way(px, py)[2] / fastest) ** 0.4, step = length / 6;
    streaks += `M${px.toFixed(1)} ${py.toFixed(1)}`;
    let direction = [0, 0];
    for (let s = 0; s < 6; s++) {
      const [a, b] = way(px, py);
      direction = way(px + 0.5 * step * a, py + 0.5 * step * b);
      [px, py] = [px + step * direction[0], py + step * direction[1]];
      streaks += `L${px.toFixed(1)} ${py.toFixed(1)}`;
    }
    const [a, b] = direction, [bx, by] = [px - 4 * a, py - 4 * b];
    heads += `M${px.toFixed(1)} ${py.toFixed(1)}L${(bx - 2 * b).toFixed(1)} ${(by + 2 * a).toFixed(1)}L${(bx + 2 * b).toFixed(1)} ${(by - 2 * a).toFixed(1)}Z`;
  }
  element(parent, "path", { class: "streak", d: streaks });
  element(parent, "path", { class: "head", d: heads });
}

// Where values on a square grid change sign, cell by cell.
function zeroLine(values, side, { x: [left, right], y: [bottom, top] }, x, y) {
  const px = (i) => x(left + ((right - left) * i) / (side - 1)), py = (j) => y(bottom + ((top - bottom) * j) / (side - 1));
  let path = "";
  for (let j = 0; j + 1 < side; j++) for (let i = 0; i + 1 < side; i++) {
    const corner = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cuts = [];
    for (let k = 0; k < 4; k++) {
      const [a, b] = [corner[k], corner[(k + 1) % 4]], [fa, fb] = [a, b].map(([p, q]) => values[q * side + p]);
      if (fa > 0 === fb > 0) continue;
      const t = fa / (fa - fb);
      cuts.push(`${px(a[0] + t * (b[0] - a[0])).toFixed(1)} ${py(a[1] + t * (b[1] - a[1])).toFixed(1)}`);
    }
    for (let k = 0; k + 1 < cuts.length; k += 2) path += `M${cuts[k]}L${cuts[k + 1]}`;
  }
  return path || "M0 0";
}

function drawPaths(parent, at, x, y) {
  for (const [text, factor] of at.t) {
    const path = unpacked(text, factor, 2);
    const [xs, ys] = [0, 1].map((k) => Array.from(path).filter((_, i) => i % 2 === k));
    line(parent, { class: "path" }, xs, ys, x, y);
    element(parent, "rect", { class: "first", x: x(xs[0]) - 3, y: y(ys[0]) - 3, width: 6, height: 6 });
  }
}

function drawPoints(parent, at, x, y) {
  for (const ghost of at.g) mark(parent, 3, x(ghost[7][0]), y(ghost[7][1]));
  for (const point of at.p) mark(parent, point[1], x(point[7][0]), y(point[7][1]));
}

// Where each branch is at all checkpoints, faint, behind the points of this one.
function drawSpace({ inside, over, x, y }, run, at) {
  const trails = new Map();
  for (const checkpoint of run.checkpoints) for (const point of [...checkpoint.p, ...checkpoint.g]) {
    if (!trails.has(point[0])) trails.set(point[0], []);
    trails.get(point[0]).push(point[7]);
  }
  for (const places of trails.values()) line(inside, { class: "trail" }, places.map((p) => p[0]), places.map((p) => p[1]), x, y);
  drawPaths(inside, at, x, y);
  drawPoints(over, at, x, y);
}
