"use strict";
// Charts as plain SVG: a frame with axes, and what is put into it. Nothing is fetched.

const SVG = "http://www.w3.org/2000/svg";
const SERIES = ["--s0", "--s1", "--s2", "--s3", "--s4", "--s5", "--s6"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4"];
let clips = 0;

const byId = (id) => document.getElementById(id);

function add(parent, name, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

function html(parent, name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  if (parent) parent.append(node);
  return node;
}

function table(node, heads, rows) {
  node.replaceChildren();
  const line = html(html(node, "thead"), "tr"), body = html(node, "tbody");
  heads.forEach((head) => html(line, "th", { scope: "col", textContent: head }));
  for (const row of rows) {
    const cells = html(body, "tr");
    row.forEach((cell, k) => html(cells, k ? "td" : "th", k ? {} : { scope: "row" }, cell));
  }
}

function ticks(low, high, count = 5) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= 0.75 * raw);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

function logTicks(low, high) {
  const found = [], wide = Math.log10(high / low);
  const factors = wide > 3 ? [1] : wide > 1.5 ? [1, 3] : [1, 2, 5], every = Math.max(1, Math.ceil(wide / 6));
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const factor of power % every ? [] : factors) if (factor * 10 ** power >= low && factor * 10 ** power <= high) found.push(Number((factor * 10 ** power).toPrecision(6)));
  return found.length > 1 ? found : ticks(low, high);
}

// A number as it is read: four digits, or as many as are asked for.
function shown(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  return size && (size < 1e-4 || size >= 1e6) ? value.toExponential(Math.min(digits - 1, 2)).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(digits)));
}

// A frame: pixel places by x(value) and y(value); `plot` is the clipped inside. `labels` stand for whole numbers across, `marks` are where ticks stand.
function frame(parent, { title, xName = "", yName = "", x, y, logX = false, logY = false, labels = null, marks = null, height = 280 }) {
  if (title) html(parent, "h3", { textContent: title });
  const width = Math.max(280, Math.round(parent.clientWidth) || 380);
  const upTicks = logY ? logTicks(...y) : ticks(...y), longest = Math.max(...upTicks.map((value) => shown(value).length));
  const left = 26 + 6.5 * longest, right = 14, top = 10, bottom = 42;
  const svg = add(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title || xName });
  const place = (log, [low, high], from, to) => { const map = log ? Math.log10 : Number; return (value) => from + ((map(value) - map(low)) / (map(high) - map(low))) * (to - from); };
  const along = place(logX, x, left, width - right), up = place(logY, y, height - bottom, top);
  const room = Math.max(2, Math.floor((width - left - right) / 55));
  let across = labels ? labels.map((_, k) => k) : marks ? marks : logX ? logTicks(...x) : ticks(...x, Math.min(5, room));
  if (across.length > room) across = across.filter((_, k) => k % Math.ceil(across.length / room) === 0);
  for (const value of across) {
    add(svg, "line", { x1: along(value), x2: along(value), y1: top, y2: height - bottom, class: "gridline" });
    add(svg, "text", { x: along(value), y: height - bottom + 16, "text-anchor": "middle", class: "tick" }, labels ? labels[value].slice(0, 14) : shown(value));
  }
  for (const value of upTicks) {
    add(svg, "line", { x1: left, x2: width - right, y1: up(value), y2: up(value), class: "gridline" });
    add(svg, "text", { x: left - 6, y: up(value) + 4, "text-anchor": "end", class: "tick" }, shown(value));
  }
  const fits = (name, room) => (name.length * 6.6 > room ? `${name.slice(0, Math.floor(room / 6.6) - 1)}…` : name);
  add(svg, "text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, fits(xName, width - left - right));
  add(svg, "text", { x: 13, y: (top + height - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 13 ${(top + height - bottom) / 2})` }, fits(yName, height - top - bottom));
  const clip = `clip-${clips++}`;
  add(add(svg, "clipPath", { id: clip }), "rect", { x: left, y: top, width: width - left - right, height: height - top - bottom });
  const plot = add(svg, "g", { "clip-path": `url(#${clip})` });
  add(svg, "path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, class: "axis", fill: "none" });
  return { svg, plot, x: along, y: up, width, left, right: width - right, top, bottom: height - bottom, parent };
}

// Tells of the point next to the pointer, or by the arrow keys of one after the other. points: {x, y, text} in pixels.
function inspectable(axes, points, acrossOnly = false) {
  const ring = add(axes.plot, "circle", { r: 6, class: "inspected", visibility: "hidden" });
  const words = html(axes.parent, "output", { className: "readout" });
  let at = -1;
  function show(place) {
    at = Math.min(Math.max(place, 0), points.length - 1);
    const point = points[at];
    ring.setAttribute("visibility", "visible");
    ring.setAttribute("cx", point.x);
    ring.setAttribute("cy", point.y);
    words.textContent = typeof point.text === "function" ? point.text() : point.text;
  }
  axes.svg.setAttribute("tabindex", "0");
  axes.svg.addEventListener("pointermove", (event) => {
    const box = axes.svg.getBoundingClientRect(), scale = axes.width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    let nearest = 0, least = Infinity;
    points.forEach((point, k) => { const far = (point.x - x) ** 2 + (acrossOnly ? 0 : (point.y - y) ** 2); if (far < least) { least = far; nearest = k; } });
    if (points.length) show(nearest);
  });
  axes.svg.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by || !points.length) return;
    event.preventDefault();
    show(at + by * (event.shiftKey ? Math.ceil(points.length / 20) : 1));
  });
}

const pathOf = (axes, xs, ys) => xs.map((x, k) => `${k ? "L" : "M"}${axes.x(x).toFixed(2)} ${axes.y(ys[k]).toFixed(2)}`).join("");

function range(values, share = 0.06) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  const margin = (high - low) * share || Math.abs(high) * 0.1 || 1;
  return [low - margin, high + margin];
}

