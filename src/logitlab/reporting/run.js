"use strict";
// A run's page: what matters, the threshold, calibration, groups of rows, curves.

const data = JSON.parse(byId("data").textContent);

function open(id) { // a hidden one has no width to draw in
  byId(id).hidden = false;
  return byId(id);
}

function mattersSection() {
  const words = ({ name, value, low, high, deviation }) => {
    const ends = low === null ? "" : ` (${shown(low)} to ${shown(high)})`;
    return `${name}: ${shown(value)}${ends}${deviation ? `, odds times ${shown(Math.exp(value))} ${deviation === 1 ? "for 1 more" : `for ${shown(deviation)} more`}` : ""}`;
  };
  const rows = data.bars.map((bar) => ({ ...bar, text: words(bar) }));
  if (rows.length) barRows(byId("bars"), rows, "what matters");
  for (const [name, [x, y]] of Object.entries(data.dependence)) lineChart(byId("dependence"), `Mean probability over ${name}`, [["mean probability", [x, y]]], { xName: name, yName: "mean probability" });
}

function cuttingSection() {
  const { thresholds } = data;
  if (!thresholds) return;
  open("cutting");
  byId("cutting-rows").textContent = `on the ${data.split} rows`;
  const { cuts, tp, fp, positives, negatives, histogram, roc } = thresholds, unit = [-0.02, 1.02], slider = byId("cut");
  const bins = histogram[0].length, most = Math.max(...histogram[0], ...histogram[1]);
  const bars = frame(byId("histogram"), { title: "Probabilities of the rows, by class", xName: "probability of class 1", yName: "rows", x: unit, y: [0, 1.05 * most] });
  histogram.forEach((counts, each) => counts.forEach((count, k) => {
    const x = bars.x((k + 0.5 * each) / bins), wide = (bars.x(1) - bars.x(0)) / bins / 2;
    add(bars.plot, "rect", { x, width: Math.max(wide - 0.5, 0.5), y: bars.y(count), height: bars.bottom - bars.y(count), class: each ? "one" : "zero" });
  }));
  legend(byId("histogram"), [{ name: "class 0", mark: "bar", style: "zero" }, { name: "class 1", mark: "one" }]);
  inspectable(bars, histogram[0].map((count, k) => ({ x: bars.x((k + 0.5) / bins), y: bars.y(Math.max(count, histogram[1][k])), text: `probability ${shown(k / bins)} to ${shown((k + 1) / bins)}: ${count} rows of class 0, ${histogram[1][k]} of class 1` })), true);
  const line = add(bars.plot, "line", { y1: bars.top, y2: bars.bottom, class: "decision", id: "cut-line" });
  const draw = (id, title, xName, yName, [xs, ys]) => {
    const axes = frame(byId(id), { title, xName, yName, x: unit, y: unit });
    add(axes.plot, "path", { d: pathOf(axes, xs, ys), class: "curve" });
    inspectable(axes, xs.map((x, k) => ({ x: axes.x(x), y: axes.y(ys[k]), text: `${xName} ${shown(x)}, ${yName} ${shown(ys[k])}` })));
    return [axes, add(axes.plot, "circle", { r: 7, class: "here", id: `${id}-point` })];
  };
  const [curve, onCurve] = draw("precision-recall", `Precision over recall, average ${thresholds.average_precision.toFixed(3)}`, "recall", "precision", thresholds.precision_recall);
  const [rates, onRates] = draw("roc", `ROC, area under the curve ${thresholds.auroc.toFixed(3)}`, "false positive rate", "true positive rate", roc);
  add(rates.plot, "line", { x1: rates.x(0), y1: rates.y(0), x2: rates.x(1), y2: rates.y(1), class: "dotted" });
  const share = positives / (positives + negatives);
  add(curve.plot, "line", { x1: curve.x(0), y1: curve.y(share), x2: curve.x(1), y2: curve.y(share), class: "dotted" });
  slider.max = cuts.length - 1;
  function show(at) {
    const counts = { tp: tp[at], fp: fp[at], fn: positives - tp[at], tn: negatives - fp[at] }, called = tp[at] + fp[at];
    for (const [id, value] of Object.entries(counts)) byId(id).textContent = value.toLocaleString("en");
    const move = (point, x, y) => { point.setAttribute("cx", x); point.setAttribute("cy", y); };
    move(onRates, rates.x(fp[at] / negatives), rates.y(tp[at] / positives));
    move(onCurve, curve.x(tp[at] / positives), curve.y(called ? tp[at] / called : 1));
    for (const end of ["x1", "x2"]) line.setAttribute(end, bars.x(cuts[at]));
    const part = (some, whole) => (whole ? (some / whole).toFixed(3) : "none");
    byId("cut-text").textContent = String(Number(cuts[at].toPrecision(4)));
    slider.setAttribute("aria-valuetext", `threshold ${byId("cut-text").textContent}`);
    byId("rates").textContent = `accuracy ${part(counts.tp + counts.tn, positives + negatives)}, precision ${part(counts.tp, called)}, recall ${part(counts.tp, positives)}, false positive rate ${part(counts.fp, negatives)}`;
  }
  slider.addEventListener("input", () => show(Number(slider.value)));
  slider.value = thresholds.start;
  show(thresholds.start);
}

