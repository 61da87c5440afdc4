"use strict";
// The form made from the columns: probability, interval, contributions, the nearest changes that cross the threshold.

const FIELDS = 24; // the columns that matter most; the others are folded away
let startFrom = () => {};

function whatIfSection() {
  const model = data.what_if;
  if (!model) return;
  const section = open("what-if"), { columns } = model, order = model.order.map((name) => columns.findIndex((each) => each.name === name));
  const average = columns.map((column) => (column.kind === "category" ? column.levels[column.shares.indexOf(Math.max(...column.shares))] ?? null : column.kind === "date" ? dateOf(column, column.middle) : column.middle ?? null));
  let values = [...average];
  const start = html(html(section, "label", {}, "Start from "), "select", { id: "start-from" });
  html(start, "option", { value: "", textContent: "each column's middle" });
  model.rows.forEach(({ at, values: row }, k) => html(start, "option", { value: k, textContent: `${data.split} row ${at + 1}: probability ${shown(probabilityOf(model, forward(model.layers, encode(model, row))), 3)}` }));
  const both = html(section, "div", { className: "form-and-result" }), form = html(both, "form", { className: "fields" }), result = html(both, "div", { className: "result" });
  form.addEventListener("submit", (event) => event.preventDefault());
  const big = html(result, "p", { id: "what-if-probability" }), words = html(result, "p", { id: "what-if-interval" });
  html(result, "h3", { textContent: "What each column adds to the logit, against its average" });
  const parts = html(result, "div", { id: "contributions" });
  html(result, "h3", { textContent: "Nearest changes that cross the threshold" });
  const nearest = html(result, "ol", { id: "nearest" });
  const rest = order.length > FIELDS ? html(form, "details", {}, html(null, "summary", { textContent: `${order.length - FIELDS} columns that matter less` })) : form;
  const refresh = order.map((k, place) => field(place < FIELDS ? form : rest, columns[k], () => values[k], (value) => { values[k] = value; show(); }));
  if (rest !== form) form.append(rest);

  function show() {
    const x = encode(model, values), logit = forward(model.layers, x), p = probabilityOf(model, logit), ends = intervalOf(model, x);
    big.replaceChildren(`Probability of ${model.target}: `, html(null, "b", { textContent: shown(p, 6) }), ` → ${model.classes[p >= model.threshold ? 1 : 0]} (threshold ${shown(model.threshold)})`);
    big.dataset.probability = p;
    words.textContent = ends ? `${shown(100 * model.covariance.level)} % interval ${shown(ends[0])} to ${shown(ends[1])}: what the training rows leave open of it` : `No interval: ${model.why_no_interval}.`;
    parts.replaceChildren();
    const found = contributions(model, x).map((value, k) => ({ value, name: `${columns[k].name} = ${values[k] ?? "missing"}`, low: null })).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    barRows(parts, found.slice(0, 10), "contributions");
    nearest.replaceChildren(...crossings(model, values).slice(0, 4).map((each) => html(null, "li", {}, `${each.name}: ${each.from ?? "missing"} → ${each.to === "" ? "a new category" : each.to ?? "missing"}${each.far === null ? "" : ` (${shown(each.far, 2)} standard deviations)`}`)));
    if (!nearest.childElementCount) html(nearest, "li", { textContent: "No column alone does it within the range of the training rows." });
  }
  startFrom = (place) => {
    start.value = place;
    values = [...(place === "" ? average : model.rows[Number(place)].values)];
    refresh.forEach((each) => each());
    show();
  };
  start.addEventListener("change", () => startFrom(start.value));
  startFrom("");
}

const dateOf = (column, days) => new Date(Date.parse(column.origin) + Math.round(days) * 864e5).toISOString().slice(0, 10);

