/** Linear Gaussian models against their closed forms: the training of examples/ppca.gm, ppca_em.gm and factor_analysis.gm finds the optimum that is known. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { train } from "gmc/runtime";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import { inverted } from "../support/matrices.js";
import { loadModel } from "../support/model.js";

const [N, D, Z] = [300, 5, 2];

/** Rows of a linear Gaussian model whose noise differs by dimension; one without noise never changes. */
function draw(noise: readonly number[]): readonly number[][] {
  const random = hostStream(4, "linear");
  const W = Array.from({ length: Z }, () => Array.from({ length: D }, () => random.normal()));
  return Array.from({ length: N }, () => {
    const z = Array.from({ length: Z }, () => random.normal());
    return Array.from({ length: D }, (_, j) =>
      noise[j] === 0 ? 1 : 0.3 * j + noise[j]! * random.normal() + z.reduce((sum, v, i) => sum + v * W[i]![j]!, 0),
    );
  });
}

function covariance(rows: readonly number[][]): { mean: number[]; S: number[][] } {
  const mean = Array.from({ length: D }, (_, j) => rows.reduce((s, r) => s + r[j]!, 0) / rows.length);
  const S = mean.map((mi, i) => mean.map((mj, j) => rows.reduce((s, r) => s + (r[i]! - mi) * (r[j]! - mj), 0) / rows.length));
  return { mean, S };
}

/** Eigenvalues and vectors of a symmetric matrix, largest first, by cyclic Jacobi rotations. */
function eigen(matrix: readonly number[][]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 60; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (a[p]![q] === 0) continue;
        const angle = 0.5 * Math.atan2(2 * a[p]![q]!, a[p]![p]! - a[q]![q]!);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (const m of [a, v]) {
          for (const row of m) [row[p], row[q]] = [c * row[p]! + s * row[q]!, c * row[q]! - s * row[p]!];
        }
        const [rp, rq] = [[...a[p]!], [...a[q]!]];
        for (let j = 0; j < n; j++) [a[p]![j], a[q]![j]] = [c * rp[j]! + s * rq[j]!, c * rq[j]! - s * rp[j]!];
      }
    }
  }
  const order = a.map((row, i) => [row[i]!, i] as const).sort((x, y) => y[0] - x[0]);
  return { values: order.map(([value]) => value), vectors: order.map(([, i]) => v.map((row) => row[i]!)) };
}

/** Mean of -log N(x; mean, C) over rows whose covariance about that mean is S: (D log 2π + log |C| + tr(C⁻¹ S)) / 2. */
function gaussianNll(C: readonly number[][], S: readonly number[][]): number {
  const { values, vectors } = eigen(C);
  const trace = vectors.reduce(
    (sum, u, k) => sum + u.reduce((s, ui, i) => s + u.reduce((t, uj, j) => t + ui * uj * S[i]![j]!, 0), 0) / values[k]!,
    0,
  );
  return (D * Math.log(2 * Math.PI) + values.reduce((s, l) => s + Math.log(l), 0) + trace) / 2;
}

const source = (name: string): string => readFileSync(new URL(`../../examples/${name}.gm`, import.meta.url), "utf8");
const example = (name: string, steps = 3000) =>
  loadModel(source(name).replaceAll("3000", String(steps)), {
    set: { D, Z },
  }).model;

