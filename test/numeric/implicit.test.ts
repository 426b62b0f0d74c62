/** Implicit gradients of gamma draws and of what is made of them, against the distribution function integrated in plain arithmetic. */
import { describe, expect, it, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { Rows, Tensor } from "../../src/runtime/index.js";

const rows = (size: number): Rows => ({ kind: "rows", size });
const rng = [12345, 678, 9, 0];

/** log Gamma by Stirling's series, shifted up. */
function logGamma(x: number): number {
  let shift = 0;
  for (; x < 12; x++) shift -= Math.log(x);
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5);
}

/** F(z; a) of Gamma(a, 1) by its power series, in z^a e^-z / Gamma(a + 1) * sum z^n / (a + 1)…(a + n). */
function distribution(z: number, a: number): number {
  let [term, sum] = [1, 1];
  for (let n = 1; n < 2000 && term > 1e-18 * sum; n++) sum += term *= z / (a + n);
  return Math.exp(a * Math.log(z) - z - logGamma(a + 1)) * sum;
}

/** dz/da where F(z; a) stays. */
function slope(z: number, a: number): number {
  const h = 1e-4 * a;
  const density = Math.exp((a - 1) * Math.log(z) - z - logGamma(a));
  return -(distribution(z, a + h) - distribution(z, a - h)) / (2 * h) / density;
}

describe("gamma draws", () => {
  it.each([0.1, 0.5, 0.99, 1, 1.5, 3, 10, 40])("follow the concentration %s", (a) => {
    const n = 400;
    const { z, g } = compute(
      ({ a: at }) => {
        const each = gmc.mul(at!, gmc.constant(Array<number>(n).fill(1)));
        const draw = gmc.gamma.sample(gmc.rootKey().at("x"), { concentration: each, rate: 1 }, [rows(n)]);
        return { z: draw, g: gmc.grad(gmc.sum(draw), [each])[0]! };
      },
      { a },
      { rng },
    );
    let checked = 0;
    z!.data.forEach((value, i) => {
      // in the outer tail the reference itself rounds
      const below = distribution(value, a);
      if (a >= 1 && below > 1e-6 && below < 1 - 1e-6) {
        checked++;
        const exact = slope(value, a);
        expect(Math.abs(g!.data[i]! - exact)).toBeLessThan(2e-4 * Math.max(Math.abs(exact), 0.01));
      }
    });
    if (a >= 1) expect(checked).toBeGreaterThan(n * 0.9);
    // the mean of the gradient is that of the mean, which is a
    const slopes = [...g!.data];
    const mean = slopes.reduce((s, v) => s + v, 0) / n;
    const error = Math.sqrt(slopes.reduce((s, v) => s + (v - mean) ** 2, 0)) / n;
    expect(Math.abs(mean - 1)).toBeLessThan(4 * error + 1e-3);
  });
});

