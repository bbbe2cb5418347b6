// Eigenvalues or multipliers of the fixed points of one checkpoint, beside the imaginary axis or the unit circle.

function spectrumWindow(run) {
  let [left, right, high] = run.time === "map" ? [-1.1, 1.1, 1.1] : [-0.2, 0.2, 0.2];
  for (const { p } of run.checkpoints) for (const point of p) for (let i = 0; i < point[8].length; i += 2) {
    const [re, im] = [point[8][i], point[8][i + 1]];
    if (re === null) continue;
    [left, right, high] = [Math.min(left, re), Math.max(right, re), Math.max(high, Math.abs(im))];
  }
  const room = 0.06 * (right - left);
  return { x: [left - room, right + room], y: [-1.08 * high, 1.08 * high], flat: run.dim === 1 && run.time === "flow" };
}

function drawSpectrum(svg, run, at, width) {
  const { x: wide, y: tall, flat } = (run.spectrum ??= spectrumWindow(run));
  const height = flat ? 120 : Math.min(360, Math.max(200, 0.7 * width));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.replaceChildren();
  const box = { left: 52, right: width - 10, top: 24, bottom: height - 42 };
  const [what, unit] = run.time === "map" ? ["multiplier", "per iteration"] : ["eigenvalue", "1/τ"];
  const { inside, over, x, y } = panel(svg, box, ...(run.time === "map" ? square(box, wide, tall) : [wide, tall]), { xlabel: `Re ${what} (${unit})`, ylabel: `Im ${what}` });
  if (run.time === "map") {
    const round = Array.from({ length: 121 }, (_, i) => (Math.PI * i) / 60);
    line(inside, { class: "critical" }, round.map(Math.cos), round.map(Math.sin), x, y);
  } else element(inside, "line", { class: "critical", x1: x(0), x2: x(0), y1: box.top, y2: box.bottom });
  for (const point of at.p) for (let i = 0; i < point[8].length; i += 2) {
    if (point[8][i] !== null) mark(over, point[1], x(point[8][i]), y(point[8][i + 1]), 4.5);
  }
}

// Ranges in which both coordinates have one scale, so that the unit circle is round.
function square({ left, right, top, bottom }, [x0, x1], [y0, y1]) {
  const each = Math.max((x1 - x0) / (right - left), (y1 - y0) / (bottom - top));
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2], [dx, dy] = [(each * (right - left)) / 2, (each * (bottom - top)) / 2];
  return [[x - dx, x + dx], [y - dy, y + dy]];
}