describe("on the reference engine", () => {
  it("probabilistic PCA comes to the principal subspace and the mean of the other variances (Tipping & Bishop 1999, eqs. 7 and 8)", async () => {
    const rows = draw(Array(D).fill(0.5));
    const { mean, S } = covariance(rows);
    const { values, vectors } = eigen(S);
    const noise = values.slice(Z).reduce((a, b) => a + b, 0) / (D - Z);
    const C = mean.map((_, i) =>
      mean.map((_, j) => (i === j ? noise : 0) + vectors.slice(0, Z).reduce((s, u, k) => s + u[i]! * u[j]! * (values[k]! - noise), 0)),
    );
    const trained = await train(example("ppca", 1000), {
      data: { x: rows },
      test: { x: rows },
      engine: referenceEngine,
      batch: N,
      seed: 1,
    });
    const { metrics } = await trained.evaluate();
    const weights = await trained.weights();
    const rebuilt = (await trained.reconstruct(4, { split: "test" })).shown["x"]!.data;
    const between = (await trained.interpolate(1, 3, { split: "test" })).shown["x"]!.data;
    trained.close();
    expect(metrics["nll"]?.value).toBeCloseTo(gaussianNll(C, S), 3);
    // softplus is how a positive parameter is stored
    const sigma = Math.log1p(Math.exp(weights["sigma"]?.data[0] ?? NaN));
    expect(sigma ** 2).toBeCloseTo(noise, 2);
    const W = weights["W"]?.data ?? [];
    for (let i = 0; i < D; i++) {
      expect(weights["mu"]?.data[i]).toBeCloseTo(mean[i]!, 2);
      for (let j = 0; j < D; j++) expect(W[i]! * W[j]! + W[D + i]! * W[D + j]! + (i === j ? noise : 0)).toBeCloseTo(C[i]![j]!, 1);
    }
    // E[z | x] W = (C - noise I) C^-1 (x - mean): what lies along the principal subspace, shrunk (Tipping & Bishop 1999, section 3.3)
    const { inverse } = inverted(C);
    const wanted = rows.slice(0, 4).map((row) => {
      const d = row.map((v, j) => v - mean[j]!);
      return row.map((v, i) => v - noise * inverse[i]!.reduce((s, c, j) => s + c * d[j]!, 0));
    });
    wanted.flat().forEach((v, i) => expect(rebuilt[i]).toBeCloseTo(v, 1));
    // a walk between two rows' latents starts and ends at their reconstructions, and the way back is linear
    for (let j = 0; j < D; j++) {
      expect(between[j]).toBeCloseTo(rebuilt[j]!, 6);
      expect(between[D + j]).toBeCloseTo((between[j]! + between[2 * D + j]!) / 2, 6);
    }
  });

  it("factor analysis comes to the fixed point of EM (Bishop 2006, eqs. 12.66 to 12.69), its noise within bounds", async () => {
    const rows = draw([0.2, 0.4, 0.6, 0.8, 0]);
    const { S } = covariance(rows);
    const trained = await train(example("factor_analysis", 1500), {
      data: { x: rows },
      test: { x: rows },
      engine: referenceEngine,
      batch: N,
      seed: 1,
    });
    const { metrics } = await trained.evaluate();
    const { sigma } = await trained.weights();
    trained.close();
    const noise = Array.from(sigma?.data ?? [], (s) => Math.log1p(Math.exp(s)));
    expect(Math.min(...noise)).toBeGreaterThanOrEqual(0.01 - 1e-6);
    // the last dimension never changes: without the bound its level would go on to 0
    expect(noise[4]).toBeCloseTo(0.01, 4);
    expect(metrics["nll"]?.value).toBeCloseTo(factorAnalysisNll(S, 0.01), 2);
  });

  it("probabilistic PCA by EM comes to the same closed form, to all digits of the weights", async () => {
    const rows = draw(Array(D).fill(0.5));
    const { mean, S } = covariance(rows);
    const { values, vectors } = eigen(S);
    const noise = values.slice(Z).reduce((a, b) => a + b, 0) / (D - Z);
    const C = mean.map((_, i) =>
      mean.map((_, j) => (i === j ? noise : 0) + vectors.slice(0, Z).reduce((s, u, k) => s + u[i]! * u[j]! * (values[k]! - noise), 0)),
    );
    const trained = await train(example("ppca_em"), { data: { x: rows }, test: { x: rows }, engine: referenceEngine, steps: 300, seed: 1 });
    const { metrics } = await trained.evaluate();
    const weights = await trained.weights();
    trained.close();
    expect(metrics["nll"]?.value).toBeCloseTo(gaussianNll(C, S), 6);
    expect(Math.log1p(Math.exp(weights["sigma"]?.data[0] ?? NaN)) ** 2).toBeCloseTo(noise, 5);
    const W = weights["W"]?.data ?? [];
    for (let i = 0; i < D; i++) {
      expect(weights["mu"]?.data[i]).toBeCloseTo(mean[i]!, 5);
      for (let j = 0; j < D; j++) expect(W[i]! * W[j]! + W[D + i]! * W[D + j]! + (i === j ? noise : 0)).toBeCloseTo(C[i]![j]!, 4);
    }
  });

  it("factor analysis by EM comes to the same fixed point", async () => {
    const rows = draw([0.2, 0.4, 0.6, 0.8, 0]);
    const text = source("factor_analysis")
      .replace("maximize log p(x)", "maximize log p(x) by em")
      .replace(/optimizer = .*/u, "epochs = 400");
    const trained = await train(loadModel(text, { set: { D, Z } }).model, {
      data: { x: rows },
      test: { x: rows },
      engine: referenceEngine,
      seed: 1,
    });
    const { metrics } = await trained.evaluate();
    trained.close();
    expect(metrics["nll"]?.value).toBeCloseTo(factorAnalysisNll(covariance(rows).S, 0.01), 4);
  });
});