describe("gradients of expectations", () => {
  const N = 4000;
  type Params = Readonly<Record<string, Tensor>>;
  /** Mean over draws of the gradient, and its standard error, by parameter. */
  function gradients(
    params: Readonly<Record<string, number>>,
    f: (p: Params) => Tensor,
  ): Readonly<Record<string, readonly [number, number]>> {
    const names = Object.keys(params);
    const out = compute(
      (inputs) => {
        const p = Object.fromEntries(names.map((n) => [n, gmc.mul(inputs[n]!, gmc.constant(Array<number>(N).fill(1)))]));
        const made = gmc.grad(
          gmc.sum(f(p)),
          names.map((n) => p[n]!),
        );
        return Object.fromEntries(names.map((n, i) => [n, made[i]!]));
      },
      params,
      { rng },
    );
    return Object.fromEntries(
      names.map((n) => {
        const data = [...out[n]!.data];
        const mean = data.reduce((s, v) => s + v, 0) / N;
        return [n, [mean, Math.sqrt(data.reduce((s, v) => s + (v - mean) ** 2, 0)) / N] as const];
      }),
    );
  }
  const close = ([mean, error]: readonly [number, number], exact: number): void =>
    expect(Math.abs(mean - exact)).toBeLessThan(4 * error + 1e-3);
  const key = (): gmc.Key => gmc.rootKey().at("x");

  test("Beta: of the mean a / (a + b)", () => {
    const g = gradients({ alpha: 2, beta: 0.7 }, (p) => gmc.beta.sample(key(), { alpha: p["alpha"]!, beta: p["beta"]! }, [rows(N)]));
    close(g["alpha"]!, 0.7 / 2.7 ** 2);
    close(g["beta"]!, -2 / 2.7 ** 2);
  });

  test("Dirichlet: of the mean of its first entry", () => {
    const g = gradients({ a: 1.5, b: 0.6, c: 2 }, (p) => {
      const concentration = gmc.stack([p["a"]!, p["b"]!, p["c"]!], -1);
      return gmc.sliceAxis(gmc.dirichlet.sample(key(), { concentration }, [rows(N), 3]), -1, 0, 1);
    });
    close(g["a"]!, 2.6 / 4.1 ** 2);
    close(g["b"]!, -1.5 / 4.1 ** 2);
    close(g["c"]!, -1.5 / 4.1 ** 2);
  });

  test("StudentT: of the second moment loc^2 + scale^2 v / (v - 2)", () => {
    const g = gradients({ df: 12, loc: 0.5, scale: 0.8 }, (p) =>
      gmc.square(gmc.studentT.sample(key(), { df: p["df"]!, loc: p["loc"]!, scale: p["scale"]! }, [rows(N)])),
    );
    close(g["df"]!, (-2 * 0.64) / 100);
    close(g["loc"]!, 1);
    close(g["scale"]!, (2 * 0.8 * 12) / 10);
  });

  test.each([
    ["Normal", gmc.normal, (s: number) => [s ** 2, 2 * s] as const],
    ["Logistic", gmc.logistic, (s: number) => [(s * Math.PI) ** 2 / 3, (2 * s * Math.PI ** 2) / 3] as const],
    ["Laplace", gmc.laplace, (s: number) => [2 * s ** 2, 4 * s] as const],
  ] as const)("mixture of %s: of the second moment, in weights, places and widths", (name, component, varianceOf) => {
    const at = { w1: 0.4, w2: -0.3, w3: 0, m1: -1.5, m2: 0.2, m3: 1.1, s1: 0.5, s2: 0.8, s3: 0.3 };
    const mixed = gmc.mixture(`${name}Mixture`, component as typeof gmc.normal);
    expect(mixed.reparameterised).toBe(true);
    const g = gradients(at, (p) => {
      const [logits, loc, scale] = ["w", "m", "s"].map((n) => gmc.stack([p[`${n}1`]!, p[`${n}2`]!, p[`${n}3`]!], -1));
      return gmc.square(mixed.sample(key(), { logits: logits!, loc: loc!, scale: scale! }, [rows(N)]));
    });
    const weights = [at.w1, at.w2, at.w3].map((l, _, all) => Math.exp(l) / all.reduce((s, v) => s + Math.exp(v), 0));
    const places = [at.m1, at.m2, at.m3];
    const widths = [at.s1, at.s2, at.s3].map(varianceOf);
    const moments = places.map((m, k) => m ** 2 + widths[k]![0]);
    const moment = moments.reduce((s, v, k) => s + weights[k]! * v, 0);
    for (const k of [0, 1, 2]) {
      close(g[`w${k + 1}`]!, weights[k]! * (moments[k]! - moment));
      close(g[`m${k + 1}`]!, 2 * weights[k]! * places[k]!);
      close(g[`s${k + 1}`]!, weights[k]! * widths[k]![1]);
    }
  });

  test("Gamma in float32 stays finite for small and large concentrations", () => {
    for (const a of [1e-3, 0.02, 300, 5000]) {
      const out = compute(
        ({ a: at }) =>
          gmc.grad(
            gmc.sum(gmc.gamma.sample(key(), { concentration: gmc.mul(at!, gmc.constant([1, 1, 1, 1, 1, 1, 1, 1])), rate: 1 }, [rows(8)])),
            [at!],
          )[0]!,
        { a },
        { rng },
      );
      expect(Number.isFinite(out.data[0])).toBe(true);
    }
  });
});
