/** Minibatch discrimination against loops over rows, in each sample of a family by itself; where it may stand. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import { minibatchDiscrimination } from "../../src/runtime/index.js";

const spread = (n: number, seed: number): Float64Array => Float64Array.from({ length: n }, (_, i) => Math.sin(1.7 * (i + 1) * seed + seed));

/** Salimans et al. 2016, section 3.2, as written: rows [B][F], T [F][K][C]. */
function byHand(rows: readonly (readonly number[])[], t: Float64Array, kernels: number, dims: number): readonly number[] {
  const m = rows.map((x) =>
    Array.from({ length: kernels }, (_, b) =>
      Array.from({ length: dims }, (_, c) => x.reduce((total, v, f) => total + v * (t[(f * kernels + b) * dims + c] ?? NaN), 0)),
    ),
  );
  return rows.flatMap((x, i) => [
    ...x,
    ...Array.from({ length: kernels }, (_, b) =>
      rows.reduce((total, _, j) => {
        const distance = (m[i]?.[b] ?? []).reduce((sum, v, c) => sum + Math.abs(v - (m[j]?.[b]?.[c] ?? NaN)), 0);
        return total + Math.exp(-distance);
      }, 0),
    ),
  ]);
}

describe("minibatch discrimination", () => {
  it.each([
    { samples: 1, batch: 7, features: 5, kernels: 3, dims: 2 },
    { samples: 3, batch: 4, features: 2, kernels: 1, dims: 5 },
    { samples: 1, batch: 100, features: 32, kernels: 20, dims: 5 },
  ])("$samples x $batch rows of $features", ({ samples, batch, features, kernels, dims }) => {
    const x = spread(samples * batch * features, 0.3);
    const kernel = spread(features * kernels * dims, 0.7).map((v) => v / 4);
    const lead = samples === 1 ? [batch] : [samples, batch];
    const out = compute(({ x: t, kernel: k }) => minibatchDiscrimination({ kernel: k! }, t!), {
      x: { shape: [...lead, features], data: x },
      kernel: { shape: [features, kernels, dims], data: kernel },
    });
    expect(out.shape).toEqual([...lead, features + kernels]);
    const expected = Array.from({ length: samples }, (_, s) =>
      byHand(
        Array.from({ length: batch }, (_, i) => [...x.slice((s * batch + i) * features, (s * batch + i + 1) * features)]),
        kernel,
        kernels,
        dims,
      ),
    ).flat();
    expect(out.data.length).toBe(expected.length);
    expected.forEach((v, i) => expect(out.data[i]).toBeCloseTo(v, 10));
  });

  it("of one row there is nothing to compare", () => {
    const kernel = { shape: [2, 1, 1], data: Float64Array.of(1, 1) };
    const run = (rows: number): unknown =>
      compute(({ x, k }) => minibatchDiscrimination({ kernel: k! }, x!), {
        x: { shape: [rows, 2], data: new Float64Array(2 * rows) },
        k: kernel,
      });
    expect(() => run(1)).toThrow(/and a batch has 1/u);
    expect(() => run(2)).not.toThrow();
  });

  it("rows that are alike are nearer than rows that are not", () => {
    const kernel = { shape: [2, 1, 1], data: Float64Array.of(1, 1) };
    const near = (rows: readonly number[]): number =>
      compute(({ x, k }) => minibatchDiscrimination({ kernel: k! }, x!), { x: { shape: [2, 2], data: Float64Array.from(rows) }, k: kernel })
        .data[2] ?? NaN;
    expect(near([1, 0, 1, 0])).toBeCloseTo(2, 12);
    expect(near([1, 0, 9, 9])).toBeLessThan(1.001);
  });

  it("needs rows", () => {
    expect(() =>
      compute(({ x, k }) => minibatchDiscrimination({ kernel: k! }, x!), {
        x: { shape: [2], data: Float64Array.of(1, 2) },
        k: { shape: [2, 1, 1], data: Float64Array.of(1, 1) },
      }),
    ).toThrow(/compares the rows of a batch/u);
  });

  const codes = (body: string): readonly string[] =>
    compile({ path: "t.gm", text: `model M {\n  data x : real[3]\n  latent z : real[2]\n${body}\n}` })
      .diagnostics.filter((d) => d.severity === "error")
      .map((d) => d.code);
  const layer = "minibatch_discrimination(2, 2)";

  it("stands in an objective, through nets", () => {
    expect(codes(`net D(x) = x |> ${layer} |> dense(1) |> sum\nnet E(x) = D(x)\ntrain { maximize E(x) }`)).toEqual([]);
  });

  it.each([
    ["the parameters of a density", `density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z |> ${layer} |> dense(3), 1) }`],
    ["a net of a net", `net e(x) = x |> ${layer} |> dense(2)\nnet f(x) = e(x)\ndensity q(z | x) { z ~ Normal(f(x), 1) }`],
    ["an energy", `net e(x) = x |> ${layer} |> dense(1) |> sum\ndensity p(x) { energy e(x) ^ 2 + sum(x ^ 2) }`],
    ["the net of a flow", `flow f on real[3] = coupling(dense(4) |> ${layer} |> dense(4))\ndensity p(x) { u ~ Normal(0, 1)  x = f(u) }`],
  ])("does not stand in %s", (_, body) => {
    expect(codes(`${body}\ntrain { maximize sum(x |> mean) }`)).toContain("GM3754");
  });
});
