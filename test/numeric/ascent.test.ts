/** `max[z](log p(x, z)) by …`: the latents found against plain float64 loops, optimality conditions and closed forms; the gradient against them too. */
import { describe, expect, it } from "vitest";
import { ascend, train, type Ascent, type AscentMethod, type Values } from "../../src/runtime/index.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel, runModel, type Loaded } from "../support/model.js";

const D = 14;
const F = 16;
const B = 5;
/** Numbers in -scale..scale that f32 holds exactly, by a congruential generator. */
function spread(n: number, scale: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(scale * ((2 * state) / 2 ** 32 - 1));
  });
}
const A = spread(F * D, 1, 1);
const x = spread(B * D, 1.5, 2);
const row = (r: number): number[] => x.slice(r * D, r * D + D);

const model = (prior: string, child: string, by: string, more = "", domain = "real", observed = "real"): Loaded =>
  loadModel(`model M(D = ${D}, F = ${F}) {
    data x : ${observed}[D]
    latent z : ${domain}[F]
    param A : real[F, D]
    density p(x, z) { z ~ ${prior}   x ~ ${child} }
    train { maximize max[z](log p(x, z)) ${by}   optimizer = sgd(lr = 0.1), batch = ${B}, steps = 1 }
    ${more}
  }`);

/** z A, by rows of A. */
const forward = (z: readonly number[]): number[] => Array.from({ length: D }, (_, d) => z.reduce((s, zf, f) => s + zf * A[f * D + d]!, 0));
const back = (r: readonly number[]): number[] => Array.from({ length: F }, (_, f) => r.reduce((s, rd, d) => s + rd * A[f * D + d]!, 0));
const soft = (v: number, t: number): number => Math.sign(v) * Math.max(Math.abs(v) - t, 0);

/** Greatest eigenvalue of A A^T. */
function topEigenvalue(): number {
  let v = Array.from({ length: F }, (_, i) => 1 + 0.1 * i);
  let size = 0;
  for (let i = 0; i < 500; i++) {
    const next = back(forward(v));
    size = Math.hypot(...next);
    v = next.map((c) => c / size);
  }
  return size;
}

/** argmin |x - z A|^2 / (2 s^2) + |z| / b by plain ISTA or FISTA, in float64. */
function lasso(r: number, s: number, b: number, steps: number, momentum: boolean, L = topEigenvalue() / s ** 2): number[] {
  let z = new Array<number>(F).fill(0);
  let y = z;
  let t = 1;
  for (let i = 0; i < steps; i++) {
    const residual = forward(y).map((v, d) => row(r)[d]! - v);
    const g = back(residual).map((v) => v / s ** 2);
    const next = y.map((v, f) => soft(v + g[f]! / L, 1 / (b * L)));
    const t2 = (1 + Math.sqrt(1 + 4 * t * t)) / 2;
    y = momentum ? next.map((v, f) => v + ((t - 1) / t2) * (v - z[f]!)) : next;
    z = next;
    t = t2;
  }
  return z;
}

/** The latents that an update finds, by its own stages. */
async function found(loaded: Loaded, data: readonly number[] = x): Promise<{ readonly z: number[]; readonly gradient: readonly number[] }> {
  const { carried, gradients } = await gradientsOf(loaded.model, { weights: { A }, data: { x: data }, rows: B });
  return { z: Array.from(carried["chain:latents.z"]!.data), gradient: gradients["A"]!.mean };
}

const expectClose = (got: readonly number[], wanted: readonly number[], tolerance: number): void => {
  expect(got).toHaveLength(wanted.length);
  got.forEach((v, i) => expect(Math.abs(v - wanted[i]!), `entry ${i}: ${v} for ${wanted[i]}`).toBeLessThan(tolerance));
};