function legend(parent, entries) {
  const caption = html(parent, "figcaption");
  for (const { name, style, mark } of entries) {
    const entry = html(caption, "span"), key = add(entry, "svg", { viewBox: "0 0 32 12", "aria-hidden": "true" });
    if (mark === "one" || mark === "bar") add(key, "rect", { x: 10, y: 0, width: 12, height: 12, class: style || mark });
    else if (mark) add(key, "circle", { cx: 16, cy: 6, r: 5.5, class: mark });
    else add(key, "line", { x1: 0, x2: 32, y1: 6, y2: 6, style });
    entry.append(name);
  }
}

// Curves: [name, [xs, values, low, high]], low and high of a band where there is one; on a logarithmic axis where it can be.
function lineChart(parent, title, named, { yName = "", logY = false, xName = "updates", dots = false } = {}) {
  const finite = named.map(([name, [steps, ...columns]]) => {
    const kept = steps.map((step, k) => [step, ...columns.map((each) => each[k])]).filter(([, value]) => value !== null);
    return [name, ...[0, ...columns.map((_, k) => k + 1)].map((k) => kept.map((each) => each[k]))];
  }).filter(([, steps]) => steps.length);
  if (!finite.length) return;
  const all = finite.flatMap(([, , ...columns]) => columns.flat()), log = logY && all.every((value) => value > 0);
  const figure = html(parent, "figure"), y = log ? [Math.min(...all) / 1.15, Math.max(...all) * 1.15] : range(all);
  const axes = frame(figure, { title, xName, yName: log ? `${yName}, log axis` : yName, x: range(finite.flatMap(([, steps]) => steps), 0.01), y, logY: log });
  const styles = finite.map((_, k) => `fill:none;stroke:var(${SERIES[k % SERIES.length]});stroke-width:2;stroke-dasharray:${DASHES[(k + Math.floor(k / DASHES.length)) % DASHES.length]}`);
  finite.forEach(([name, steps, values, low, high], k) => {
    const colour = `fill:var(${SERIES[k % SERIES.length]})`;
    if (low) add(axes.plot, "path", { d: `${pathOf(axes, steps, low)}L${pathOf(axes, [...steps].reverse(), [...high].reverse()).slice(1)}Z`, style: `${colour};opacity:0.14` });
    add(axes.plot, "path", { d: pathOf(axes, steps, values), style: styles[k], "data-name": name });
    if (steps.length === 1 || dots) steps.forEach((step, j) => add(axes.plot, "circle", { cx: axes.x(step), cy: axes.y(values[j]), r: 3.5, style: colour }));
  });
  if (finite.length > 1 || !title) legend(figure, finite.map(([name], k) => ({ name, style: styles[k] })));
  const [, steps, values] = finite.reduce((most, each) => (each[1].length > most[1].length ? each : most));
  const at = finite.map(([name, xs, ys, low, high]) => [name, new Map(xs.map((x, k) => [x, shown(ys[k]) + (low ? ` (${shown(low[k])} to ${shown(high[k])})` : "")]))]);
  inspectable(axes, steps.map((step, k) => ({ x: axes.x(step), y: axes.y(values[k]), text: () => `${xName} ${shown(step, 7)}: ${at.filter(([, found]) => found.has(step)).map(([name, found]) => (finite.length > 1 ? `${name} ${found.get(step)}` : found.get(step))).join(", ")}` })), true);
}

// Horizontal bars from 0 with whiskers; rows: {name, value, low, high, text}.
function barRows(parent, rows, label) {
  const ends = rows.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value, 0]);
  const low = Math.min(...ends), high = Math.max(...ends), place = (value) => (100 * (value - low)) / (high - low || 1);
  const list = html(parent, "div", { className: "bars", role: "list", ariaLabel: label });
  for (const row of rows) {
    const from = Math.min(place(0), place(row.value)), wide = Math.abs(place(row.value) - place(0));
    const item = html(list, "div", { className: "bar", title: row.text ?? "" });
    item.setAttribute("role", "listitem");
    html(item, "span", { className: "bar-name", textContent: row.name });
    const track = html(item, "span", { className: "track" });
    html(track, "i", { className: row.value < 0 ? "fill below" : "fill", style: `left:${from}%;width:${wide}%` });
    if (row.low !== null && row.low !== undefined) html(track, "i", { className: "whisker", style: `left:${place(row.low)}%;width:${place(row.high) - place(row.low)}%` });
    html(track, "i", { className: "origin", style: `left:${place(0)}%` });
    html(item, "span", { className: "bar-value", textContent: row.shown ?? shown(row.value, 3) });
  }
}
