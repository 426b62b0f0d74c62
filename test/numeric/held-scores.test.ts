/**
 * Sticking the landing and DReG hold log q fixed where its score has mean 0, and are refused elsewhere. Of a chain y -> z -> c of two reals and a bit,
 * against quadrature in the noise of y and z and the sum over c, differentiated by central differences.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, type Vectors } from "../support/numbers.js";

type Weights = Vectors<"m" | "d" | "e" | "V" | "s" | "U" | "r" | "A" | "B">;

const MODEL = (objective: string, by: string): string => `
model Chain {
  data x : binary[1]
  latent y : real, z : real, c : binary
  param m : real, d : real, e : real, V : real, s : real, U : real, r : real, A : real, B : real
  density p(x, y, z, c) {
    y ~ Normal(0, 1)
    z ~ Normal(m * y, 1)
    c ~ Bernoulli(logits = 0.5 * z)
    x ~ Bernoulli(logits = ones(1) * (d * z + e * c))
  }
  density q(y, z, c | x) {
    y ~ Normal(V * sum(x), exp(s))
    z ~ Normal(U * tanh(y), exp(r))
    c ~ Bernoulli(logits = A * z + B)
  }
  train { maximize ${objective} by ${by}
    optimizer = sgd(lr = 0.1), batch = 4, steps = 1 }
}`;

const at: Weights = { m: [0.75], d: [1.25], e: [-1.5], V: [0.625], s: [-0.5], U: [1.25], r: [-0.25], A: [0.75], B: [-0.5] };

interface Point {
  readonly y: number;
  readonly z: number;
  readonly c: number;
  readonly logP: number;
  readonly logQy: number;
  readonly logQz: number;
  readonly logQc: number;
}

const LOG_2PI = Math.log(2 * Math.PI);
const bit = (b: number, logit: number): number => b * logit - Math.log1p(Math.exp(logit));
const normal = (x: number, loc: number, logScale: number): number => -(((x - loc) * Math.exp(-logScale)) ** 2) / 2 - logScale - LOG_2PI / 2;
const noise = Array.from({ length: 51 }, (_, i) => (i - 25) / 5);

/** E over q: the trapezoid rule in the noise is exact to 1e-6 here. */
function average(w: Weights, value: (at: Point) => number): number {
  const one = (name: keyof Weights): number => w[name][0]!;
  let total = 0;
  for (const f of noise)
    for (const g of noise) {
      const mass = (Math.exp(-(f * f + g * g) / 2) * 0.04) / (2 * Math.PI);
      const y = one("V") + Math.exp(one("s")) * f;
      const z = one("U") * Math.tanh(y) + Math.exp(one("r")) * g;
      for (const c of [0, 1]) {
        const logQc = bit(c, one("A") * z + one("B"));
        const logP = normal(y, 0, 0) + normal(z, one("m") * y, 0) + bit(c, 0.5 * z) + bit(1, one("d") * z + one("e") * c);
        const logQy = normal(y, one("V"), one("s"));
        const logQz = normal(z, one("U") * Math.tanh(y), one("r"));
        total += mass * Math.exp(logQc) * value({ y, z, c, logP, logQy, logQz, logQc });
      }
    }
  return total;
}

const ELBO = "ELBO(p, q)";
const elbo = ({ logP, logQy, logQz, logQc }: Point): number => logP - logQy - logQz - logQc;
const DRAWN = "E[y, z, c ~ q(y, z, c | x)]";
const WEIGHTED = `${DRAWN}(log p(x, y, z, c) - (0.5 + mean(x)) * (log q(y | x) + 2 * log q(z | y, x)))`;
const weighted = ({ logP, logQy, logQz }: Point): number => logP - 1.5 * (logQy + 2 * logQz);
const EARLIER = `${DRAWN}(log p(x, y, z, c) - y * log q(z | y, x) - (z - c) * log q(c | z, x))`;
const earlier = ({ logP, y, z, c, logQz, logQc }: Point): number => logP - y * logQz - (z - c) * logQc;

const ROWS = 200;
const STEPS = 60;

