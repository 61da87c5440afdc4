"use strict";
// The model over one or two features: its curve or field, the rows, the loss surface; and the run's own training, frame by frame.

const CIVIDIS = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

function rowsView(parent, { names, target, x }) {
  const one = names.length === 1, column = (k) => x.map((row) => row[k]);
  return frame(parent, one
    ? { title: `Probability of ${target}`, xName: names[0], yName: "probability", x: range(column(0), 0.15), y: [-0.06, 1.06] }
    : { title: "Probability field and decision line", xName: names[0], yName: names[1], x: range(column(0), 0.15), y: range(column(1), 0.15) });
}

// The rows as marks; returns a function that rings those on the wrong side, given each row's probability.
function marksOf(axes, { names, x, y, threshold }) {
  const size = x.length > 100 ? 3 : 5.5, group = add(axes.plot, "g");
  const rings = x.map((row, k) => {
    const place = { cx: axes.x(row[0]), cy: axes.y(names.length === 1 ? y[k] : row[1]) };
    const ring = add(group, "circle", { ...place, r: size + 3, class: "wrong" });
    if (y[k]) add(group, "rect", { x: place.cx - size, y: place.cy - size, width: 2 * size, height: 2 * size, class: "one" });
    else add(group, "circle", { ...place, r: size, class: "zero" });
    return ring;
  });
  const show = (probability) => x.forEach((row, k) => { rings[k].style.display = probability(row) >= threshold === Boolean(y[k]) ? "none" : ""; });
  return Object.assign(show, { remove: () => group.remove() });
}

const keyOfRows = (target) => [{ name: `${target} 0`, mark: "zero" }, { name: `${target} 1`, mark: "one" }, { name: "ring: on the wrong side", mark: "wrong" }];

// Of weights in own units: the curve of one feature, or the field and line of two.
function linearView(axes, { names, x, threshold }, id) {
  const level = Math.log(threshold / (1 - threshold));
  if (names.length === 1) {
    const [low, high] = range(x.map((row) => row[0]), 0.15), xs = Array.from({ length: 201 }, (_, k) => low + ((high - low) * k) / 200);
    const curve = add(axes.plot, "path", { class: "curve", id }), crossing = add(axes.plot, "line", { y1: axes.top, y2: axes.bottom, class: "dotted" });
    add(axes.plot, "line", { x1: axes.left, x2: axes.right, y1: axes.y(threshold), y2: axes.y(threshold), class: "dotted" });
    return ([weight, bias]) => {
      curve.setAttribute("d", pathOf(axes, xs, xs.map((each) => sigmoid(weight * each + bias))));
      const at = axes.x((level - bias) / weight);
      for (const end of ["x1", "x2"]) crossing.setAttribute(end, Number.isFinite(at) ? at : -99);
    };
  }
  // The logit is linear in the picture's own places too: one gradient across the decision line draws the whole field.
  const gradient = add(add(axes.svg, "defs"), "linearGradient", { id: `${id}-field`, gradientUnits: "userSpaceOnUse" });
  for (let z = -8; z <= 8; z += 0.5) {
    const p = sigmoid(z);
    add(gradient, "stop", { offset: (z + 8) / 16, style: `stop-color:var(${p < 0.5 ? "--zero" : "--one"});stop-opacity:${(Math.abs(p - 0.5) * 1.1).toFixed(3)}` });
  }
  add(axes.plot, "rect", { x: axes.left, y: axes.top, width: axes.right - axes.left, height: axes.bottom - axes.top, fill: `url(#${id}-field)` });
  const line = add(axes.plot, "line", { class: "decision", id }), perX = axes.x(1) - axes.x(0), perY = axes.y(1) - axes.y(0);
  return ([first, second, bias]) => {
    const u = first / perX, v = second / perY, c = bias - u * axes.x(0) - v * axes.y(0), size = u * u + v * v || 1e-12;
    const middle = [(axes.left + axes.right) / 2, (axes.top + axes.bottom) / 2];
    const onto = (z) => { const t = (z - c - u * middle[0] - v * middle[1]) / size; return [middle[0] + u * t, middle[1] + v * t]; };
    [["x1", "y1", -8], ["x2", "y2", 8]].forEach(([x, y, z]) => { const at = onto(z); gradient.setAttribute(x, at[0]); gradient.setAttribute(y, at[1]); });
    const at = onto(level), reach = 2000 / Math.sqrt(size);
    line.setAttribute("x1", at[0] - v * reach); line.setAttribute("y1", at[1] + u * reach);
    line.setAttribute("x2", at[0] + v * reach); line.setAttribute("y2", at[1] - u * reach);
  };
}

// A picture of values over a grid, row by row from below, by a colour of each.
function gridImage(columns, rows, colour) {
  const canvas = html(null, "canvas", { width: columns, height: rows }), context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let k = 0; k < columns * rows; k++) image.data.set(colour(k), 4 * ((rows - 1 - Math.floor(k / columns)) * columns + (k % columns)));
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

