// Elements, numbers, scales and marks: what every picture is made of.

const SVG = "http://www.w3.org/2000/svg";

function element(parent, tag, attributes = {}, ...children) {
  const made = parent.namespaceURI === SVG || tag === "svg" ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  parent.append(made);
  return made;
}

const minus = (text) => String(text).replaceAll("-", "−");
const stepText = (run, step) => grouped(run.whole[1] - run.whole[0] >= 200 ? Math.round(step) : step);
const grouped = (step) => minus(Number(step).toLocaleString("en-US", { maximumFractionDigits: 2 }));
const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

function short(value, digits = 4) {
  if (value === null || value === undefined) return "unknown";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return minus(value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e"));
  return minus(Number(value.toPrecision(digits)));
}

function scale([low, high], [start, end], logarithmic = false) {
  const of = logarithmic ? Math.log10 : (v) => v;
  const [a, b] = [of(low), of(high)];
  return (value) => start + ((of(value) - a) / (b - a || 1)) * (end - start);
}

function ticks([low, high], most) {
  const rough = (high - low) / Math.max(most, 1) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const steps = [1, 2, 5, 10].map((f) => f * power).filter((s) => s >= rough * 0.999);
  const places = (step) => {
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(i * step);
    return found.map((v) => Number(v.toPrecision(12)));
  };
  // One number alone is no scale: then finer, even if that is a little more than asked.
  const found = places(steps[0]);
  return found.length > 1 ? found : places(steps[0] / 2);
}

function powers([low, high], most) {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / Math.max(most, 1)));
  const found = [];
  for (let p = first; p <= last; p += every) found.push(10 ** p);
  if (found.length > 1) return found;
  const between = [];
  for (let p = first - 1; p <= last + 1; p++) for (const f of [1, 2, 5]) if (f * 10 ** p >= low && f * 10 ** p <= high) between.push(Number((f * 10 ** p).toPrecision(3)));
  return between.length > 1 ? between : ticks([low, high], most);
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
function powerText(value) {
  const power = Math.log10(value);
  if (Math.abs(power - Math.round(power)) > 1e-9) return short(value, 2);
  if (power >= -2 && power <= 3) return minus(Number(value.toPrecision(3)));
  return `10${power < 0 ? "⁻" : ""}${[...String(Math.abs(Math.round(power)))].map((d) => SUPERSCRIPTS[d]).join("")}`;
}

// The frame of a picture with its ticks and labels; what is drawn into `inside` is cut off at the frame.
let frames = 0;
function panel(svg, box, x, y, options = {}) {
  const group = element(svg, "g", { class: "panel" });
  const across = scale(x, [box.left, box.right]);
  const up = scale(y, [box.bottom, box.top], options.logarithmic);
  const id = `frame-${frames++}`;
  const clip = element(element(group, "clipPath", { id }), "rect", {
    x: box.left, y: box.top, width: Math.max(box.right - box.left, 1), height: Math.max(box.bottom - box.top, 1),
  });
  const rows = Math.max(2, Math.floor((box.bottom - box.top) / 38));
  for (const value of options.logarithmic ? powers(y, rows) : ticks(y, rows)) {
    element(group, "line", { class: "grid", x1: box.left, x2: box.right, y1: up(value), y2: up(value) });
    const text = options.logarithmic ? powerText(value) : short(value);
    element(group, "text", { class: "tick", x: box.left - 6, y: up(value), "text-anchor": "end", dy: "0.32em" }, text);
  }
  const columns = Math.max(2, Math.floor((box.right - box.left) / (options.steps ? 92 : 64)));
  const places = ticks(x, columns), whole = places.filter(Number.isInteger);
  for (const value of options.bare ? [] : options.steps && whole.length > 1 ? whole : places) {
    element(group, "line", { class: "grid", x1: across(value), x2: across(value), y1: box.top, y2: box.bottom });
    const text = options.steps ? grouped(value) : short(value);
    element(group, "text", { class: "tick", x: across(value), y: box.bottom + 15, "text-anchor": "middle" }, text);
  }
  element(group, "rect", { class: "frame", x: box.left, y: box.top, width: clip.getAttribute("width"), height: clip.getAttribute("height") });
  if (options.xlabel) element(group, "text", { class: "label", x: (box.left + box.right) / 2, y: box.bottom + 33, "text-anchor": "middle" }, options.xlabel);
  if (options.ylabel) element(group, "text", { class: "label", x: box.left, y: box.top - 7, "text-anchor": "start" }, options.ylabel);
  return { x: across, y: up, box, inside: element(group, "g", { "clip-path": `url(#${id})` }), over: element(group, "g") };
}

