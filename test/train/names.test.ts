/** Names that a program is fed by are those of no variable: a model may call its variables as it likes. */
import { describe, expect, it } from "vitest";
import { train } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { loadModel } from "../support/model.js";

/** A conditional model whose variables, latents, parameters and metrics are called `a` to `g`. */
const text = (a: string, b: string, c: string, d: string, e: string): string => `
model Names {
  data ${a} : real[3], ${b} : binary[2], ${c} : category[3]
  latent ${d} : real[2]
  param ${e} : real[3] = 0
  net decoder(v, u) = concat(v, onehot(u)) |> dense(3)
  net encoder(v, u) {
    h = concat(v, u)
    return (loc = h |> dense(2), scale = exp(h |> dense(2)))
  }
  net bits(v) = v |> dense(2)
  density p(${a}, ${b}, ${d} | ${c}) {
    ${d} ~ Normal(0, 1)
    ${a} ~ Normal(${e} + decoder(${d}, ${c}), 1)
    ${b} ~ Bernoulli(logits = bits(${d}))
  }
  density q(${d} | ${a}, ${b}) {
    h = encoder(${a}, ${b})
    ${d} ~ Normal(h.loc, h.scale)
  }
  train {
    maximize ELBO(p, q)
    optimizer = adam(lr = 1e-2), batch = 5, epochs = 1 }
  evaluate { nll = -IWAE(p, q, k = 3) }
}`;

const here = (await onnxEngine.probe()).available;
const rows = Array.from({ length: 10 }, (_, i) => i);
const real = rows.map((i) => [Math.sin(i), Math.cos(i), i / 10]);
// grey values: they are drawn in the step
const grey = rows.map((i) => [i / 10, 1 - i / 10]);
const classes = rows.map((i) => i % 3);

async function run(names: readonly [string, string, string, string, string], engine: typeof referenceEngine): Promise<unknown> {
  const [a, b, c] = names;
  const data = { [a]: real, [b]: grey, [c]: classes };
  const trained = await train(loadModel(text(...names)).model, { data, test: data, engine, seed: 2 });
  const { metrics } = await trained.evaluate();
  const [samples, shown, between] = [await trained.sample(3), await trained.reconstruct(4), await trained.interpolate(2, 3)];
  trained.close();
  return { nll: metrics["nll"]?.value, samples: samples.means[a], shown: shown.shown[a], between: between.shown[a] };
}

describe.each([
  ["reference", referenceEngine],
  ["onnx", onnxEngine],
] as const)("on %s", (name, engine) => {
  it
    .skipIf(name === "onnx" && !here)
    .each([
      [["rng", "iteration", "lr", "z", "w"]],
      [["fault", "x", "rng", "iteration", "metrics"]],
      [["param1", "ema", "run", "rng", "schedule"]],
    ] as const)("%j name variables as well as any", async (names) => {
    const plain = (await run(["x", "b", "c", "z", "m"], engine)) as { nll: number };
    const named = (await run(names, engine)) as { nll: number };
    expect(Number.isFinite(named.nll)).toBe(true);
    // the draws are addressed by the names, the weights too: like numbers, not the same
    expect(Math.abs(named.nll - plain.nll)).toBeLessThan(3);
  });
});
