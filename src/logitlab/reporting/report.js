"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const sigmoid = (z) => 1 / (1 + Math.exp(-z));

function curvesSection() {
  const found = (pattern) => Object.entries(data.curves).filter(([tag]) => pattern.test(tag));
  const place = byId("curves");
  place.parentElement.hidden = false; // a hidden one has no width to draw in
  lineChart(place, "Loss", found(/^(train|val)\/loss$/), { yName: "nats", logY: true });
  lineChart(place, "Accuracy", found(/\/accuracy$/), { yName: "share of rows" });
  lineChart(place, "Weights and bias", found(/^(weight\/|bias)/).slice(0, 7), { yName: "per unit of the feature" });
  lineChart(place, "Gradient norm", found(/gradient_norm/), { yName: "norm", logY: true });
  place.parentElement.hidden = !place.childElementCount;
}

// The training, frame by frame -------------------------------------------------------------------------------------------

function modelView(frames) {
  const one = frames.names.length === 1, column = (k) => frames.x.map((row) => row[k]);
  const axes = frame(byId("model-view"), one
    ? { title: `Probability of ${frames.target}`, xName: frames.names[0], yName: "probability", x: range(column(0), 0.15), y: [-0.06, 1.06] }
    : { title: "Probability field and decision line", xName: frames.names[0], yName: frames.names[1], x: range(column(0), 0.15), y: range(column(1), 0.15) });
  const moving = one ? curveOf(axes, frames) : fieldOf(axes, frames);
  const size = frames.x.length > 100 ? 3 : 5.5;
  const marks = frames.x.map((row, k) => {
    const place = { cx: axes.x(row[0]), cy: axes.y(one ? frames.y[k] : row[1]) };
    const ring = add(axes.plot, "circle", { ...place, r: size + 3, class: "wrong" });
    if (frames.y[k]) add(axes.plot, "rect", { x: place.cx - size, y: place.cy - size, width: 2 * size, height: 2 * size, class: "one" });
    else add(axes.plot, "circle", { ...place, r: size, class: "zero" });
    return ring;
  });
  return (at) => {
    const parameters = frames.weights[at], bias = parameters[parameters.length - 1];
    moving(parameters, bias);
    frames.x.forEach((row, k) => {
      const p = sigmoid(row.reduce((sum, value, j) => sum + value * parameters[j], bias));
      marks[k].style.display = p >= frames.threshold === Boolean(frames.y[k]) ? "none" : "";
    });
  };
}

function curveOf(axes, frames) {
  const [low, high] = range(frames.x.map((row) => row[0]), 0.15);
  const xs = Array.from({ length: 201 }, (_, k) => low + ((high - low) * k) / 200);
  const curve = add(axes.plot, "path", { class: "curve", id: "boundary" });
  const crossing = add(axes.plot, "line", { y1: axes.top, y2: axes.bottom, class: "dotted" });
  add(axes.plot, "line", { x1: axes.left, x2: axes.right, y1: axes.y(frames.threshold), y2: axes.y(frames.threshold), class: "dotted" });
  const level = Math.log(frames.threshold / (1 - frames.threshold));
  return ([weight], bias) => {
    curve.setAttribute("d", pathOf(axes, xs, xs.map((x) => sigmoid(weight * x + bias))));
    const at = axes.x((level - bias) / weight);
    for (const end of ["x1", "x2"]) crossing.setAttribute(end, Number.isFinite(at) ? at : -99);
  };
}

