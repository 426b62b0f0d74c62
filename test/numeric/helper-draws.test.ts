/** Draws of an `E` that are no latents: helpers from distributions and renamed families, against closed forms. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { loadModel, runModel } from "../support/model.js";

const x = { shape: [4, 2], data: [1, 2, -1, 0.5, 3, 3, 0, -2] };
const rowsOf = (values: readonly number[]): readonly (readonly number[])[] => [0, 1, 2, 3].map((i) => values.slice(2 * i, 2 * i + 2));

function values(objective: string, seed = 1): readonly number[] {
  const loaded = loadModel(`
model Helpers {
  data x : real[2]
  latent z : real[2]
  param w : real[2]
  density q(z | x) { z ~ Normal(x, 1e-9) }
  objective o = ${objective} + 0 * sum(w)
  train { maximize o }
}`);
  const update = loaded.model.train[0]?.updates[0];
  const { value } = runModel(
    loaded,
    ({ w, x: data, key, rows }) => ({ value: update!.value({ w: w as never, data, key, rows, schedule: {}, carried: {} }) }),
    { data: { x }, state: { w: [0.5, -2] }, seed },
  );
  return value!;
}

describe("helpers", () => {
  it("are drawn anew for each row and each seed", () => {
    const drawn = values("E[u ~ Uniform(0, 1)](u + 0 * sum(x))");
    expect(drawn.every((u) => u > 0 && u < 1)).toBe(true);
    expect(new Set(drawn).size).toBe(4);
    expect(values("E[u ~ Uniform(0, 1)](u + 0 * sum(x))", 2)).not.toEqual(drawn);
  });

  it("are one number, or one for each entry where their parameters have its shape", () => {
    // max - min of what one number adds to both entries is that of x
    const spread = (u: string): readonly number[] => values(`E[u ~ ${u}](max(x + u) - min(x + u))`);
    rowsOf(x.data).forEach(([a = 0, b = 0], i) => expect(spread("Uniform(0, 1)")[i]).toBeCloseTo(Math.abs(a - b), 9));
    rowsOf(x.data).forEach(([a = 0, b = 0], i) => expect(spread("Uniform(0 * x, 1)")[i]).not.toBeCloseTo(Math.abs(a - b), 9));
  });

  it.each([
    ["sum", (v: readonly number[]) => 3 * v.reduce((s, a) => s + a * a, 0)],
    ["mean", (v: readonly number[]) => v.reduce((s, a) => s + a * a, 0)],
    ["max", (v: readonly number[]) => v.reduce((s, a) => s + a * a, 0)],
    ["logsumexp", (v: readonly number[]) => Math.log(3) + v.reduce((s, a) => s + a * a, 0)],
  ])("form families that %s goes over", (op, closed) => {
    for (const source of ["u[1..3] ~ Normal(x, 1e-9)", "u[1..3] ~ q(z | x)"]) {
      const found = values(`E[${source}](${op}[i in 1..3](sum(u[i]^2)))`);
      rowsOf(x.data).forEach((row, i) => expect(found[i]).toBeCloseTo(closed(row), 6));
    }
  });
});

describe("gradients through helpers", () => {
  const codes = (draw: string): readonly string[] =>
    compile({
      path: "test.gm",
      text: `
model Helpers {
  data x : real[2]
  latent z : real[2], n : count[2]
  param w : real[2]
  density q(z | x) { z ~ Normal(x * w, 1) }
  density r(n | z) { n ~ Poisson(exp(z)) }
  objective o = E[${draw}](sum(u * w))
  train { maximize o }
}`,
    }).diagnostics.flatMap((d) => (d.code === "GM3858" ? [] : [d.code]));

  it.each([
    "u ~ Normal(w, exp(w))",
    "u ~ Poisson(exp(x))",
    "z ~ q(z | x), u ~ Normal(z, 1)",
    "z ~ q(z | x), u ~ Poisson(exp(stop(z)))",
    "v ~ q(z | x), u ~ Gamma(exp(v), 1)",
    "z ~ q(z | x), u ~ r(n | z)",
    "v ~ q(z | x), u ~ r(n | z = v)",
  ])("%s has one", (draw) => expect(codes(draw)).toEqual([]));
  it.each(["u ~ Poisson(exp(w))", "z ~ q(z | x), u ~ Poisson(exp(z))"])("%s has none", (draw) => expect(codes(draw)).toEqual(["GM3503"]));
});