// A line with gaps where a value is missing.
function line(parent, attributes, xs, ys, x, y) {
  let path = "", pen = "M";
  for (let i = 0; i < xs.length; i++) {
    if (ys[i] === null || xs[i] === null) { pen = "M"; continue; }
    const [px, py] = [x(xs[i]), y(ys[i])];
    if (!Number.isFinite(py)) { pen = "M"; continue; }
    path += `${pen}${px.toFixed(1)} ${Math.max(-1e4, Math.min(1e4, py)).toFixed(1)}`;
    pen = "L";
  }
  return element(parent, "path", { d: path || "M0 0", ...attributes });
}

function polygon(corners, radius, turn, inner = null) {
  const points = [];
  const count = inner === null ? corners : 2 * corners;
  for (let i = 0; i < count; i++) {
    const r = inner !== null && i % 2 ? inner : radius;
    const angle = turn + (2 * Math.PI * i) / count;
    points.push(`${(r * Math.sin(angle)).toFixed(2)} ${(-r * Math.cos(angle)).toFixed(2)}`);
  }
  return `M${points.join("L")}Z`;
}

// The shapes that the figures for papers have too.
const SHAPES = {
  s: (r) => polygon(4, 1.25 * r, Math.PI / 4),
  D: (r) => polygon(4, 1.3 * r, 0),
  d: (r) => `M0 ${-1.4 * r}L${0.8 * r} 0L0 ${1.4 * r}L${-0.8 * r} 0Z`,
  P: (r) => cross(r, 0),
  X: (r) => cross(r, Math.PI / 4),
  "*": (r) => polygon(5, 1.45 * r, 0, 0.6 * r),
  o: (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  8: (r) => polygon(8, 1.1 * r, Math.PI / 8),
  "|": (r) => `M${-0.3 * r} ${-1.4 * r}H${0.3 * r}V${1.4 * r}H${-0.3 * r}Z`,
  "^": (r) => polygon(3, 1.3 * r, 0),
  v: (r) => polygon(3, 1.3 * r, Math.PI),
  h: (r) => polygon(6, 1.15 * r, 0),
  p: (r) => polygon(5, 1.2 * r, 0),
};

function cross(r, turn) {
  const corners = [[-1, -3], [1, -3], [1, -1], [3, -1], [3, 1], [1, 1], [1, 3], [-1, 3], [-1, 1], [-3, 1], [-3, -1], [-1, -1]];
  const [sine, cosine, unit] = [Math.sin(turn), Math.cos(turn), 0.42 * r];
  return `M${corners.map(([x, y]) => `${(unit * (x * cosine - y * sine)).toFixed(2)} ${(unit * (x * sine + y * cosine)).toFixed(2)}`).join("L")}Z`;
}

const ROLES = ["stable", "unstable", "undecided", "ghost"];
const ROLE_NAMES = ["stable fixed point", "unstable fixed point", "fixed point of undecided stability", "ghost"];

function mark(parent, role, x, y, radius = 6) {
  const group = element(parent, "g", { class: `point ${ROLES[role]}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
  element(group, "path", { class: "body", d: SHAPES[role === 3 ? "D" : "o"](radius) });
  if (role === 2) element(group, "path", { class: "half", d: `M0 ${-radius}A${radius} ${radius} 0 0 0 0 ${radius}Z` });
  return group;
}

// A link to an event's checkpoint, reached by mouse, by keyboard and by its name.
function eventMark(parent, event, href, x, y, radius = 6) {
  const name = `e${event.id} ${event.name}, ${grouped(event.before)} to ${grouped(event.after)}`;
  const link = element(parent, "a", { href, class: "event", "aria-label": name, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
  element(link, "title", {}, name);
  element(link, "circle", { class: "target", r: 13 });
  element(link, "path", { class: `shape ${event.colour}`, d: SHAPES[event.shape](radius) });
  return link;
}

// Whole numbers of one or two bytes in base64, times their factor.
function unpacked(text, factor, bytes) {
  const raw = atob(text);
  const values = new Float64Array(raw.length / bytes);
  for (let i = 0; i < values.length; i++) {
    const whole = bytes === 1 ? raw.charCodeAt(i) : raw.charCodeAt(2 * i) + 256 * raw.charCodeAt(2 * i + 1);
    values[i] = (whole >= 2 ** (8 * bytes - 1) ? whole - 2 ** (8 * bytes) : whole) * factor;
  }
  return values;
}
