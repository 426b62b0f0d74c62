/** The value that defines a variable against the variable's domain: warned of where the model, with its weights as they start, gives samples outside of it. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";

const warned = (domain: string, last: string): boolean =>
  compile({
    path: "model.gm",
    text: `model M {
  data x : ${domain}[4]
  latent z : real[2]
  net G(z) = ${last.replace("raw", "(z |> dense(8) |> relu |> dense(4))")}
  net C(x) = ${domain.startsWith("category") ? "x |> onehot |> flatten" : "x"} |> dense(1) |> sum
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train { maximize GAN(p, C) over C  minimize GAN(p, C) over G  batch = 4 }
}`,
  }).diagnostics.some((d) => d.code === "GM3013");

/** Ends of what a function of any number gives. */
const ends: Readonly<Record<string, (r: number) => number>> = {
  raw: (r) => r,
  "sigmoid(raw)": (r) => 1 / (1 + Math.exp(-r)),
  "tanh(raw)": Math.tanh,
  "(tanh(raw) + 1) / 2": (r) => (Math.tanh(r) + 1) / 2,
  "softplus(raw)": (r) => Math.log1p(Math.exp(r)),
  "exp(-raw)": (r) => Math.exp(-r),
  "relu(raw)": (r) => Math.max(0, r),
  "255 * sigmoid(raw)": (r) => 255 / (1 + Math.exp(-r)),
  "2 * sigmoid(raw)": (r) => 2 / (1 + Math.exp(-r)),
};
const domains: Readonly<Record<string, readonly [number, number]>> = {
  real: [-Infinity, Infinity],
  positive: [0, Infinity],
  unit: [0, 1],
  binary: [0, 1],
  count: [0, Infinity],
  byte: [0, 255],
};

describe("a variable that is defined by a net", () => {
  const cases = Object.keys(domains).flatMap((d) => Object.keys(ends).map((f) => [d, f] as const));
  it.each(cases)("%s = %s", (domain, f) => {
    const [low, high] = domains[domain] ?? [0, 0];
    const values = [-600, 0, 600].map((r) => ends[f]?.(r) ?? NaN);
    expect(warned(domain, f)).toBe(values.some((v) => v < low || v > high));
  });

  it("simplex, category", () => {
    expect([warned("simplex", "raw"), warned("simplex", "softmax(raw)"), warned("category[3]", "raw")]).toEqual([true, false, true]);
  });
});