describe("log q held fixed", () => {
  it.each([
    [ELBO, "y: stl, z: stl, c: enumerate", elbo],
    [ELBO, "y: reparam, z: stl, c: enumerate", elbo],
    [ELBO, "y: stl, z: reparam, c: enumerate", elbo],
    [ELBO, "y: stl, z: stl, c: score", elbo],
    [ELBO, "y: stl, z: stl, c: disarm", elbo],
    [WEIGHTED, "y: stl, z: stl", weighted],
    [EARLIER, "y: stl, z: stl", earlier],
    [EARLIER, "y: reparam, z: stl, c: rebar", earlier],
  ] as const)("%s by %s", async (objective, by, value) => {
    const { model } = loadModel(MODEL(objective, by));
    const data = { x: Array.from({ length: ROWS }, () => 1) };
    const { gradients, value: found } = await gradientsOf(model, { weights: at, data, rows: ROWS, steps: STEPS, burnIn: 5, seed: 7 });
    expect(Math.abs(found.mean[0]! - average(at, value))).toBeLessThan(5 * found.standardError[0]! + 1e-4);
    for (const [name, values] of Object.entries(differences((w) => average(w, value), at))) {
      const { mean, standardError } = gradients[name]!;
      expect(Math.abs(mean[0]! - values[0]!), name).toBeLessThan(5 * standardError[0]! + 1e-4);
    }
  });
});

describe("log q is not held fixed where its score counts", () => {
  const codes = (objective: string, by: string): string[] =>
    compile({ path: "test.gm", text: MODEL(objective, by) })
      .diagnostics.filter((d) => d.severity === "error")
      .map((d) => d.code);
  const FAMILY = "E[y[1..3], z[1..3] ~ q(y, z | x)]";

  it.each([
    ["times the draw", `${DRAWN}(log p(x, y, z, c) - z * log q(z | y, x))`, "y: stl, z: stl"],
    ["over the draw", `${DRAWN}(log p(x, y, z, c) - log q(z | y, x) / (1 + z^2))`, "y: stl, z: stl"],
    ["times the draw, inside a sum", `${DRAWN}(log p(x, y, z, c) - z * (log p(x, y, z, c) + log q(z | y, x)))`, "y: stl, z: stl"],
    ["times a later draw", `${DRAWN}(log p(x, y, z, c) - log q(z | y, x) - z * log q(y | x))`, "y: stl, z: stl"],
    ["times a later draw that is summed over", `${DRAWN}(log p(x, y, z, c) - c * log q(z | y, x))`, "y: stl, z: stl, c: enumerate"],
    ["times a value of the draw", `${DRAWN}(log p(x, y, z, c) * log q(z | y, x))`, "y: stl, z: stl"],
    ["at another value", `${DRAWN}(log p(x, y, z, c) - log q(z = z + 1 | y, x))`, "y: stl, z: stl"],
    ["given another value", `${DRAWN}(log p(x, y, z, c) - log q(z | x, y = 2 * y))`, "y: stl, z: stl"],
    ["in the log of a sum", `${DRAWN}(log(exp(log p(x, y, z, c)) + exp(log q(z | y, x))))`, "y: stl, z: stl"],
    ["in a weight at another value", `${FAMILY}(logmeanexp[i in 1..3](log p(x, y[i], z[i]) - log q(y = y[i], z = z[i] + 1 | x)))`, "dreg"],
    [
      "in another bound",
      `${FAMILY}(logmeanexp[i in 1..3](log p(x, y[i], z[i]) - log q(y[i], z[i] | x)) + logmeanexp[i in 1..3](-log q(y[i], z[i] | x)))`,
      "dreg",
    ],
  ])("%s", (_, objective, by) => {
    expect(codes(objective, by)).toEqual(["GM3805"]);
    expect(codes(objective, by.replace(/stl|dreg/gu, "reparam"))).toEqual([]);
  });

  it.each(["dreg", "vimco"])("no bound by %s where a weight reads another sample than its own", (by) => {
    const objective = `${FAMILY}(logmeanexp[i in 1..3](log p(x, y[i], z[1]) - log q(y[i], z[i] | x)))`;
    expect(codes(objective, by)).toContain("GM3504");
    expect(codes(objective, "reparam")).toEqual([]);
  });
});