/** EM from the principal subspace, the noise variances kept above floor². */
function factorAnalysisNll(S: readonly number[][], floor: number): number {
  const { values, vectors } = eigen(S);
  let W = vectors.slice(0, Z).map((u, k) => u.map((x) => x * Math.sqrt(values[k]! - values[D - 1]!)));
  let psi = S.map((row, i) => Math.max(floor ** 2, row[i]! - W.reduce((s, w) => s + w[i]! ** 2, 0)));
  const model = (): number[][] => S.map((_, i) => S.map((_, j) => (i === j ? psi[i]! : 0) + W.reduce((s, w) => s + w[i]! * w[j]!, 0)));
  for (let step = 0; step < 20_000; step++) {
    // G = (I + W Ψ⁻¹ Wᵀ)⁻¹ W Ψ⁻¹, for Z = 2
    const scaled = W.map((w) => w.map((x, i) => x / psi[i]!));
    const m = W.map((w, a) => scaled.map((u, b) => (a === b ? 1 : 0) + w.reduce((s, x, i) => s + x * u[i]!, 0)));
    const det = m[0]![0]! * m[1]![1]! - m[0]![1]! * m[1]![0]!;
    const inverse = [
      [m[1]![1]! / det, -m[0]![1]! / det],
      [-m[1]![0]! / det, m[0]![0]! / det],
    ];
    const G = inverse.map((row) => S.map((_, i) => row.reduce((s, x, b) => s + x * scaled[b]![i]!, 0)));
    const GS = G.map((g) => S.map((_, j) => g.reduce((s, x, i) => s + x * S[i]![j]!, 0)));
    const E = inverse.map((row, a) => row.map((x, b) => x + GS[a]!.reduce((s, y, j) => s + y * G[b]![j]!, 0)));
    const detE = E[0]![0]! * E[1]![1]! - E[0]![1]! * E[1]![0]!;
    W = [0, 1].map((a) =>
      S.map((_, i) => ((a === 0 ? E[1]![1]! : -E[1]![0]!) * GS[0]![i]! + (a === 0 ? -E[0]![1]! : E[0]![0]!) * GS[1]![i]!) / detE),
    );
    psi = psi.map((_, i) => Math.max(floor ** 2, S[i]![i]! - W.reduce((s, w, a) => s + w[i]! * GS[a]![i]!, 0)));
  }
  return gaussianNll(model(), S);
}