// The logit is linear in the picture's own places too: one gradient across the decision line draws the whole field.
function fieldOf(axes, frames) {
  const defs = add(axes.svg, "defs"), gradient = add(defs, "linearGradient", { id: "field", gradientUnits: "userSpaceOnUse" });
  const stops = Array.from({ length: 33 }, (_, k) => -8 + k / 2);
  for (const z of stops) {
    const p = sigmoid(z);
    const style = `stop-color:var(${p < 0.5 ? "--zero" : "--one"});stop-opacity:${(Math.abs(p - 0.5) * 1.1).toFixed(3)}`;
    add(gradient, "stop", { offset: (z + 8) / 16, style });
  }
  add(axes.plot, "rect", { x: axes.left, y: axes.top, width: axes.right - axes.left, height: axes.bottom - axes.top, fill: "url(#field)" });
  const line = add(axes.plot, "line", { class: "decision", id: "boundary" });
  const perX = axes.x(1) - axes.x(0), perY = axes.y(1) - axes.y(0), level = Math.log(frames.threshold / (1 - frames.threshold));
  return ([first, second], bias) => {
    const u = first / perX, v = second / perY, c = bias - u * axes.x(0) - v * axes.y(0), size = u * u + v * v || 1e-12;
    const middle = [(axes.left + axes.right) / 2, (axes.top + axes.bottom) / 2];
    const onto = (z) => { const t = (z - c - u * middle[0] - v * middle[1]) / size; return [middle[0] + u * t, middle[1] + v * t]; };
    [["x1", "y1", -8], ["x2", "y2", 8]].forEach(([x, y, z]) => { const at = onto(z); gradient.setAttribute(x, at[0]); gradient.setAttribute(y, at[1]); });
    const at = onto(level), reach = 2000 / Math.sqrt(size);
    line.setAttribute("x1", at[0] - v * reach); line.setAttribute("y1", at[1] + u * reach);
    line.setAttribute("x2", at[0] + v * reach); line.setAttribute("y2", at[1] - u * reach);
  };
}

const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

function surfaceImage(surface) {
  const columns = surface.x.length, rows = surface.y.length, logs = surface.loss.map((value) => Math.log(Math.max(value, 1e-9)));
  const low = Math.min(...logs), high = Math.max(...logs), canvas = document.createElement("canvas");
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  logs.forEach((value, k) => {
    const place = ((value - low) / (high - low || 1)) * (CIVIDIS.length - 1), from = Math.min(Math.floor(place), CIVIDIS.length - 2);
    const row = rows - 1 - Math.floor(k / columns), at = 4 * (row * columns + (k % columns));
    for (let j = 0; j < 3; j++) image.data[at + j] = CIVIDIS[from][j] + (CIVIDIS[from + 1][j] - CIVIDIS[from][j]) * (place - from);
    image.data[at + 3] = 255;
  });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

function surfaceView(frames) {
  const { surface } = frames;
  if (!surface) return () => {};
  const half = (axis) => (axis[1] - axis[0]) / 2, ends = (axis) => [axis[0] - half(axis), axis[axis.length - 1] + half(axis)];
  const x = ends(surface.x), y = ends(surface.y), [xName, yName, fixed] = surface.names;
  const title = `Loss, dark is low${fixed ? `, ${fixed}` : ""}`;
  const axes = frame(byId("surface-view"), { title, xName, yName, x, y });
  add(axes.plot, "image", { href: surfaceImage(surface), x: axes.left, y: axes.top, width: axes.right - axes.left, height: axes.bottom - axes.top, preserveAspectRatio: "none" });
  const halo = add(axes.plot, "path", { class: "halo" }), path = add(axes.plot, "path", { class: "path" });
  const here = add(axes.plot, "circle", { r: 6, class: "here", id: "here" });
  const first = frames.weights.map((each) => each[0]), second = frames.weights.map((each) => each[1]);
  return (at) => {
    const d = pathOf(axes, first.slice(0, at + 1), second.slice(0, at + 1));
    halo.setAttribute("d", d); path.setAttribute("d", d);
    here.setAttribute("cx", axes.x(first[at])); here.setAttribute("cy", axes.y(second[at]));
  };
}

function player() {
  const { frames } = data;
  if (!frames) return;
  byId("player").hidden = false;
  const views = [modelView(frames), surfaceView(frames)], slider = byId("frame"), play = byId("play");
  slider.max = frames.steps.length - 1;
  let timer = null;
  function show(at) {
    slider.value = at;
    views.forEach((view) => view(at));
    const parameters = frames.weights[at].map((value, k) => `${k < frames.names.length ? `weight of ${frames.names[k]}` : "bias"} ${Number(value.toPrecision(5))}`);
    const text = `after ${frames.steps[at].toLocaleString("en")} ${frames.steps[at] === 1 ? "update" : "updates"}: loss ${frames.losses[at].toPrecision(4)}, ${parameters.join(", ")}`;
    byId("frame-text").textContent = text;
    slider.setAttribute("aria-valuetext", text);
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }
  const step = (by) => { stop(); show(Math.min(Math.max(Number(slider.value) + by, 0), frames.steps.length - 1)); };
  slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
  byId("back").addEventListener("click", () => step(-1));
  byId("forward").addEventListener("click", () => step(1));
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (Number(slider.value) === frames.steps.length - 1) show(0);
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => (Number(slider.value) < frames.steps.length - 1 ? show(Number(slider.value) + 1) : stop()), 60);
  });
  show(frames.steps.length - 1);
}