const coverOf = (axes, href, node = add(axes.plot, "image", { preserveAspectRatio: "none" })) => { for (const [key, value] of Object.entries({ href, x: axes.left, y: axes.top, width: axes.right - axes.left, height: axes.bottom - axes.top })) node.setAttribute(key, value); return node; };

// Of any network of two features: the field as an image, the boundary by marching squares. `at` gives the grid's probabilities.
function gridView(axes, across, up, threshold, id) {
  const node = add(axes.plot, "image", { preserveAspectRatio: "none" }), line = add(axes.plot, "path", { class: "decision", fill: "none", id });
  const style = getComputedStyle(document.documentElement), ink = ["--zero", "--one"].map((name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16)));
  return (p) => {
    coverOf(axes, gridImage(across.length, up.length, (k) => [...ink[p[k] < 0.5 ? 0 : 1], 280 * Math.abs(p[k] - 0.5)]), node);
    let d = "";
    for (let j = 0; j + 1 < up.length; j++) for (let i = 0; i + 1 < across.length; i++) {
      const corner = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], found = [];
      corner.forEach(([a, b], k) => {
        const [c, e] = corner[(k + 1) % 4], from = p[b * across.length + a] - threshold, to = p[e * across.length + c] - threshold, t = from / (from - to);
        if (from < 0 !== to < 0) found.push(`${axes.x(across[a] + t * (across[c] - across[a])).toFixed(1)} ${axes.y(up[b] + t * (up[e] - up[b])).toFixed(1)}`);
      });
      for (let k = 0; k + 1 < found.length; k += 2) d += `M${found[k]}L${found[k + 1]}`;
    }
    line.setAttribute("d", d);
  };
}

// The loss over two weights (values row by row from below) with a bar of its colours, and the path on it.
function surfaceView(parent, { x, y, loss, names: [xName, yName, fixed] }, id) {
  const half = (axis) => (axis[1] - axis[0]) / 2, ends = (axis) => [axis[0] - half(axis), axis[axis.length - 1] + half(axis)];
  const logs = loss.map((value) => Math.log(Math.max(value, 1e-9))), low = Math.min(...logs), high = Math.max(...logs);
  const colour = (share) => { const place = share * (CIVIDIS.length - 1), from = Math.min(Math.floor(place), CIVIDIS.length - 2); return [...CIVIDIS[from].map((each, j) => each + (CIVIDIS[from + 1][j] - each) * (place - from)), 255]; };
  const axes = frame(parent, { title: `Loss over the weights${fixed ? `, ${fixed}` : ""}`, xName, yName, x: ends(x), y: ends(y) });
  coverOf(axes, gridImage(x.length, y.length, (k) => colour((logs[k] - low) / (high - low || 1))));
  const bar = html(parent, "figcaption", { className: "colour-bar" });
  html(bar, "span", { textContent: shown(Math.exp(low), 3) });
  html(bar, "i", { style: `background:linear-gradient(to right,${CIVIDIS.map((each) => `rgb(${each})`).join()})` });
  html(bar, "span", { textContent: `${shown(Math.exp(high), 3)} nats` });
  const halo = add(axes.plot, "path", { class: "halo" }), path = add(axes.plot, "path", { class: "path" }), here = add(axes.plot, "circle", { r: 6, class: "here", id });
  return (first, second) => {
    const d = pathOf(axes, first, second), last = first.length - 1;
    halo.setAttribute("d", d); path.setAttribute("d", d);
    here.setAttribute("cx", axes.x(first[last])); here.setAttribute("cy", axes.y(second[last]));
  };
}

const inWords = (names, weights) => weights.map((value, k) => `${k < names.length ? `weight of ${names[k]}` : "bias"} ${shown(value, 5)}`).join(", ");

function playerSection() {
  const { frames, field } = data;
  if (!frames && !field) return;
  open("player");
  const shownRows = frames || field, axes = rowsView(byId("model-view"), shownRows);
  legend(byId("model-view"), keyOfRows(shownRows.target));
  if (!frames) {
    byId("h-player").textContent = "The model over its two features";
    gridView(axes, field.across, field.up, field.threshold, "boundary")(field.probability);
    marksOf(axes, field)((row) => probabilityOf(data.what_if, forward(data.what_if.layers, scaled(data.what_if, row))));
    byId("frame-controls").hidden = true;
    return;
  }
  const moving = linearView(axes, frames, "boundary"), rings = marksOf(axes, frames), slider = byId("frame"), play = byId("play-frames");
  const surface = frames.surface && surfaceView(byId("surface-view"), frames.surface, "here"), part = (k, at) => frames.weights.slice(0, at + 1).map((each) => each[k]);
  slider.max = frames.steps.length - 1;
  let timer = null;
  function show(at) {
    slider.value = at;
    const weights = frames.weights[at], bias = weights[weights.length - 1];
    moving(weights);
    rings((row) => sigmoid(row.reduce((sum, value, j) => sum + value * weights[j], bias)));
    if (surface) surface(part(0, at), part(1, at));
    const text = `after ${frames.steps[at].toLocaleString("en")} ${frames.steps[at] === 1 ? "update" : "updates"}: loss ${shown(frames.losses[at])}, ${inWords(frames.names, weights)}`;
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
