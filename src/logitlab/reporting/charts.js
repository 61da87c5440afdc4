"use strict";
// Charts as plain SVG: a frame with axes, and what is put into it. Nothing is fetched.

const SVG = "http://www.w3.org/2000/svg";
const SERIES = ["--s0", "--s1", "--s2", "--s3", "--s4", "--s5", "--s6"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4"];
let clips = 0;

function add(parent, name, attributes = {}, text = "") {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

function ticks(low, high, count = 5) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= 0.75 * raw);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

function logTicks(low, high) {
  const found = [], wide = Math.log10(high / low) > 3;
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const factor of wide ? [1] : [1, 2, 5]) if (factor * 10 ** power >= low && factor * 10 ** power <= high) found.push(factor * 10 ** power);
  return found.length > 2 ? found : ticks(low, high);
}

const shown = (value) => (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5) ? value.toExponential(0) : String(Number(value.toPrecision(4))));

// A frame: pixel places by x(value) and y(value); `plot` is the clipped inside.
function frame(parent, { title, xName, yName, x, y, logY = false, height = 330 }) {
  const width = Math.min(480, Math.max(300, parent.clientWidth || 480)); // on a phone the words keep their size
  const left = 56, right = 14, top = 28, bottom = 44;
  const svg = add(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  add(svg, "title", {}, title);
  add(svg, "text", { x: left, y: 16, class: "title" }, title);
  const along = (value) => left + ((value - x[0]) / (x[1] - x[0])) * (width - left - right);
  const map = logY ? Math.log10 : (value) => value;
  const up = (value) => height - bottom - ((map(value) - map(y[0])) / (map(y[1]) - map(y[0]))) * (height - top - bottom);
  for (const value of ticks(...x)) {
    add(svg, "line", { x1: along(value), x2: along(value), y1: top, y2: height - bottom, class: "gridline" });
    add(svg, "text", { x: along(value), y: height - bottom + 16, "text-anchor": "middle", class: "tick" }, shown(value));
  }
  for (const value of logY ? logTicks(...y) : ticks(...y)) {
    add(svg, "line", { x1: left, x2: width - right, y1: up(value), y2: up(value), class: "gridline" });
    add(svg, "text", { x: left - 6, y: up(value) + 4, "text-anchor": "end", class: "tick" }, shown(value));
  }
  add(svg, "text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, xName);
  add(svg, "text", { x: 13, y: (top + height - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 13 ${(top + height - bottom) / 2})` }, yName);
  const clip = `clip-${clips++}`;
  add(add(svg, "clipPath", { id: clip }), "rect", { x: left, y: top, width: width - left - right, height: height - top - bottom });
  const plot = add(svg, "g", { "clip-path": `url(#${clip})` });
  add(svg, "path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, class: "axis", fill: "none" });
  return { svg, plot, x: along, y: up, left, right: width - right, top, bottom: height - bottom };
}

const pathOf = (axes, xs, ys) => xs.map((x, k) => `${k ? "L" : "M"}${axes.x(x).toFixed(2)} ${axes.y(ys[k]).toFixed(2)}`).join("");

function range(values, share = 0.06) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  const margin = (high - low) * share || Math.abs(high) * 0.1 || 1;
  return [low - margin, high + margin];
}

// Curves by name -> [steps, values], with a legend; the loss on a logarithmic axis where it can be.
function lineChart(parent, title, named, { yName = "", logY = false, xName = "updates" } = {}) {
  const finite = named.map(([name, [steps, values]]) => {
    const kept = values.map((value, k) => [steps[k], value]).filter(([, value]) => value !== null);
    return [name, kept.map(([step]) => step), kept.map(([, value]) => value)];
  }).filter(([, steps]) => steps.length);
  if (!finite.length) return;
  const all = finite.flatMap(([, , values]) => values), positive = all.every((value) => value > 0);
  const y = range(all), log = logY && positive;
  const figure = document.createElement("figure");
  parent.append(figure);
  const axes = frame(figure, { title, xName, yName, x: range(finite.flatMap(([, steps]) => steps), 0.01), y: log ? [Math.min(...all) / 1.15, Math.max(...all) * 1.15] : y, logY: log });
  const caption = document.createElement("figcaption");
  figure.append(caption);
  finite.forEach(([name, steps, values], k) => {
    const style = `fill:none;stroke:var(${SERIES[k % SERIES.length]});stroke-width:2;stroke-dasharray:${DASHES[(k + Math.floor(k / DASHES.length)) % DASHES.length]}`;
    const line = add(axes.plot, "path", { d: pathOf(axes, steps, values), style, "data-name": name });
    add(line, "title", {}, name);
    if (steps.length === 1) add(axes.plot, "circle", { cx: axes.x(steps[0]), cy: axes.y(values[0]), r: 4, style: `fill:var(${SERIES[k % SERIES.length]})` });
    const entry = document.createElement("span");
    add(add(entry, "svg", { viewBox: "0 0 32 12", "aria-hidden": "true" }), "line", { x1: 0, x2: 32, y1: 6, y2: 6, style });
    entry.append(name);
    caption.append(entry);
  });
}