describe("sparse codes", () => {
  const exact = Array.from({ length: B }, (_, r) => lasso(r, 0.5, 0.4, 2000, true));

  it("has a problem worth solving", () => {
    const zeros = exact.flat().filter((v) => v === 0).length;
    expect(zeros).toBeGreaterThan(10);
    expect(zeros).toBeLessThan(B * F - 10);
  });

  it.each(["ista", "fista"])("%s reaches the codes of a plain reference", async (by) => {
    const { z, gradient } = await found(model("Laplace(0, 0.4)", "Normal(z @ A, 0.5)", `by ${by}(steps = 700)`));
    expectClose(z, exact.flat(), 1e-6);
    // the envelope theorem: the gradient of the mean of log p(x, z) at the codes
    const wanted = Array.from({ length: F * D }, (_, i) => {
      const [f, d] = [Math.floor(i / D), i % D];
      return exact.reduce((s, code, r) => s + (code[f]! * (row(r)[d]! - forward(code)[d]!)) / 0.25 / B, 0);
    });
    expectClose(gradient, wanted, 1e-5);
  });

  it.each(["ista", "fista"])("%s takes rows that miss a value: their codes are those of what is left, nothing here", async (by) => {
    const loaded = model("Laplace(0, 0.4)", "Normal(z @ A, 0.5)", `by ${by}(steps = 700)`, "", "real", "real");
    const missing = loadModel(`model M(D = ${D}, F = ${F}) {
      data x : real[D]?, u : real
      latent z : real[F]
      param A : real[F, D]
      density p(x, u, z) { z ~ Laplace(0, 0.4)   x ~ Normal(z @ A, 0.5)   u ~ Normal(0, 1) }
      train { maximize max[z](log p(x, u, z)) by ${by}(steps = 700)   optimizer = sgd(lr = 0.1), batch = ${B}, steps = 1 }
    }`);
    const { z: whole } = await found(loaded);
    const holes = x.map((v, i) => (i < D ? NaN : v));
    const { carried } = await gradientsOf(missing.model, { weights: { A }, data: { x: holes, u: x.slice(0, B) }, rows: B });
    const z = Array.from(carried["chain:latents.z"]!.data);
    expectClose(z.slice(F), whole.slice(F), 1e-5);
    expect(z.slice(0, F)).toEqual(new Array(F).fill(0));
  });

  it.each([
    ["ista", 12, false],
    ["fista", 12, true],
  ] as const)("%s takes the same %i steps as a plain reference of its step size", async (by, steps, momentum) => {
    const loaded = model("Laplace(0, 0.4)", "Normal(z @ A, 0.5)", `by ${by}(steps = ${steps})`);
    const { carried } = await gradientsOf(loaded.model, { weights: { A }, data: { x }, rows: B, steps: 20 });
    const L = carried["chain:latents.:curvature"]!.data[0]!;
    const top = topEigenvalue() / 0.25;
    expect(L / top).toBeGreaterThan(1);
    expect(L / top).toBeLessThan(1.0101);
    const plain = Array.from({ length: B }, (_, r) => lasso(r, 0.5, 0.4, steps, momentum, L)).flat();
    expectClose(Array.from(carried["chain:latents.z"]!.data), plain, 1e-6);
  });

  it("finds the same in an evaluation, and values there", () => {
    const loaded = model(
      "Laplace(0, 0.4)",
      "Normal(z @ A, 0.5)",
      "by fista(steps = 5)",
      "evaluate { nlp = -max[z](log p(x, z)) by fista(steps = 400) }",
    );
    const method: AscentMethod = { kind: "fista", steps: 400 };
    const constants = new Function(
      "runtime",
      `${loaded.js.replace(/^import (\{[^}]*\}) from "gmc\/runtime";$/mu, "const $1 = runtime;").replace(/^export /gmu, "")}; return ascentLogPXZ;`,
    );
    return import("../../src/runtime/index.js").then((runtime) => {
      const problem = constants(runtime) as Ascent<unknown>;
      const out = runModel(
        loaded,
        ({ w, x: inputs, rows }): Values => ({ z: ascend(problem, w, { x: inputs["x"]! }, rows, method)["z"]! }),
        { data: { x: { shape: [B, D], data: x } }, state: { A } },
      );
      expectClose(out["z"]!, exact.flat(), 1e-5);
      expect(loaded.model.evaluate["nlp"]).toMatchObject({ bound: "upper bound" });
    });
  });

  it("goes on from where it was with warm", async () => {
    const run = async (by: string): Promise<number[]> => {
      const loaded = model("Laplace(0, 0.4)", "Normal(z @ A, 0.5)", by);
      const { carried } = await gradientsOf(loaded.model, { weights: { A }, data: { x }, rows: B, steps: 100 });
      return Array.from(carried["chain:latents.z"]!.data);
    };
    expectClose(await run("by ista(steps = 10, warm = true)"), exact.flat(), 1e-6);
    const cold = await run("by ista(steps = 10)");
    expect(Math.max(...cold.map((v, i) => Math.abs(v - exact.flat()[i]!)))).toBeGreaterThan(1e-3);
  });

  it("runs on the onnx engine", async () => {
    if (!(await onnxEngine.probe()).available) return;
    const loaded = model("Laplace(0, 0.4)", "Normal(z @ A, 0.5)", "by fista(steps = 500)");
    const data = { x: Float32Array.from(x) };
    const trained = await train(loaded.model, { data, engine: onnxEngine, steps: 1, lr: 1e-9, seed: 1 });
    // rows come in an order of their own, and the weights from an initialiser: what holds is that a code is optimal
    const weights = Array.from((await trained.session.read("A")).data);
    const codes = Array.from((await trained.session.read("chain:latents.z")).data);
    await trained.close();
    const images = Array.from({ length: B }, (_, r) =>
      Array.from({ length: D }, (_, d) => codes.slice(r * F, r * F + F).reduce((s, zf, f) => s + zf * weights[f * D + d]!, 0)),
    );
    const broken = images.map((image, r) => {
      const code = codes.slice(r * F, r * F + F);
      return Math.min(
        ...Array.from({ length: B }, (_, n) => {
          const slope = Array.from(
            { length: F },
            (_, f) => row(n).reduce((s, xd, d) => s + (xd - image[d]!) * weights[f * D + d]!, 0) / 0.25,
          );
          return Math.max(
            ...slope.map((g, f) => (code[f] === 0 ? Math.max(0, Math.abs(g) - 2.5) : Math.abs(g - 2.5 * Math.sign(code[f]!)))),
          );
        }),
      );
    });
    for (const gap of broken) expect(gap).toBeLessThan(1e-3);
  });
});

