/** Gradients of log-densities as values, and families of rows of the data: against closed forms, differences and loops over rows. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel, runModel, type Loaded } from "../support/model.js";

const rows = [
  [0.3, -1.2],
  [1.1, 0.4],
  [-0.7, 0.9],
];

/** Values of an objective, one for each row. */
function valuesOf(loaded: Loaded, objective: string, state: Record<string, number[]>, x = rows, k?: number): readonly number[] {
  const data = { x: { shape: [x.length, x[0]?.length ?? 0], data: x.flat() } };
  return (
    runModel(loaded, ({ f, w, x: given, key }) => ({ v: f(objective)(...[w, given["x"], k ?? key]) }), {
      data,
      state,
    })["v"] ?? []
  );
}

const normal = `
model M {
  data x : real[2]
  param mu : real[2], s : positive[2]
  density p(x) { x ~ Normal(mu, s) }
  objective first = grad[y = x](log p(x = y))[1]
  objective matching = 0.5 * sum(grad[y = x](log p(x = y)) ^ 2) + sum[i in 1..2](grad[a = x](grad[b = a](log p(x = b))[i])[i])
  train { minimize matching minimize first }
}`;

describe("the gradient of a log-density", () => {
  it("of a Normal is (mu - x) / s^2, and score matching of it the closed form", () => {
    const loaded = loadModel(normal);
    const [mu, raw] = [
      [0.5, -0.25],
      [0.2, -0.4],
    ];
    const s = raw.map((v) => Math.log1p(Math.exp(v)));
    const state = { mu, s: raw };
    const score = (x: readonly number[]): number[] => x.map((v, i) => ((mu[i] ?? 0) - v) / (s[i] ?? 1) ** 2);
    valuesOf(loaded, "first", state).forEach((v, i) => expect(v).toBeCloseTo(score(rows[i] ?? [])[0] ?? NaN, 8));
    valuesOf(loaded, "matching", state).forEach((v, i) => {
      const expected = score(rows[i] ?? []).reduce((total, g, d) => total + 0.5 * g * g - 1 / (s[d] ?? 1) ** 2, 0);
      expect(v).toBeCloseTo(expected, 8);
    });
  });

  it("is differentiated once more in the weights", async () => {
    const loaded = loadModel(normal);
    const state = { mu: [0.5, -0.25], s: [0.2, -0.4] };
    const { gradients } = await gradientsOf(loaded.model, { weights: state, data: { x: rows.flat() }, rows: rows.length });
    const mean = (at: Record<string, number[]>): number => valuesOf(loaded, "matching", at).reduce((a, b) => a + b, 0) / rows.length;
    for (const path of ["mu", "s"] as const)
      for (const i of [0, 1]) {
        const moved = (by: number): number => mean({ ...state, [path]: state[path].map((v, j) => (i === j ? v + by : v)) });
        expect(gradients[path]?.mean[i]).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 4);
      }
  });

  const others = {
    "a mixture, its component summed out": `
      latent c : category[3]
      param m : real[3, 2]
      density p(x, c) { c ~ Categorical(logits = zeros(3))   x ~ Normal(m[c], 0.7) }`,
    "a flow": `
      flow f on real[2] = repeat(2) { coupling(dense(5) |> tanh) |> reverse }
      density p(x) { u ~ Normal(0, 1)   x = f(u) }`,
  };
  it.each(Object.entries(others))("of %s is that of its differences", (_, body) => {
    const loaded = loadModel(`model M {
  data x : real[2]
  ${body}
  objective height = log p(x)
  objective slope = grad[y = x](log p(x = y))[2] + 2 * grad[y = x](log p(x = y))[1]
  train { minimize slope minimize height }
}`);
    const state = stateFor(loaded);
    const h = 1e-5;
    const slope = valuesOf(loaded, "slope", state);
    slope.forEach((v, i) => {
      const along = (by: number): number =>
        valuesOf(loaded, "height", state, [(rows[i] ?? []).map((x, d) => x + by * (d === 0 ? 2 : 1))])[0] ?? NaN;
      expect(v).toBeCloseTo((along(h) - along(-h)) / (2 * h), 5);
    });
  });

  it("of an energy needs no log Z: it is minus the energy's slope", () => {
    const loaded = loadModel(`model M {
  data x : real[2]
  net E(x) = x |> dense(6) |> softplus |> dense(1) |> sum
  density p(x) { energy E(x) + sum(x ^ 2) }
  objective slope = sum(grad[y = x](log p(x = y)) ^ 2)
  objective byHand = sum((grad[y = x](E(y)) + 2 * x) ^ 2)
  train { minimize slope minimize byHand }
}`);
    const state = stateFor(loaded);
    const [a, b] = [valuesOf(loaded, "slope", state), valuesOf(loaded, "byHand", state)];
    expect(a.length).toBe(3);
    a.forEach((v, i) => expect(v).toBeCloseTo(b[i] ?? NaN, 8));
    expect(Math.abs((a[0] ?? 0) - (a[1] ?? 0))).toBeGreaterThan(1e-3);
  });

  const codes = (objective: string): readonly string[] =>
    compile({
      path: "t.gm",
      text: `model M {
  data x : real[2]
  latent z : real[2], v : binary[40]
  net D(x) = x |> dense(4) |> tanh |> dense(1) |> sum
  param W : real[40, 2]
  density p(x, z) { z ~ Normal(0, 1)   x ~ Normal(D(z), 1) }
  density q(x, v) { v ~ Bernoulli(logits = 0)   energy sum(x ^ 2) - v @ W @ x }
  train { minimize ${objective} }
}`,
    })
      .diagnostics.filter((d) => d.severity === "error")
      .map((d) => d.code);
  it("is refused of what is estimated", () => {
    expect(codes("sum(grad[y = x](E[z ~ Normal(0, 1)](D(y))) ^ 2)")).toContain("GM3743");
    expect(codes("E[z ~ Normal(0, 1)](sum(grad[y = x](D(y)) ^ 2))")).toEqual([]);
    expect(codes("sum(grad[y = x](log p(x = y)) ^ 2)").length).toBeGreaterThan(0);
  });
});