function calibrationSection() {
  const found = data.thresholds && data.thresholds.reliability;
  if (!found || found.count.length < 2) return;
  open("calibration");
  const unit = [-0.02, 1.02], axes = frame(byId("reliability"), { title: "Share of class 1 over the probability given", xName: "mean probability of a tenth of the rows", yName: "share of class 1", x: unit, y: unit });
  add(axes.plot, "line", { x1: axes.x(0), y1: axes.y(0), x2: axes.x(1), y2: axes.y(1), class: "dotted" });
  found.probability.forEach((p, k) => {
    add(axes.plot, "line", { x1: axes.x(p), x2: axes.x(p), y1: axes.y(found.observed_low[k]), y2: axes.y(found.observed_high[k]), class: "interval" });
    add(axes.plot, "circle", { cx: axes.x(p), cy: axes.y(found.observed[k]), r: 4.5, class: "third" });
  });
  const words = (k) => `${found.count[k]} rows given ${shown(found.probability[k], 3)} on average: ${shown(found.observed[k], 3)} of them are of class 1 (95 % interval ${shown(found.observed_low[k], 3)} to ${shown(found.observed_high[k], 3)})`;
  inspectable(axes, found.probability.map((p, k) => ({ x: axes.x(p), y: axes.y(found.observed[k]), text: words(k) })));
  const off = found.probability.filter((p, k) => p < found.observed_low[k] || p > found.observed_high[k]).length;
  html(byId("calibration-words"), "p", { textContent: `On the dotted line probabilities are right. ${off ? `${off} of ${found.count.length} groups ${off === 1 ? "is" : "are"} further from it than chance explains (95 % intervals).` : `No group is further from it than chance explains (95 % intervals of ${found.count.length} groups).`}` });
}

function slicesSection() {
  if (!data.slices || !data.slices.length) return;
  open("slices");
  const choice = byId("slice");
  data.slices.forEach(({ column }) => html(choice, "option", { textContent: column }));
  const show = () => table(byId("slice-table"), ["group", "rows", "share of class 1", "mean probability", "log loss", "accuracy", "AUROC"],
    data.slices[choice.selectedIndex].groups.map((each) => [each.group, each.rows.toLocaleString("en"), ...["base_rate", "mean_probability", "log_loss", "accuracy", "auroc"].map((name) => shown(each[name]))]));
  choice.addEventListener("change", show);
  show();
}

function worstSection() {
  if (!data.worst || !data.worst.length) return;
  open("worst");
  const model = data.what_if, heads = ["row", "true class", "probability of class 1", "loss"];
  table(byId("worst-table"), model ? [...heads, "what pushes it there", ""] : heads, data.worst.map((each) => {
    const cells = [each.row.toLocaleString("en"), model ? model.classes[each.target] : String(each.target), shown(each.probability), shown(each.loss)];
    const place = model ? model.rows.findIndex((row) => row.at === each.at) : -1;
    if (place < 0) return model ? [...cells, "", ""] : cells;
    const { values } = model.rows[place], parts = contributions(model, encode(model, values)), sign = each.target ? -1 : 1;
    const pushing = parts.map((part, k) => [part, k]).filter(([part]) => part * sign > 0).sort((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, 3);
    const button = html(null, "button", { type: "button", textContent: "What if" });
    button.addEventListener("click", () => { startFrom(String(place)); byId("what-if").scrollIntoView(); });
    return [...cells, pushing.map(([part, k]) => `${model.columns[k].name} ${values[k] ?? "missing"} (${part > 0 ? "+" : ""}${shown(part, 3)})`).join(", "), button];
  }));
}

function pathSection() {
  const { path } = data;
  if (!path.strength) return;
  open("path");
  const at = { xName: `log10 of ${path.what}` }, place = byId("path-charts");
  byId("path-words").textContent = Object.entries(path.chosen).map(([name, [value, loss]]) => `${name}: ${path.what} ${shown(value)} (log10 ${shown(Math.log10(value))}), log loss ${shown(loss)}`).join("; ") + ".";
  const chosen = Object.entries(path.chosen).map(([name, [value, loss]]) => [`${name}, chosen`, [[Math.log10(value)], [loss]]]);
  lineChart(place, "Log loss of the rows held out, with one standard error", [["mean over the folds", [path.strength, ...path.loss]], ...chosen], { ...at, yName: "nats" });
  const title = `Coefficients of all rows${path.more > 0 ? `, the ${Object.keys(path.coefficients).length} that reach furthest` : ""}`;
  lineChart(place, title, Object.entries(path.coefficients).map(([name, values]) => [name, [path.strength, values]]), { ...at, yName: "logit per unit, scaled" });
}

function curvesSection() {
  const found = (pattern) => Object.entries(data.curves).filter(([tag]) => pattern.test(tag));
  const place = byId("curve-charts");
  open("curves");
  lineChart(place, "Loss", found(/^(train|val)\/loss$/), { yName: "nats", logY: true });
  lineChart(place, "Accuracy", found(/\/accuracy$/), { yName: "share of rows" });
  lineChart(place, "Weights and bias", found(/^(weight\/|bias)/).slice(0, 7), { yName: "per unit of the feature" });
  lineChart(place, "Gradient norm", found(/gradient_norm/), { yName: "norm", logY: true });
  byId("curves").hidden = !place.childElementCount;
}
