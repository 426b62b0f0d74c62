/**
 * Functions of one number over the numbers that models meet, -85 to 87 and down to 1e-30, each entry held to the reference by itself: a small scale or
 * probability keeps its digits, which the size of a whole tensor would hide.
 */
import * as g from "../../src/runtime/graph/index.js";
import { type Scenario, tensor } from "./compare.js";

const small = Array.from({ length: 30 }, (_, i) => 1.234 * 10 ** (-30 + i));
const points = [...small, ...small.map((v) => -v), ...Array.from({ length: 466 }, (_, i) => -85 + 0.37 * i), 0, 100, -100, 1000, -1000].map(
  Math.fround,
);

/** Below it digits hang on whether another library of the process has denormal numbers, which intermediate results may be, flushed to zero. */
const LEAST = 1e-31;

interface Function1 {
  readonly fn: (x: g.Tensor) => g.Tensor;
  readonly above?: number;
  /** Smaller values are held to it: near a zero of the function away from 0, a float32 has no digits left. */
  readonly least?: number;
}

const functions: Readonly<Record<string, Function1>> = {
  exp: { fn: g.exp },
  expm1: { fn: g.expm1 },
  log: { fn: g.log, above: 0 },
  log1p: { fn: g.log1p, above: -1 },
  sqrt: { fn: g.sqrt, above: 0 },
  sin: { fn: g.sin, least: 0.02 },
  cos: { fn: g.cos, least: 0.02 },
  tanh: { fn: g.tanh },
  sigmoid: { fn: g.sigmoid },
  softplus: { fn: g.softplus },
  "log sigmoid": { fn: g.logSigmoid },
  "slope of softplus": { fn: (x) => g.grad(g.sum(g.softplus(x)), [x])[0]! },
  "x sigmoid(x)": { fn: (x) => g.mul(x, g.sigmoid(x)) },
  erf: { fn: g.erf },
  lgamma: { fn: g.lgamma, above: 0, least: 0.02 },
  digamma: { fn: g.digamma, above: 0, least: 0.02 },
  trigamma: { fn: (x) => g.polygamma(1, x), above: 1e-15 },
  "x^2.5": { fn: (x) => g.pow(x, 2.5), above: 1e-12 },
  "x^-1.3": { fn: (x) => g.pow(x, -1.3), above: 1e-20 },
  "2^x": { fn: (x) => g.pow(2, x) },
  "1 / x": { fn: (x) => g.div(1, x) },
};

export const elementwiseScenarios: Readonly<Record<string, () => Scenario>> = Object.fromEntries(
  Object.entries(functions).map(([name, { fn, above = -Infinity, least = LEAST }]) => [
    name,
    (): Scenario => {
      const x = points.filter((v) => v > above);
      const graph = g.optimize(g.stage({ x: { shape: [x.length] } }, (all) => ({ y: fn(all["x"]!) })));
      return {
        programs: [{ name, stages: [{ kind: "call", name, graph }], fetch: ["y"] }],
        runs: [{ program: name, feeds: { x: tensor([x.length], x) } }],
        tolerance: 2e-5,
        norm: "each entry",
        least,
      };
    },
  ]),
);