// The threshold ----------------------------------------------------------------------------------------------------------

function cutting() {
  const { thresholds } = data;
  if (!thresholds) return;
  byId("cutting").hidden = false;
  byId("cutting-rows").textContent = `on the ${data.split} rows`;
  const title = `ROC, area under the curve ${thresholds.auroc.toFixed(3)}`;
  const axes = frame(byId("roc"), { title, xName: "false positive rate", yName: "true positive rate (recall)", x: [-0.03, 1.03], y: [-0.03, 1.03], height: 400 });
  add(axes.plot, "line", { x1: axes.x(0), y1: axes.y(0), x2: axes.x(1), y2: axes.y(1), class: "dotted" });
  add(axes.plot, "path", { d: pathOf(axes, ...thresholds.roc), class: "curve" });
  const point = add(axes.plot, "circle", { r: 7, class: "here", id: "roc-point" }), slider = byId("cut");
  slider.max = thresholds.cuts.length - 1;
  function show(at) {
    const tp = thresholds.tp[at], fp = thresholds.fp[at], fn = thresholds.positives - tp, tn = thresholds.negatives - fp;
    for (const [id, value] of Object.entries({ tp, fp, fn, tn })) byId(id).textContent = value.toLocaleString("en");
    point.setAttribute("cx", axes.x(fp / thresholds.negatives));
    point.setAttribute("cy", axes.y(tp / thresholds.positives));
    const share = (part, whole) => (whole ? (part / whole).toFixed(3) : "none");
    byId("cut-text").textContent = String(Number(thresholds.cuts[at].toPrecision(4)));
    slider.setAttribute("aria-valuetext", `threshold ${byId("cut-text").textContent}`);
    byId("rates").textContent = `accuracy ${share(tp + tn, thresholds.positives + thresholds.negatives)}, precision ${share(tp, tp + fp)}, recall ${share(tp, thresholds.positives)}, false positive rate ${share(fp, thresholds.negatives)}`;
  }
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.value = thresholds.start;
  show(thresholds.start);
}

// A sweep ----------------------------------------------------------------------------------------------------------------

function sweep() {
  for (const [tag, lines] of Object.entries(data.lines))
    lineChart(byId("lines"), tag, lines.map(({ name, points }) => [name, points]), { yName: "nats", logY: true });
  const table = byId("runs"), heads = [...table.tHead.rows[0].cells], value = (row, k) => row.cells[k].textContent;
  heads.forEach((head, k) => head.firstElementChild.addEventListener("click", () => {
    const falling = head.getAttribute("aria-sort") === "ascending", rows = [...table.tBodies[0].rows];
    heads.forEach((each) => each.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const compared = (a, b) => (value(a, k) !== "" && value(b, k) !== "" && !isNaN(value(a, k)) && !isNaN(value(b, k)) ? value(a, k) - value(b, k) : value(a, k).localeCompare(value(b, k)));
    rows.sort((a, b) => (falling ? compared(b, a) : compared(a, b)));
    table.tBodies[0].append(...rows);
  }));
}

if (data.lines) sweep();
else { player(); curvesSection(); cutting(); }
