"use strict";
// A sweep's page: the metric against what was varied, parallel coordinates, curves, tables that sort.

const data = JSON.parse(byId("data").textContent);
const done = data.runs.map(([values, metric], rank) => ({ values, metric, rank })).filter(({ metric }) => metric !== null);

// The scale of a key: numbers, on a logarithmic axis where they span much, or names in order.
function scaleOf(key) {
  const texts = [...new Set(done.map(({ values }) => values[key]))], numbers = texts.map(Number);
  if (texts.some((text) => text === "") || numbers.some(Number.isNaN)) return { labels: texts.sort(), of: (text) => texts.indexOf(text) };
  const sorted = [...numbers].sort((a, b) => a - b), least = sorted.find((value) => value > 0), wide = sorted[sorted.length - 1] / least > 50;
  if (sorted.length <= 12 && wide && sorted[0] <= 0) return { labels: sorted.map((value) => shown(value)), of: (text) => sorted.indexOf(Number(text)) }; // 0 has no logarithm
  return { of: Number, log: wide && sorted[0] > 0, values: sorted };
}

const spread = (values) => ({ mean: values.reduce((a, b) => a + b) / values.length, low: Math.min(...values), high: Math.max(...values) });
const isLog = (values) => Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 20;
const named = (values, keys = data.keys.map((_, k) => k)) => keys.map((k) => `${data.keys[k]}=${values[k]}`).join(" ");

function against() {
  const keys = data.keys.map((_, k) => k).filter((k) => data.others.includes(data.keys[k]) && new Set(done.map(({ values }) => values[k])).size > 1);
  if (!keys.length || done.length < 2) return;
  byId("knobs").hidden = false;
  const metrics = done.map(({ metric }) => metric), logY = isLog(metrics), y = logY ? [Math.min(...metrics) / 1.15, Math.max(...metrics) * 1.15] : range(metrics);
  for (const key of keys) {
    const scale = scaleOf(key), figure = html(byId("against"), "figure"), others = keys.filter((each) => each !== key);
    const x = scale.labels ? [-0.5, scale.labels.length - 0.5] : scale.log ? [scale.values[0] / 1.3, scale.values[scale.values.length - 1] * 1.3] : range(scale.values);
    const axes = frame(figure, { title: `${data.metric} against ${data.keys[key]}`, xName: data.keys[key] + (scale.log ? ", log axis" : ""), yName: data.metric + (logY ? ", log axis" : ""), x, y, logX: scale.log, logY, labels: scale.labels, marks: scale.values && scale.values.length < 9 ? scale.values : null });
    const groups = new Map();
    for (const run of done) { const name = named(run.values, others); groups.set(name, [...(groups.get(name) ?? []), run]); }
    const isGrid = groups.size <= SERIES.length && [...groups.values()].every((runs) => new Set(runs.map(({ values }) => values[key])).size > 1);
    if (isGrid) [...groups].forEach(([, runs], k) => {
      const colour = SERIES[k], at = new Map();
      for (const run of runs) { const place = scale.of(run.values[key]); at.set(place, [...(at.get(place) ?? []), run.metric]); }
      const xs = [...at.keys()].sort((a, b) => a - b), found = xs.map((each) => spread(at.get(each)));
      if (groups.size < 4) add(axes.plot, "path", { d: `${pathOf(axes, xs, found.map(({ low }) => low))}L${pathOf(axes, [...xs].reverse(), found.map(({ high }) => high).reverse()).slice(1)}Z`, style: `fill:var(${colour});opacity:0.13` });
      add(axes.plot, "path", { d: pathOf(axes, xs, found.map(({ mean }) => mean)), style: `fill:none;stroke:var(${colour});stroke-width:2;stroke-dasharray:${DASHES[k]}` });
      found.forEach(({ mean }, j) => add(axes.plot, "circle", { cx: axes.x(xs[j]), cy: axes.y(mean), r: 3.5, style: `fill:var(${colour})` }));
    });
    else for (const run of done) add(axes.plot, "circle", { cx: axes.x(scale.of(run.values[key])), cy: axes.y(run.metric), r: 3.5, class: run.rank ? "run" : "here" });
    if (isGrid && groups.size > 1) legend(figure, [...groups.keys()].map((name, k) => ({ name, style: `stroke:var(${SERIES[k]});stroke-width:2;stroke-dasharray:${DASHES[k]}` })));
    inspectable(axes, done.map((run) => ({ x: axes.x(scale.of(run.values[key])), y: axes.y(run.metric), text: `${named(run.values)}: ${shown(run.metric, 5)}` })));
  }
}