describe("other priors and children", () => {
  it("shifts and projects under an Exponential prior of positive latents", async () => {
    const { z } = await found(model("Exponential(1.5)", "Normal(z @ A, 0.5)", "by fista(steps = 700)", "", "positive"));
    const exact = Array.from({ length: B }, (_, r) => {
      const L = topEigenvalue() / 0.25;
      let code = new Array<number>(F).fill(0);
      for (let i = 0; i < 2000; i++) {
        const g = back(forward(code).map((v, d) => row(r)[d]! - v));
        code = code.map((v, f) => Math.max(0, v + (g[f]! / 0.25 - 1.5) / L));
      }
      return code;
    });
    expect(exact.flat().some((v) => v === 0)).toBe(true);
    expectClose(z, exact.flat(), 1e-6);
  });

  it("stays in the box of a Uniform prior", async () => {
    const { z } = await found(model("Uniform(-0.5, 0.75)", "Normal(z @ A, 0.5)", "by fista(steps = 900)"));
    for (let r = 0; r < B; r++) {
      const code = z.slice(r * F, r * F + F);
      const slope = back(forward(code).map((v, d) => row(r)[d]! - v));
      code.forEach((v, f) => {
        expect(v).toBeGreaterThanOrEqual(-0.5);
        expect(v).toBeLessThanOrEqual(0.75);
        const stuck = v === -0.5 ? Math.max(0, slope[f]!) : v === 0.75 ? Math.max(0, -slope[f]!) : Math.abs(slope[f]!);
        expect(stuck).toBeLessThan(1e-4);
      });
    }
    expect(z.some((v) => v === -0.5) && z.some((v) => v === 0.75)).toBe(true);
  });

  it("takes plain gradient steps to the ridge solution under a Normal prior", async () => {
    const { z } = await found(model("Normal(0, 0.7)", "Normal(z @ A, 0.5)", "by ista(steps = 600)"));
    for (let r = 0; r < B; r++) {
      const code = z.slice(r * F, r * F + F);
      const slope = back(forward(code).map((v, d) => (row(r)[d]! - v) / 0.25));
      code.forEach((v, f) => expect(Math.abs(slope[f]! - v / 0.49)).toBeLessThan(1e-5));
    }
  });

  const bits = x.map((v) => (v > 0 ? 1 : 0));
  const bernoulliGap = (z: readonly number[], b: number): number => {
    let worst = 0;
    for (let r = 0; r < B; r++) {
      const code = z.slice(r * F, r * F + F);
      const slope = back(forward(code).map((v, d) => bits[r * D + d]! - 1 / (1 + Math.exp(-v))));
      code.forEach((v, f) => {
        const gap = v === 0 ? Math.max(0, Math.abs(slope[f]!) - 1 / b) : Math.abs(slope[f]! - Math.sign(v) / b);
        worst = Math.max(worst, gap);
      });
    }
    return worst;
  };

  it.each(["ista", "fista"])("%s backtracks where the smooth part is no quadratic", async (by) => {
    const loaded = model(
      "Laplace(0, 4)",
      "Bernoulli(logits = z @ A)",
      `by ${by}(steps = ${by === "ista" ? 2500 : 700})`,
      "",
      "real",
      "binary",
    );
    expect(loaded.ts).toContain('curvature: "varies"');
    const { z } = await found(loaded, bits);
    expect(z.filter((v) => v === 0).length).toBeGreaterThan(3);
    expect(bernoulliGap(z, 4)).toBeLessThan(1e-4);
  });

  it("comes near with Adam", async () => {
    const { z } = await found(
      model("Normal(0, 1)", "Bernoulli(logits = z @ A)", "by adam(steps = 800, lr = 0.05)", "", "real", "binary"),
      bits,
    );
    for (let r = 0; r < B; r++) {
      const code = z.slice(r * F, r * F + F);
      const slope = back(forward(code).map((v, d) => bits[r * D + d]! - 1 / (1 + Math.exp(-v))));
      code.forEach((v, f) => expect(Math.abs(slope[f]! - v)).toBeLessThan(1e-3));
    }
  });

  it("thresholds around the middle of a Laplace prior", async () => {
    const { z } = await found(model("Laplace(0.3, 0.4)", "Normal(z @ A, 0.5)", "by fista(steps = 900)"));
    for (let r = 0; r < B; r++) {
      const code = z.slice(r * F, r * F + F);
      const slope = back(forward(code).map((v, d) => (row(r)[d]! - v) / 0.25));
      code.forEach((v, f) => {
        const at = Math.abs(v - 0.3) < 1e-7;
        const gap = at ? Math.max(0, Math.abs(slope[f]!) - 2.5) : Math.abs(slope[f]! - 2.5 * Math.sign(v - 0.3));
        expect(gap).toBeLessThan(1e-4);
      });
    }
    expect(z.filter((v) => Math.abs(v - 0.3) < 1e-7).length).toBeGreaterThan(10);
  });

  it.each([
    ["Laplace(0.3, 0.4)", "real", 0, (v: number) => -Math.sign(v - 0.3) / 0.4, -Infinity, Infinity],
    ["Exponential(1.5)", "positive", 0.1, () => -1.5, 0, Infinity],
    ["Uniform(-0.1, 0.25)", "real", 0, () => 0, -0.1, 0.25],
  ] as const)("%s: Adam takes the steps of its algorithm", async (prior, domain, start, slopeOfPrior, low, high) => {
    const [steps, lr] = [9, 0.05];
    const { z } = await found(model(prior, "Normal(z @ A, 0.5)", `by adam(steps = ${steps}, lr = ${lr})`, "", domain));
    const plain = Array.from({ length: B }, (_, r) => {
      let code = new Array<number>(F).fill(start);
      const [m, s] = [new Array<number>(F).fill(0), new Array<number>(F).fill(0)];
      for (let t = 1; t <= steps; t++) {
        const slope = back(forward(code).map((v, d) => (row(r)[d]! - v) / 0.25));
        code = code.map((v, f) => {
          const g = slope[f]! + slopeOfPrior(v);
          m[f] = 0.9 * m[f]! + 0.1 * g;
          s[f] = 0.999 * s[f]! + 0.001 * g * g;
          const moved = v + (lr * (m[f] / (1 - 0.9 ** t))) / (Math.sqrt(s[f] / (1 - 0.999 ** t)) + 1e-8);
          return Math.min(high, Math.max(low, moved));
        });
      }
      return code;
    });
    expectClose(z, plain.flat(), 1e-6);
  });

  it("ends where no f32 does, inside", async () => {
    // the f32 nearest to -0.1 lies below it, where the density is 0
    const { z } = await found(model("Uniform(-0.1, 0.3)", "Normal(z @ A, 0.5)", "by fista(steps = 50)"));
    expect(Math.min(...z)).toBeGreaterThanOrEqual(-0.1);
    expect(Math.min(...z)).toBeCloseTo(-0.1, 7);
    expect(Math.max(...z)).toBeLessThanOrEqual(0.3);
    expect(Math.max(...z)).toBeCloseTo(0.3, 7);
  });

  it.each([
    ["LogNormal(0, 0.8)", "positive", (v: number) => -(1 + Math.log(v) / 0.64) / v],
    ["Beta(2, 3)", "unit", (v: number) => 1 / v - 2 / (1 - v)],
  ] as const)("%s begins inside its domain, where it has a density", async (prior, domain, slopeOfPrior) => {
    const { z } = await found(model(prior, "Normal(z @ A, 2)", "by adam(steps = 600, lr = 0.02)", "", domain));
    for (let r = 0; r < B; r++) {
      const code = z.slice(r * F, r * F + F);
      const slope = back(forward(code).map((v, d) => (row(r)[d]! - v) / 4));
      code.forEach((v, f) => {
        expect(v).toBeGreaterThan(0);
        expect(Math.abs(slope[f]! + slopeOfPrior(v)) * Math.min(v, 1)).toBeLessThan(1e-3);
      });
    }
  });

  it("minimises what it is told to", async () => {
    const loaded = loadModel(`model M(D = ${D}, F = ${F}) {
      data x : real[D]
      latent z : real[F]
      param A : real[F, D]
      density p(x, z) { z ~ Laplace(0, 0.4)   x ~ Normal(z @ A, 0.5) }
      train { minimize min[z](-2 * log p(x, z)) by fista(steps = 700)   optimizer = sgd(lr = 0.1), batch = ${B}, steps = 1 }
    }`);
    const { z } = await found(loaded);
    expectClose(z, Array.from({ length: B }, (_, r) => lasso(r, 0.5, 0.4, 2000, true)).flat(), 1e-6);
  });
});
