/** KLs between normals with full and with diagonal covariance, as an objective takes them: against the formula over dense inverses and determinants. */
import { describe, expect, it } from "vitest";
import { loadModel, runModel } from "../support/model.js";
import { diagonal, inverted, type Matrix, multiply, quadratic, transposed } from "../support/matrices.js";

const [B, D] = [2, 3];
const x = [0.3, -1.2, 0.8, 0.1, 1.4, -0.5];
const rows = [x.slice(0, D), x.slice(D)];
const state = { L: [0.8, 9, 9, 0.3, 1.1, 9, -0.4, 0.2, 0.6], P: [1.5, 9, 9, -0.6, 0.9, 9, 0.5, 0.1, 1.2], m: [0.2, -0.7, 0.4], k: [0.5] };

/** `cholesky_factor`: softplus on the diagonal, zeros above it. */
const factor = (flat: readonly number[]): Matrix =>
  rows[0]!.map((_, i) => rows[0]!.map((_, j) => (j > i ? 0 : i === j ? Math.log1p(Math.exp(flat[i * D + i]!)) : flat[i * D + j]!)));
const covariance = (flat: readonly number[]): Matrix => multiply(factor(flat), transposed(factor(flat)));
const [C, P] = [covariance(state.L), covariance(state.P)];

/** (tr(P^-1 C) + (m - k)^T P^-1 (m - k) - D + log |P| / |C|) / 2 */
function kl(loc: readonly number[], q: Matrix, at: readonly number[], p: Matrix): number {
  const { inverse, logDet } = inverted(p);
  const trace = multiply(inverse, q).reduce((sum, row, i) => sum + row[i]!, 0);
  const shift = loc.map((l, i) => l - at[i]!);
  return (trace + quadratic(inverse, shift) - D + logDet - inverted(q).logDet) / 2;
}

/** What q and p of `z` leave of an objective that is minus their KL, by row. */
function objective(q: string, p: string, shape = "D"): { readonly estimators: readonly string[]; readonly value: readonly number[] } {
  const loaded = loadModel(`model M(D = ${D}) {
  data x : real[D]
  latent z : real[${shape}]
  param L : real[D, D] = 0
  param P : real[D, D] = 0
  param m : real[D] = 0
  param k : real = 0
  density p(x, z) {
    z ~ ${p}
    x ~ Normal(0, 1)
  }
  density q(z | x) { z ~ ${q} }
  objective V = E[z ~ q(z | x)](log p(z) - log q(z | x))
  train { maximize V   batch = ${B}, epochs = 1 }
}`);
  const [update] = loaded.compiled.derived!.phases[0]!.updates;
  const value = runModel(loaded, ({ f, w, x: data }) => ({ value: f("v")(w, data["x"]) }), {
    data: { x: { shape: [B, D], data: x } },
    state,
  });
  return { estimators: update!.derived.notes.map((n) => n.estimator), value: value["value"]! };
}

const full = "MultivariateNormal(m, scale_tril = cholesky_factor(L))";
const ofRow = "MultivariateNormal(x + m, scale_tril = cholesky_factor(P))";
const standard = [1, 1, 1];
const zero = [0, 0, 0];
const k = [0.5, 0.5, 0.5];
const sums = rows.map((row) => row.map((v, i) => v + state.m[i]!));

describe("in closed form", () => {
  it.each<[name: string, q: string, p: string, wanted: readonly number[]]>([
    ["full against Normal(0, 1)", full, "Normal(0, 1)", [kl(state.m, C, zero, diagonal(standard))]],
    ["full, of the row, against a Normal of numbers", ofRow, "Normal(k, 0.7)", sums.map((s) => kl(s, P, k, diagonal([0.49, 0.49, 0.49])))],
    ["full against full", ofRow, full, sums.map((s) => kl(s, P, state.m, C))],
    [
      "a Normal of the row against full",
      "Normal(x, exp(x))",
      full,
      rows.map((r) => kl(r, diagonal(r.map((v) => Math.exp(2 * v))), state.m, C)),
    ],
    ["a Normal of numbers against full", "Normal(0, 1)", full, [kl(zero, diagonal(standard), state.m, C)]],
    [
      "a Normal of one number a row against full",
      "Normal(mean(x), 1)",
      full,
      rows.map((r) =>
        kl(
          r.map(() => (r[0]! + r[1]! + r[2]!) / 3),
          diagonal(standard),
          state.m,
          C,
        ),
      ),
    ],
  ])("%s", (_, q, p, wanted) => {
    const { estimators, value } = objective(q, p);
    expect(estimators).toContain("closed-form KL");
    for (const [i, v] of [value[0]!, value.at(-1)!].entries()) expect(-v).toBeCloseTo(wanted[i % wanted.length]!, 9);
  });

  it("several vectors of one law count each", () => {
    const { value } = objective("MultivariateNormal(x, scale_tril = cholesky_factor(P))", full, "4, D");
    value.forEach((v, i) => expect(-v).toBeCloseTo(4 * kl(rows[i]!, P, state.m, C), 9));
  });
});