// A line for each run through its values; the colour is the metric. A brush on an axis keeps the runs that pass it.
function parallel() {
  if (done.length < 3 || !data.keys.length) return;
  byId("parallel").hidden = false;
  const place = byId("coordinates"), metrics = done.map(({ metric }) => metric), columns = [...data.keys.map((name, k) => ({ name, scale: scaleOf(k), of: (run) => run.values[k] })), { name: data.metric, scale: { of: Number, log: isLog(metrics), values: [...metrics].sort((a, b) => a - b) }, of: (run) => run.metric }];
  const gap = 120, width = Math.max(place.clientWidth || 380, 110 + gap * (columns.length - 1)), height = 330, top = 44, bottom = height - 22;
  const scroll = html(place, "div", { className: "scroll" }), svg = add(scroll, "svg", { viewBox: `0 0 ${width} ${height}`, style: `min-width:${width}px;height:${height}px`, role: "group", "aria-label": "parallel coordinates" });
  const across = (k) => 60 + (k * (width - 120)) / (columns.length - 1);
  columns.forEach((column) => {
    const { scale } = column, map = scale.log ? Math.log10 : Number, ends = scale.labels ? [0, scale.labels.length - 1] : [scale.values[0], scale.values[scale.values.length - 1]].map(map);
    column.y = (run) => { const value = map(scale.of(column.of(run))); return ends[1] > ends[0] ? bottom - ((value - ends[0]) / (ends[1] - ends[0])) * (bottom - top) : (top + bottom) / 2; };
  });
  const order = data.mode === "min" ? 1 : -1, ranked = [...done].sort((a, b) => order * (a.metric - b.metric));
  const lines = [...ranked].reverse().map((run) => {
    const share = ranked.indexOf(run) / (ranked.length - 1), d = columns.map((column, k) => `${k ? "L" : "M"}${across(k).toFixed(1)} ${column.y(run).toFixed(1)}`).join("");
    return { run, node: add(svg, "path", { d, class: share ? "pass" : "pass best", style: `stroke:color-mix(in oklab, var(--one) ${Math.round(100 * (1 - share) ** 2)}%, var(--zero))` }) };
  });
  const words = html(place, "output", { className: "readout", id: "kept" }), rows = [...byId("runs").tBodies[0].rows];
  function refresh() {
    const kept = done.filter((run) => columns.every(({ brush, y }) => !brush || (y(run) >= brush[0] && y(run) <= brush[1]))), ranks = new Set(kept.map(({ rank }) => rank));
    for (const { run, node } of lines) node.classList.toggle("out", !ranks.has(run.rank));
    const isBrushed = columns.some(({ brush }) => brush), found = kept.map(({ metric }) => metric);
    for (const row of rows) row.hidden = isBrushed && !ranks.has(Number(row.cells[0].textContent) - 1);
    words.textContent = `${kept.length.toLocaleString("en")} of ${done.length.toLocaleString("en")} runs${kept.length ? `: ${data.metric} ${shown(Math.min(...found))} to ${shown(Math.max(...found))}, mean ${shown(spread(found).mean)}` : ""}. Orange is best.`;
  }
  columns.forEach((column, k) => {
    const x = across(k), { scale } = column, group = add(svg, "g", { tabindex: 0, class: "brushable", role: "slider", "aria-label": column.name, "aria-valuenow": 0, "aria-valuetext": "all runs" });
    add(group, "line", { x1: x, x2: x, y1: top, y2: bottom, class: "axis" });
    add(group, "text", { x, y: k % 2 ? 30 : 14, "text-anchor": k === 0 ? "start" : k === columns.length - 1 ? "end" : "middle", dx: k === 0 ? -55 : k === columns.length - 1 ? 55 : 0, class: "strong" }, column.name.slice(0, 26));
    const few = scale.values && k < data.keys.length && [...new Set(scale.values)];
    const marks = few && few.length < 9 ? few.map((value) => [shown(value), few.length < 2 ? 0.5 : scale.log ? Math.log(value / few[0]) / Math.log(few[few.length - 1] / few[0]) : (value - few[0]) / (few[few.length - 1] - few[0])]) : scale.labels ? scale.labels.map((label, at) => [label, at / Math.max(scale.labels.length - 1, 1)]) : (([low, high]) => (scale.log ? logTicks(low, high) : ticks(low, high)).map((value) => [shown(value), scale.log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low || 1)]))([scale.values[0], scale.values[scale.values.length - 1]]);
    marks.forEach(([label, share]) => add(group, "text", { x: x + 6, y: bottom - share * (bottom - top) + 4, class: "tick" }, label.slice(0, 12)));
    const box = add(group, "rect", { x: x - 9, width: 18, y: 0, height: 0, class: "brush" });
    add(group, "rect", { x: x - 14, width: 28, y: top - 8, height: bottom - top + 16, fill: "transparent", style: "cursor:ns-resize" });
    const set = (brush) => {
      column.brush = brush;
      box.setAttribute("y", brush ? brush[0] : 0);
      box.setAttribute("height", brush ? brush[1] - brush[0] : 0);
      refresh();
      group.setAttribute("aria-valuetext", brush ? words.textContent : "all runs");
    };
    const at = (event) => { const area = svg.getBoundingClientRect(); return Math.min(Math.max(((event.clientY - area.top) * height) / area.height, top - 4), bottom + 4); };
    let from = null;
    group.addEventListener("pointerdown", (event) => { from = at(event); group.setPointerCapture(event.pointerId); set(null); });
    group.addEventListener("pointermove", (event) => { if (from !== null) set([Math.min(from, at(event)), Math.max(from, at(event))]); });
    group.addEventListener("pointerup", () => { if (column.brush && column.brush[1] - column.brush[0] < 4) set(null); from = null; });
    group.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key], size = (bottom - top) / 5;
      if (event.key === "Escape") set(null);
      if (!by) return;
      event.preventDefault();
      const low = Math.min(Math.max((column.brush ? column.brush[0] : by > 0 ? top - size : bottom) + (by * size) / 2, top - 4), bottom + 4 - size);
      set([low, low + size]);
    });
  });
  refresh();
}

function sortable() {
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

for (const [tag, lines] of Object.entries(data.lines)) lineChart(byId("lines"), tag, lines.map(({ name, points }) => [name, points]), { yName: "nats", logY: true });
against();
parallel();
sortable();
