/**
 * Logs that are lost where their argument comes near 0 or overflows, against closed forms: values and gradients in float64 (handed out in float32) up to |x| = 900, and in
 * float32 (the onnx engine) up to 100.
 */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/runtime/engines/engine.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import * as g from "../../src/runtime/graph/index.js";

const available = (await onnxEngine.probe()).available;
if (!available) console.log("log-forms: onnxruntime-node is not installed, float32 tests skipped");

interface Values {
  readonly y: ArrayLike<number>;
  readonly d: ArrayLike<number>;
}

/** log of the form and its derivative. */
async function logOf(engine: Engine, form: (x: g.Tensor) => g.Tensor, xs: readonly number[]): Promise<Values> {
  const graph = g.stage({ x: { shape: [xs.length] } }, ({ x }) => {
    const y = g.log(form(x));
    return { y, d: g.grad(g.sum(y), [x])[0]! };
  });
  const session = await engine.open({ threads: 1 });
  try {
    const executable = await session.compile({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y", "d"] });
    const out = await executable.run({ x: { dtype: "f32", shape: [xs.length], data: Float32Array.from(xs) } });
    return { y: out["y"]!.data, d: out["d"]!.data };
  } finally {
    session.dispose();
  }
}

function expectNear(got: ArrayLike<number>, want: readonly number[], tolerance: number): void {
  want.forEach((w, i) => expect(Math.abs(got[i]! - w), `${i}: ${got[i]} against ${w}`).toBeLessThan(tolerance * Math.max(1, Math.abs(w))));
}

/** log(1 + e^x) */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigma = (x: number): number => 1 / (1 + Math.exp(-x));
type Row = readonly [name: string, form: (x: g.Tensor) => g.Tensor, value: (x: number) => number, slope: (x: number) => number];
const forms: readonly Row[] = [
  ["1 + tanh(x)", (x) => g.add(1, g.tanh(x)), (x) => Math.LN2 - softplus(-2 * x), (x) => 2 * sigma(-2 * x)],
  ["tanh(x) + 1", (x) => g.add(g.tanh(x), 1), (x) => Math.LN2 - softplus(-2 * x), (x) => 2 * sigma(-2 * x)],
  ["1 - tanh(x)", (x) => g.sub(1, g.tanh(x)), (x) => Math.LN2 - softplus(2 * x), (x) => -2 * sigma(2 * x)],
  ["1 - -tanh(x)", (x) => g.sub(1, g.neg(g.tanh(x))), (x) => Math.LN2 - softplus(-2 * x), (x) => 2 * sigma(-2 * x)],
  ["(1 + tanh(x)) / 2", (x) => g.div(g.add(1, g.tanh(x)), 2), (x) => -softplus(-2 * x), (x) => 2 * sigma(-2 * x)],
  ["0.5 * (1 - tanh(x))", (x) => g.mul(0.5, g.sub(1, g.tanh(x))), (x) => -softplus(2 * x), (x) => -2 * sigma(2 * x)],
  ["0.5 + 0.5 * tanh(x)", (x) => g.add(0.5, g.mul(0.5, g.tanh(x))), (x) => -softplus(-2 * x), (x) => 2 * sigma(-2 * x)],
  ["1 - (1 + tanh(x)) / 2", (x) => g.sub(1, g.div(g.add(1, g.tanh(x)), 2)), (x) => -softplus(2 * x), (x) => -2 * sigma(2 * x)],
  [
    "1 - tanh(x) * tanh(x)",
    (x) => g.sub(1, g.square(g.tanh(x))),
    (x) => 2 * Math.LN2 - softplus(2 * x) - softplus(-2 * x),
    (x) => -2 * Math.tanh(x),
  ],
  [
    "1 - tanh(x)^2",
    (x) => g.sub(1, g.pow(g.tanh(x), 2)),
    (x) => 2 * Math.LN2 - softplus(2 * x) - softplus(-2 * x),
    (x) => -2 * Math.tanh(x),
  ],
  [
    "(1 - tanh(x)) * (1 + tanh(x))",
    (x) => g.mul(g.sub(1, g.tanh(x)), g.add(1, g.tanh(x))),
    (x) => 2 * Math.LN2 - softplus(2 * x) - softplus(-2 * x),
    (x) => -2 * Math.tanh(x),
  ],
  [
    "1 - sigmoid(x)^2",
    (x) => g.sub(1, g.square(g.sigmoid(x))),
    (x) => Math.log1p(sigma(x)) - softplus(x),
    (x) => (sigma(x) * sigma(-x)) / (1 + sigma(x)) - sigma(x),
  ],
  [
    "(1 - sigmoid(x)) * sigmoid(x)",
    (x) => g.mul(g.sub(1, g.sigmoid(x)), g.sigmoid(x)),
    (x) => -softplus(x) - softplus(-x),
    (x) => 1 - 2 * sigma(x),
  ],
  ["exp(x) + exp(-x)", (x) => g.add(g.exp(x), g.exp(g.neg(x))), (x) => Math.abs(x) + Math.log1p(Math.exp(-2 * Math.abs(x))), Math.tanh],
  [
    "(exp(x) + exp(-x)) / 2",
    (x) => g.div(g.add(g.exp(x), g.exp(g.neg(x))), 2),
    (x) => Math.abs(x) + Math.log1p(Math.exp(-2 * Math.abs(x))) - Math.LN2,
    Math.tanh,
  ],
  ["1 - exp(-softplus(x))", (x) => g.sub(1, g.exp(g.neg(g.softplus(x)))), (x) => -softplus(-x), (x) => sigma(-x)],
];

const points = [-900, -100, -20, -1, -0.25, 0, 0.5, 3, 100, 900];

describe.each([
  ["float64", referenceEngine, points, 2e-7, true],
  ["float32", onnxEngine, points.filter((x) => Math.abs(x) <= 100), 2e-6, available],
] as const)("in %s", (_, engine, xs, tolerance, here) => {
  it.skipIf(!here).each(forms)("log(%s)", async (_name, form, value, slope) => {
    const { y, d } = await logOf(engine, form, xs);
    expectNear(y, xs.map(value), tolerance);
    expectNear(d, xs.map(slope), tolerance);
  });
  it.skipIf(!here)("log(exp(x) - 1), the inverse of softplus", async () => {
    const above = [0.0625, 0.5, 30, 100];
    const { y, d } = await logOf(engine, (x) => g.sub(g.exp(x), 1), above);
    expectNear(
      y,
      above.map((x) => x + Math.log(-Math.expm1(-x))),
      tolerance,
    );
    expectNear(
      d,
      above.map((x) => -1 / Math.expm1(-x)),
      tolerance,
    );
  });
});