// A field for a column; returns a function that shows the value as it is now.
function field(parent, column, get, set) {
  const box = html(parent, "label", { className: "field" }, html(null, "span", { textContent: column.name }));
  if (column.kind === "category" || (column.low === 0 && column.high === 1 && column.whole)) {
    const levels = column.kind === "category" ? column.levels : [0, 1], choice = html(box, "select");
    levels.forEach((level, k) => html(choice, "option", { value: k, textContent: column.buckets ? `bucket ${level}` : level }));
    const canMiss = column.kind === "category" ? column.missing !== "refuse" : column.fill !== null;
    if (canMiss) html(choice, "option", { value: "missing", textContent: "(missing)" });
    if (column.kind === "category") html(choice, "option", { value: "new", textContent: column.rare ? "(a rare one, or a new one)" : "(a new category)" });
    choice.addEventListener("change", () => set({ missing: null, new: "" }[choice.value] ?? (choice.value === "missing" ? null : levels[Number(choice.value)] ?? "")));
    return () => { const value = get(); choice.value = value === null ? "missing" : value === "" ? "new" : levels.indexOf(value); };
  }
  if (column.kind === "date") {
    const input = html(box, "input", { type: "date" });
    input.addEventListener("input", () => input.value && set(input.value));
    return () => { input.value = get() ?? ""; };
  }
  const step = column.whole ? 1 : Number(((column.high - column.low) / 200 || 1).toPrecision(1));
  const slider = html(box, "input", { type: "range", min: column.low, max: column.high, step: "any", ariaLabel: `${column.name}, slider` }), exact = html(box, "input", { type: "number", step: "any", ariaLabel: column.name });
  slider.addEventListener("input", () => { const value = Number((Math.round(Number(slider.value) / step) * step).toPrecision(12)); exact.value = value; set(value); });
  slider.addEventListener("keydown", (event) => { // a step of "any" leaves the arrow keys without one
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    slider.value = Number(slider.value) + by * step;
    slider.dispatchEvent(new Event("input"));
  });
  exact.addEventListener("input", () => { if (exact.value === "" ? column.fill !== null : exact.validity.valid) { const value = exact.value === "" ? null : Number(exact.value); if (value !== null) slider.value = value; set(value); } });
  exact.placeholder = column.fill === null ? "" : "missing";
  return () => { exact.value = get() ?? ""; slider.value = get() ?? column.middle; };
}

// For each column alone the smallest change to the other side of the threshold, in standard deviations; the smallest first.
function crossings(model, values) {
  const sideOf = (changed) => probabilityOf(model, forward(model.layers, encode(model, changed))) >= model.threshold;
  const side = sideOf(values), found = [];
  model.columns.forEach((column, k) => {
    const put = (value) => values.map((each, j) => (j === k ? value : each)), add = (to, far) => found.push({ name: column.name, from: values[k], to, far });
    if (column.kind === "category") {
      column.levels.filter((each) => each !== values[k] && sideOf(put(each)) !== side).forEach((each) => add(each, null));
      return;
    }
    if (column.low === undefined || values[k] === null) return;
    const isDate = column.kind === "date", now = isDate ? ownUnits(column, values[k])[0] : values[k], as = (value) => (isDate ? dateOf(column, value) : value);
    for (const end of [column.low, column.high]) {
      const at = (share) => put(as(now + share * (end - now)));
      let last = 0, next = Array.from({ length: 40 }, (_, j) => (j + 1) / 40).find((share) => sideOf(at(share)) !== side || ((last = share), false));
      if (!next) continue;
      for (let halvings = 0; halvings < 40; halvings++) { const middle = (last + next) / 2; if (sideOf(at(middle)) === side) last = middle; else next = middle; }
      let to = now + next * (end - now);
      if (column.whole || isDate) to = end > now ? Math.ceil(to - 1e-9) : Math.floor(to + 1e-9);
      add(isDate ? as(to) : Number(to.toPrecision(6)), Math.abs(to - now) / (column.deviation || 1));
    }
  });
  return found.sort((a, b) => (a.far ?? 1) - (b.far ?? 1));
}
