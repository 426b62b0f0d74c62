/**
 * Energies of counts where these are summed out: the total of the row is what their sum is over. Values and gradients against sums over all counts
 * of that total.
 */
import { describe, expect, it } from "vitest";
import { evaluate, referenceEngine } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, compositions, dotN, logSum, spread, type Assignment, type Numbers } from "./energy-cases.js";
import { dataOf, differences, exactly, meanOver } from "./pipeline-cases.js";

const states = bits(2).map((a) => a.value);
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sum = (xs: Numbers): number => xs.reduce((s, x) => s + x, 0);
const logFactorial = (n: number): number => (n < 2 ? 0 : Math.log(n) + logFactorial(n - 1));
const logOrders = (v: Numbers): number => logFactorial(sum(v)) - sum(v.map(logFactorial));
const documents = (like: Numbers): readonly Numbers[] => compositions(like.length, sum(like)).map((a) => a.value);

const text = (objective: string): string => `model M {
  data v : count[3], u : count[2], y : category[2]
  latent h : binary[2]
  param W : real[3, 2], U : real[2, 2], S : real[2, 2], R : real[3, 2]
  density p(v, y, h) { energy -(v @ W @ h) - S[y] @ h }
  density s(v, u, h) { energy -(v @ W @ h) - u @ U @ h }
  density r(v, h) { energy -(v @ W @ h) }
  density q(h | v) { h ~ Bernoulli(logits = v @ R) }
  train { maximize ${objective}
    optimizer = sgd(lr = 0.1), batch = 3, steps = 1 }
}`;

const weights: Assignment = {
  W: exactly(spread(6, 1.1, 1)),
  U: exactly(spread(4, 1.3, 2)),
  S: exactly(spread(4, 1.7, 3)),
  R: exactly(spread(6, 0.6, 4)),
};

const rows: readonly Assignment[] = [
  { v: [2, 0, 1], u: [1, 1], y: [1] },
  { v: [0, 3, 1], u: [0, 2], y: [0] },
  { v: [1, 0, 0], u: [3, 0], y: [1] },
];

type At = { readonly v: Numbers; readonly u: Numbers; readonly y: number; readonly h: Numbers };
const label = (w: Assignment, y: number): Numbers => w["S"]!.slice(2 * y, 2 * y + 2);
/** log of what a state weighs, with the orders of its counts. */
const weighs = {
  p: (w: Assignment, { v, y, h }: At) => bilinear(v, w["W"]!, h) + dotN(label(w, y), h) + logOrders(v),
  s: (w: Assignment, { v, u, h }: At) => bilinear(v, w["W"]!, h) + bilinear(u, w["U"]!, h) + logOrders(v) + logOrders(u),
  r: (w: Assignment, { v, h }: At) => bilinear(v, w["W"]!, h) + logOrders(v),
};

/** log of the sum of what states weigh, over all values of the variables named, counts of the totals of the row. */
function over(density: keyof typeof weighs, w: Assignment, row: Assignment, names: string, h: Numbers = [0, 0]): number {
  const [v, u, y] = [row["v"]!, row["u"]!, row["y"]![0]!];
  const all: number[] = [];
  for (const v1 of names.includes("v") ? documents(v) : [v])
    for (const u1 of names.includes("u") ? documents(u) : [u])
      for (const y1 of names.includes("y") ? [0, 1] : [y])
        for (const h1 of names.includes("h") ? states : [h]) all.push(weighs[density](w, { v: v1, u: u1, y: y1, h: h1 }));
  return logSum(all);
}

const logitsOf = (w: Assignment, v: Numbers): Numbers => [0, 1].map((j) => sum(v.map((n, i) => n * w["R"]![2 * i + j]!)));

/** The mean over q(h | v). */
function underQ(w: Assignment, row: Assignment, f: (h: Numbers, logQ: number) => number): number {
  const logits = logitsOf(w, row["v"]!);
  return sum(
    states.map((h) => {
      const logQ = sum(h.map((x, j) => x * logits[j]! - softplus(logits[j]!)));
      return Math.exp(logQ) * f(h, logQ);
    }),
  );
}

const one: Numbers = [1, 1];
type Exact = (w: Assignment, row: Assignment) => number;
const vGivenY: Exact = (w, r) => over("p", w, r, "h") - over("p", w, r, "vh");
const quantities: readonly (readonly [string, Exact])[] = [
  ["log p(v | y)", vGivenY],
  ["log p(v | h = ones(2))", (w, r) => over("p", w, r, "y", one) - over("p", w, r, "vy", one)],
  ["log p(v | y, h = ones(2))", (w, r) => over("p", w, r, "", one) - over("p", w, r, "v", one)],
  ["log p(v = v | y = 1)", (w, r) => vGivenY(w, { ...r, y: [1] })],
  ["log s(v | u)", (w, r) => over("s", w, r, "h") - over("s", w, r, "vh")],
  ["log s(u, v | h = ones(2))", (w, r) => over("s", w, r, "", one) - over("s", w, r, "vu", one)],
  ["log p(v | y) + log p(y)", (w, r) => over("p", w, r, "h") - over("p", w, r, "vyh")],
  ["E[h ~ q(h | v)](log r(h))", (w, r) => underQ(w, r, (h) => over("r", w, r, "v", h) - over("r", w, r, "vh"))],
  ["E[h ~ q(h | v)](log r(v | h))", (w, r) => underQ(w, r, (h) => over("r", w, r, "", h) - over("r", w, r, "v", h))],
  ["ELBO(r, q)", (w, r) => underQ(w, r, (h, logQ) => over("r", w, r, "", h) - over("r", w, r, "vh") - logQ)],
];

