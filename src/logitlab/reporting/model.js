"use strict";
// The model as the page computes with it, in float64: features of a row, logit, probability, gradient.

const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const crossEntropy = (z, y) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - y * z;

// name -> the function, and its derivative at z where the function is a
const ACTIVATIONS = {
  identity: [(z) => z, () => 1],
  tanh: [Math.tanh, (z, a) => 1 - a * a],
  relu: [(z) => Math.max(z, 0), (z) => (z > 0 ? 1 : 0)],
  sigmoid: [sigmoid, (z, a) => a * (1 - a)],
  silu: [(z) => z * sigmoid(z), (z, a) => sigmoid(z) + a * (1 - sigmoid(z))],
  elu: [(z) => (z > 0 ? z : Math.expm1(z)), (z, a) => (z > 0 ? 1 : a + 1)],
};

// A column's features in own units, of a value of the table: null is missing, "" a category that is new, or rare.
function ownUnits(column, value) {
  const missing = value === null;
  if (column.kind === "category") {
    const known = column.levels.indexOf(value), rare = column.rare ? 1 : 0;
    const place = missing ? column.levels.length + rare : known < 0 ? column.levels.length : known;
    const isNew = missing ? column.missing === "unseen" : known < 0 && !rare;
    return column.shares.slice(1).map((share, k) => (isNew ? share : k + 1 === place ? 1 : 0));
  }
  const number = missing ? column.fill ?? NaN : column.kind === "date" ? (Date.parse(value) - Date.parse(column.origin)) / 864e5 : Number(value);
  return [...(column.constant ? [] : [number]), ...(column.indicator ? [missing ? 1 : 0] : [])];
}

const scaled = (model, own) => own.map((value, k) => (value - model.center[k]) / model.scale[k]);
const encode = (model, values) => scaled(model, model.columns.flatMap((column, k) => ownUnits(column, values[k])));

function forward(layers, x) {
  for (const { weight, bias, activation } of layers) {
    const of = ACTIVATIONS[activation][0], input = x;
    x = weight.map((row, k) => of(row.reduce((sum, each, j) => sum + each * input[j], bias[k])));
  }
  return x[0];
}

function probabilityOf(model, logit) {
  const [slope, intercept] = model.recalibration;
  return sigmoid(slope * logit + intercept);
}

// The ends of the interval of a row's probability, from the variance of its logit; null where there is no covariance.
function intervalOf(model, x) {
  if (!model.covariance) return null;
  const full = [...x, 1], { lower, quantile } = model.covariance, logit = forward(model.layers, x);
  let variance = 0, at = 0;
  for (let j = 0; j < full.length; j++) for (let k = 0; k <= j; k++) variance += (j === k ? 1 : 2) * lower[at++] * full[j] * full[k];
  const half = quantile * Math.sqrt(Math.max(variance, 0));
  return [probabilityOf(model, logit - half), probabilityOf(model, logit + half)];
}

// What each column does to the logit: against the same row with the column at the average of the training rows.
function contributions(model, x) {
  const logit = forward(model.layers, x);
  let start = 0;
  return model.columns.map((column) => {
    const size = column.kind === "category" ? column.shares.length - 1 : (column.constant ? 0 : 1) + (column.indicator ? 1 : 0), end = start + size;
    const without = x.map((value, k) => (k >= start && k < end ? model.means[k] : value));
    start = end;
    return logit - forward(model.layers, without);
  });
}

// One update of gradient descent on all rows: loss + l2 / 2 sum w^2, the biases free. Returns the loss before it.
function update(layers, xs, ys, lr, l2) {
  const sums = layers.map(({ weight, bias }) => ({ weight: weight.map((row) => row.map(() => 0)), bias: bias.map(() => 0) }));
  let loss = 0;
  xs.forEach((x, row) => {
    const inputs = [], raw = [];
    let a = x;
    for (const { weight, bias, activation } of layers) {
      inputs.push(a);
      raw.push(weight.map((each, k) => each.reduce((sum, w, j) => sum + w * inputs[inputs.length - 1][j], bias[k])));
      a = raw[raw.length - 1].map(ACTIVATIONS[activation][0]);
    }
    loss += crossEntropy(a[0], ys[row]) / xs.length;
    let slope = [(sigmoid(a[0]) - ys[row]) / xs.length];
    for (let at = layers.length - 1; at >= 0; at--) {
      const of = ACTIVATIONS[layers[at].activation];
      slope = slope.map((each, k) => each * of[1](raw[at][k], of[0](raw[at][k])));
      const back = inputs[at].map((_, j) => layers[at].weight.reduce((sum, each, k) => sum + each[j] * slope[k], 0));
      slope.forEach((each, k) => { sums[at].bias[k] += each; inputs[at].forEach((input, j) => { sums[at].weight[k][j] += each * input; }); });
      slope = back;
    }
  });
  layers.forEach(({ weight, bias }, at) => weight.forEach((row, k) => {
    bias[k] -= lr * sums[at].bias[k];
    row.forEach((w, j) => { row[j] = w - lr * (sums[at].weight[k][j] + l2 * w); });
  }));
  return loss;
}