describe("a family of rows of the data", () => {
  const model = (objective: string): Loaded =>
    loadModel(`model M {
  data x : real[2]
  param a : real[2]
  objective f = ${objective}
  train { minimize f }
}`);
  const state = { a: [0.4, -1.1] };
  const many = Array.from({ length: 6 }, (_, i) => [Math.sin(2 * i + 1), Math.cos(3 * i)]);
  const value = (x: readonly number[] = []): number => 0.4 * (x[0] ?? 0) - 1.1 * (x[1] ?? 0);
  const row = (i: number): number => value(many[i % many.length]);
  it("is the row and those after it", () => {
    const found = valuesOf(model("E[x[1..3] ~ data](max[i in 1..3](sum(a * x[i])))"), "f", state, many, 3);
    const whole = many.reduce((total, _, i) => total + Math.max(row(i), row(i + 1), row(i + 2)), 0) / many.length;
    expect(found.reduce((a, b) => a + b, 0) / found.length).toBeCloseTo(whole, 10);
  });
  it("stands beside a row that is drawn before it", () => {
    const found = valuesOf(model("E[x ~ data, y[1..2] ~ data(x)](logmeanexp[i in 1..2](sum(a * y[i]) - sum(a * x)))"), "f", state, many, 2);
    found.forEach((v, i) => {
      const each = [row(i + 1) - row(i), row(i + 2) - row(i)];
      expect(v).toBeCloseTo(Math.log((Math.exp(each[0] ?? 0) + Math.exp(each[1] ?? 0)) / 2), 10);
    });
  });
  it("needs as many rows in a batch", () => {
    expect(() => valuesOf(model("E[x[1..9] ~ data](mean[i in 1..9](sum(a * x[i])))"), "f", state, many, 9)).toThrow(
      // all that it takes, not the first that is not there
      /takes 9 independent rows of a stream, and a batch has 6/u,
    );
  });
});

/** Numbers for all weights. */
function stateFor({ model }: Loaded): Record<string, number[]> {
  return Object.fromEntries(
    leavesOf(model.weights).map(({ path, spec }, k) => [
      path,
      Array.from({ length: spec.shape.reduce((a, b) => a * b, 1) }, (_, i) => 0.6 * Math.sin(1.3 * (i + 1) * (k + 1))),
    ]),
  );
}