describe("counts that are summed out, of the total of the row", () => {
  it.each(quantities)("%s and its gradient", async (objective, exact) => {
    const { model } = loadModel(text(objective));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3 });
    expect(got.value.mean[0]).toBeCloseTo(
      meanOver(rows, (r) => exact(weights, r)),
      5,
    );
    for (const [name, values] of Object.entries(differences(weights, (w) => meanOver(rows, (r) => exact(w, r)))))
      if (got.gradients[name])
        values.forEach((e, i) => expect(Math.abs(got.gradients[name]!.mean[i]! - e), `${name}[${i}]`).toBeLessThan(1e-5));
      else expect(Math.max(...values.map(Math.abs)), name).toBeLessThan(1e-9);
  });
});

describe("estimates of such sums", () => {
  const sampled: readonly (readonly [string, Exact])[] = [
    ["log p(v | y) by gibbs(steps = 12)", vGivenY],
    ["log p(v | y = 1) by gibbs(steps = 12)", (w, r) => vGivenY(w, { ...r, y: [1] })],
    ["ELBO(r, q) by cd(k = 15)", (w, r) => underQ(w, r, (h, logQ) => over("r", w, r, "", h) - over("r", w, r, "vh") - logQ)],
  ];
  it.each(sampled)("%s has the exact gradient in the mean", async (objective, exact) => {
    const { model } = loadModel(text(objective));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3, steps: 1500, seed: 3 });
    const expected = differences(weights, (w) => meanOver(rows, (r) => exact(w, r)));
    for (const [name, { mean, standardError }] of Object.entries(got.gradients))
      mean.forEach((g, i) => {
        const miss = Math.abs(g - expected[name]![i]!);
        expect(miss, `${name}[${i}]: ${g} for ${expected[name]![i]}`).toBeLessThan(4.5 * standardError[i]! + 2e-3);
      });
  });

  const drawnFrom = [
    { draw: "v ~ r(v | h = ones(2))", by: "", hidden: [one] },
    { draw: "v, h ~ r(v, h)", by: " by gibbs(steps = 12)", hidden: states },
  ];
  it.each(drawnFrom)("counts are drawn with the total of the row: $draw", async ({ draw, by, hidden }) => {
    const { model } = loadModel(text(`E[${draw}](log q(h = ones(2) | v)) over q${by}`));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3, steps: 1500, seed: 5 });
    const drawn: Exact = (w, r) => {
      const all = documents(r["v"]!).flatMap((v) => hidden.map((h) => ({ v, logP: over("r", weights, { ...r, v }, "", h) })));
      const logZ = logSum(all.map((a) => a.logP));
      return sum(all.map(({ v, logP }) => Math.exp(logP - logZ) * sum(logitsOf(w, v).map((l) => l - softplus(l)))));
    };
    const expected = differences(weights, (w) => meanOver(rows, (r) => drawn(w, r)));
    const { mean, standardError } = got.gradients["R"]!;
    mean.forEach((g, i) => expect(Math.abs(g - expected["R"]![i]!), `R[${i}]`).toBeLessThan(4.5 * standardError[i]! + 1e-4));
  });

  it("mean field of counts alone is exact", async () => {
    const { model } = loadModel(text("log r(h = ones(2)) + 0 * sum(v) by mean_field(steps = 1)"));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3 });
    const exact: Exact = (w, r) => over("r", w, r, "v", one) - over("r", w, r, "vh");
    expect(got.value.mean[0]).toBeCloseTo(
      meanOver(rows, (r) => exact(weights, r)),
      5,
    );
    const expected = differences(weights, (w) => meanOver(rows, (r) => exact(w, r)));
    got.gradients["W"]!.mean.forEach((g, i) => expect(g).toBeCloseTo(expected["W"]![i]!, 4));
  });
});

describe("perplexity", () => {
  it("is of the words of all counts, each with its orders, and of counts of two axes", async () => {
    const { model } = loadModel(`model M {
      data v : count[2, 2], u : count[2]
      latent h : binary[2]
      param W : real[2, 2] init Normal(0, 1), U : real[2, 2] init Normal(0, 1)
      density p(v, u, h) { energy -sum(v * W) * sum(h) - u @ U @ h }
      train { maximize log p(v, u) batch = 3, epochs = 1 }
      evaluate { both = perplexity(p) }
    }`);
    const v = [
      [2, 0, 1, 1],
      [0, 3, 1, 0],
      [1, 0, 0, 0],
    ];
    const dataset = datasetOf(model, {
      train: { v: Float32Array.from(v.flat()), u: Float32Array.from(rows.flatMap((r) => r["u"]!)) },
    });
    const initial = initialWeights(model, 2, dataset);
    const [W, U] = ["W", "U"].map((n) => [...initial.get(n)!.data]);
    const session = await referenceEngine.open();
    await writeAll(session, initial);
    const { metrics } = await evaluate({
      session,
      model,
      dataset,
      seed: 1,
      averaged: new Set<string>(),
      terms: false,
      reconstruction: false,
    });
    session.dispose();
    const free = (a: Numbers, b: Numbers): number => logSum(states.map((h) => dotN(a, W!) * sum(h) + bilinear(b, U!, h)));
    const each = v.map((a, i) => {
      const b = rows[i]!["u"]!;
      const logZ = logSum(documents(a).flatMap((x) => documents(b).map((y) => free(x, y) + logOrders(x) + logOrders(y))));
      return (logZ - free(a, b)) / (sum(a) + sum(b));
    });
    expect(metrics["both"]!.value).toBeCloseTo(Math.exp(sum(each) / 3), 4);
  });
});
