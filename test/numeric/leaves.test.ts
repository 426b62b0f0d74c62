/**
 * Derivatives in a value that is itself computed: of a log that has another form for what the value is made of, as log(exp(u)) = u, they are to see the
 * value all the same.
 */
import { describe, expect, it } from "vitest";
import * as gmc from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";

const X = [0.5, -1.5];

describe("a gradient in a computed value", () => {
  it.each([
    ["exp(x)", "log(y)^2", (x: number) => (2 * x) / Math.exp(x)],
    ["sigmoid(x)", "log(y) - log(1 - y)", (x: number) => 2 + Math.exp(x) + Math.exp(-x)],
    ["sqrt(exp(x))", "log(y)", (x: number) => Math.exp(-x / 2)],
  ] as const)("grad[y = %s](%s)", (value, of, slope) => {
    const loaded = loadModel(`
model M {
  data x : real[2]
  param w : real
  objective slopes = E[x ~ data](w + sum(grad[y = ${value}](sum(${of}))))
  train { maximize slopes }
}`);
    const update = loaded.model.train[0]!.updates[0]!;
    const { found } = runModel(
      loaded,
      ({ w, x, key, rows }) => ({ found: update.value({ w, data: x, key, rows, schedule: {}, carried: {} } as never) }),
      { data: { x: { shape: [1, 2], data: X } }, state: { w: [0] } },
    );
    expect(found![0]).toBeCloseTo(
      X.reduce((sum, x) => sum + slope(x), 0),
      8,
    );
  });
});

describe("the doubly reparameterised gradient", () => {
  /** The same model twice: with a latent exp(u), and with u, whose draws have one site. */
  const gradients = (domain: string, dist: string, log: string): Readonly<Record<string, readonly number[]>> => {
    const loaded = loadModel(`
model M {
  data x : real[2]
  latent z : ${domain}[2]
  param m : real[2], s : real[2]
  density p(x, z) { z ~ ${dist}(0.1, 1)  x ~ Normal(${log}, 1) }
  density q(z | x) { z ~ ${dist}(m, exp(s)) }
  train { maximize IWAE(p, q, k = 5) over m, s by dreg }
}`);
    const update = loaded.model.train[0]!.updates[0]!;
    return runModel(
      loaded,
      ({ w, x, key, rows }) => {
        const bound = update.value({ w, data: x, key, rows, schedule: {}, carried: {} } as never);
        const { m, s } = w as Readonly<Record<"m" | "s", gmc.Tensor>>;
        const [dm, ds] = gmc.grad(gmc.sum(bound), [m, s]);
        return { dm: dm!, ds: ds! };
      },
      { data: { x: { shape: [1, 2], data: X } }, state: { m: [0.4, 0.2], s: [-0.2, -0.5] } },
    );
  };

  it("of a log-normal latent is that of its logarithm", () => {
    const logNormal = gradients("positive", "LogNormal", "log(z)");
    const normal = gradients("real", "Normal", "z");
    for (const name of ["dm", "ds"])
      normal[name]!.forEach((v, i) => {
        expect(Math.abs(v)).toBeGreaterThan(1e-3);
        expect(logNormal[name]![i]).toBeCloseTo(v, 8);
      });
  });
});
