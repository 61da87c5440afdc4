"use strict";
// The same model, trained by the page itself: gradient descent on all rows, from the run's data, on which everything can be changed.

const MOST_FOR_SURFACE = 120; // rows from which the loss surface is worked out
const SURFACE = 41;

function playSection() {
  const model = data.what_if, source = data.frames || data.field;
  if (!model || !source || model.columns.some((column) => column.kind !== "number" || column.indicator)) return;
  const section = open("play"), { names } = source, own = source.x.map((row) => [...row]), target = [...source.y];
  let xs = [], ys = [], noisy = [], layers = null, updates = 0, losses = [], path = [], timer = null, jitter = 0, surface = null, rings = null, moving = null, axes = null;
  const isLinear = model.layers.length === 1;
  html(section, "h2", { id: "h-play" }, "Train it here ", html(null, "small", { textContent: "gradient descent on the training rows, in this page: change what you like" }));
  const views = html(section, "div", { className: "grid wide" }), field = html(views, "figure"), below = html(views, "figure"), curve = html(views, "figure");
  below.hidden = !isLinear;
  const bar = html(section, "div", { className: "controls" });
  const button = (id, words, run) => html(bar, "button", { type: "button", id, textContent: words, onclick: run });
  const number = (id, words, value, min, step = "any") => html(html(bar, "label", {}, `${words} `), "input", { type: "number", id, value, min, step, oninput: () => id === "play-noise" && setRows() });
  const choice = (id, words, options) => { const node = html(html(bar, "label", {}, `${words} `), "select", { id }); options.forEach(([value, text]) => html(node, "option", { value, textContent: text })); return node; };
  const train = button("play-train", "Train", () => (timer ? stop() : go()));
  button("play-step", "One update", () => { stop(); advance(1); });
  button("play-reset", "Start again", () => { stop(); reset(); });
  const start = choice("play-start", "from", [...(data.start ? [["run", "the run's start"]] : []), ["zero", "zeros"], ["random", "random weights"], ["end", "the run's end"]]);
  if (!isLinear) start.querySelector("[value=zero]").remove(); // hidden units that are equal stay equal
  start.onchange = () => { stop(); reset(); };
  const lr = number("play-lr", "lr", data.lr ?? 0.1, 0), l2 = number("play-l2", "penalty l2", data.l2 ?? 0, 0), noise = number("play-noise", "noise, in standard deviations", 0, 0, 0.1), speed = choice("play-speed", "updates a picture", [[1, 1], [10, 10], [100, 100]]);
  const click = choice("play-click", "a click adds a row of", [[1, `${source.target} 1`], [0, `${source.target} 0`], ["", "none, and takes the nearest row away"]]);
  const text = html(section, "output", { id: "play-text" });
  start.value = data.start ? "run" : isLinear ? "zero" : "random";

  const random = (seed) => () => { seed = (seed + 0x6d2b79f5) | 0; let t = Math.imul(seed ^ (seed >>> 15), 1 | seed); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 4294967296; };
  const normal = (draw) => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());

  // The weights in own units, of a linear model; both ways.
  const toOwn = ({ weight: [w], bias: [b] }) => [...w.map((each, k) => each / model.scale[k]), w.reduce((sum, each, k) => sum - (each * model.center[k]) / model.scale[k], b)];
  const fromOwn = (weights) => ({ weight: [weights.slice(0, -1).map((each, k) => each * model.scale[k])], bias: [weights.slice(0, -1).reduce((sum, each, k) => sum + each * model.center[k], weights[weights.length - 1])], activation: "identity" });

  function reset() {
    const draw = random(1), fill = { zero: () => 0, random: () => normal(draw) }[start.value];
    if (start.value === "run") layers = [fromOwn(data.start)];
    else layers = structuredClone(model.layers).map((layer) => (fill ? { ...layer, weight: layer.weight.map((row) => row.map(() => fill() / Math.sqrt(row.length))), bias: layer.bias.map(() => 0) } : layer));
    updates = 0; losses = []; path = [];
    note();
    draw_();
  }

  function setRows() {
    const draw = random(7), size = Math.max(Number(noise.value) || 0, 0);
    noisy = own.map((row) => row.map((value, k) => value + size * deviations[k] * normal(draw)));
    xs = noisy.map((row) => scaled(model, row)); ys = target;
    field.replaceChildren();
    axes = rowsView(field, { ...source, x: noisy });
    const grid = (low, high) => Array.from({ length: 45 }, (_, k) => low + ((high - low) * k) / 44), [across, up] = names.map((_, k) => grid(...range(noisy.map((row) => row[k]), 0.15)));
    const view = isLinear ? linearView(axes, { ...source, x: noisy }, "play-boundary") : gridView(axes, across, up, source.threshold, "play-boundary");
    moving = isLinear ? () => view(toOwn(layers[0])) : () => view(up.flatMap((b) => across.map((a) => sigmoid(forward(layers, scaled(model, [a, b]))))));
    rings = marksOf(axes, { ...source, x: noisy, y: target });
    legend(field, keyOfRows(source.target));
    axes.svg.style.cursor = "crosshair";
    axes.svg.addEventListener("click", (event) => {
      const box = axes.svg.getBoundingClientRect(), pixel = [event.clientX - box.left, event.clientY - box.top].map((value) => (value * axes.width) / box.width);
      const back = (map, value) => { const zero = map(0), one = map(1); return (value - zero) / (one - zero); };
      const row = [back(axes.x, pixel[0]), ...(names.length === 2 ? [back(axes.y, pixel[1])] : [])].map((value) => Number(value.toPrecision(4)));
      if (click.value !== "") { own.push(row); target.push(Number(click.value)); }
      else if (own.length > 2) {
        const far = noisy.map((each) => each.reduce((sum, value, k) => sum + ((value - row[k]) / deviations[k]) ** 2, 0)), nearest = far.indexOf(Math.min(...far));
        own.splice(nearest, 1); target.splice(nearest, 1);
      }
      setRows();
    });
    surface = null;
    if (layers) draw_();
  }
  const deviations = names.map((_, k) => { const column = own.map((row) => row[k]), mean = column.reduce((a, b) => a + b) / column.length; return Math.sqrt(column.reduce((sum, value) => sum + (value - mean) ** 2, 0) / column.length) || 1; });

  // The loss, with the penalty, over both weights and the bias at its best; of one feature over weight and bias.
  function surfaceOf() {
    const every = Math.ceil(xs.length / MOST_FOR_SURFACE), some = xs.filter((_, k) => k % every === 0), classes = ys.filter((_, k) => k % every === 0), l = Number(l2.value) || 0;
    const two = names.length === 2, ends = (k) => { const values = path.map((each) => each[k]), low = Math.min(0, ...values), high = Math.max(0, ...values), margin = Math.max(0.35 * (high - low), 1.5); return Array.from({ length: SURFACE }, (_, j) => low - margin + ((high - low + 2 * margin) * j) / (SURFACE - 1)); };
    const x = ends(0), y = ends(1), mean = (of) => some.reduce((sum, row, k) => sum + of(row, k), 0) / some.length;
    const loss = y.flatMap((b) => x.map((a) => {
      if (!two) return mean((row, k) => crossEntropy(a * row[0] + b, classes[k])) + (l / 2) * a * a;
      let bias = path[path.length - 1][2];
      for (let turn = 0; turn < 8; turn++) {
        let slope = 0, bend = 1e-9;
        some.forEach((row, k) => { const p = sigmoid(a * row[0] + b * row[1] + bias); slope += p - classes[k]; bend += p * (1 - p); });
        bias -= Math.max(-2, Math.min(2, slope / bend));
      }
      return mean((row, k) => crossEntropy(a * row[0] + b * row[1] + bias, classes[k])) + (l / 2) * (a * a + b * b);
    }));
    const unit = model.scale.some((each) => each !== 1) ? " (scaled)" : "";
    below.replaceChildren();
    const show = surfaceView(below, { x, y, loss, names: two ? [`weight of ${names[0]}${unit}`, `weight of ${names[1]}${unit}`, "the bias at its best"] : [`weight of ${names[0]}${unit}`, "bias"] }, "play-here");
    return { show, l, has: (each) => each[0] >= x[0] && each[0] <= x[SURFACE - 1] && each[1] >= y[0] && each[1] <= y[SURFACE - 1] };
  }

  const lossNow = () => xs.reduce((sum, x, k) => sum + crossEntropy(forward(layers, x), ys[k]), 0) / xs.length;
  const note = () => { losses.push([updates, lossNow()]); if (isLinear) path.push([...layers[0].weight[0], layers[0].bias[0]]); };

  function advance(count) {
    for (let k = 0; k < count; k++) { update(layers, xs, ys, Number(lr.value) || 0, Number(l2.value) || 0); updates++; if (losses.length < 400 || updates % 10 === 0 || k === count - 1) note(); }
    if (!(losses[losses.length - 1][1] < 1e6)) { stop(); text.textContent = "The loss has left all bounds: the steps are too long. Take a smaller lr and start again."; return; }
    draw_();
  }

  function draw_() {
    moving();
    rings((row) => sigmoid(forward(layers, scaled(model, row))));
    if (isLinear && ys.some((y) => y) && ys.some((y) => !y)) {
      if (!surface || surface.l !== (Number(l2.value) || 0) || !surface.has(path[path.length - 1])) surface = surfaceOf();
      surface.show(path.map((each) => each[0]), path.map((each) => each[1]));
    }
    curve.replaceChildren();
    const every = Math.ceil(losses.length / 300), some = losses.filter((_, k) => k % every === 0 || k === losses.length - 1);
    if (losses.length > 1) lineChart(curve, "Loss", [["loss", [some.map((each) => each[0]), some.map((each) => each[1])]]], { yName: "nats", logY: true });
    const loss = losses[losses.length - 1][1], weights = isLinear ? `, ${inWords(names, toOwn(layers[0]))}` : "";
    text.textContent = `after ${updates.toLocaleString("en")} ${updates === 1 ? "update" : "updates"} on ${xs.length} rows: loss ${shown(loss, 6)}${weights}`;
  }

  function go() {
    train.textContent = "Pause";
    train.setAttribute("aria-pressed", "true");
    timer = setInterval(() => advance(Number(speed.value)), 40);
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    train.textContent = "Train";
    train.setAttribute("aria-pressed", "false");
  }
  setRows();
  reset();
}
