/** Two sampled latents and two that are summed over, in every order in which q can draw them: each KL is closed, and value and gradient are those by hand. */
import { describe, expect, it } from "vitest";
import { grad, mean } from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";

const draws = {
  z: "z ~ Normal(a, 0.5)",
  w: "w ~ Normal(g, 0.7)",
  c: "c ~ Categorical(logits = u)",
  d: "d ~ Categorical(logits = v)",
} as const;
type Latent = keyof typeof draws;
const latents: readonly Latent[] = ["z", "w", "c", "d"];

function orders<T>(list: readonly T[]): readonly (readonly T[])[] {
  return list.length === 0 ? [[]] : list.flatMap((first) => orders(list.filter((x) => x !== first)).map((rest) => [first, ...rest]));
}

const modelOf = (order: readonly string[], priors: string, location: string): ReturnType<typeof loadModel> =>
  loadModel(`model M {
  data x : real
  latent z : real, w : real, c : category[3], d : category[2]
  param a : real = 0
  param g : real = 0
  param u : real[3] = 0
  param v : real[2] = 0
  param m : real[3] = 0
  param n : real[2] = 0
  density p(x, z, w, c, d) { ${priors}  x ~ Normal(${location}, 1) }
  density q(z, w, c, d | x) { ${order.join("  ")} }
  train { maximize ELBO(p, q) batch = 2, epochs = 1 }
}`);

const x = [0.3, -1.2];
const state = { a: [0.4], g: [-0.6], u: [0.2, -0.5, 0.9], v: [0.3, -0.4], m: [0.5, -0.2, 1.1], n: [-0.3, 0.8] };
const softmax = (logits: readonly number[]): number[] => {
  const e = logits.map(Math.exp);
  return e.map((each) => each / e.reduce((s, t) => s + t, 0));
};
const klNormal = (l: number, s: number, k: number): number => -Math.log(s) + (s * s + (l - k) ** 2) / 2 - 0.5;

/** The ELBO by hand: all 6 states, the Normals in closed form; `reads`: x ~ Normal(z + w + m[c] + n[d], 1) if so, else Normal(0, 1). */
function elbo(s: typeof state, reads: boolean): readonly number[] {
  const [qc, qd] = [softmax(s.u), softmax(s.v)];
  return x.map((row) =>
    qc.reduce(
      (total, pc, c) =>
        total +
        qd.reduce((inner, pd, d) => {
          const loc = reads ? s.a[0]! + s.g[0]! + s.m[c]! + s.n[d]! : 0;
          const noise = reads ? 0.25 + 0.49 : 0;
          const likelihood = -0.5 * Math.log(2 * Math.PI) - ((row - loc) ** 2 + noise) / 2;
          const kl = Math.log(pc * 3) + Math.log(pd * 2) + klNormal(s.a[0]!, 0.5, 0) + klNormal(s.g[0]!, 0.7, 0);
          return inner + pc * pd * (likelihood - kl);
        }, 0),
      0,
    ),
  );
}

/** Mean over the rows, by central differences. */
function slope(name: keyof typeof state, i: number, reads: boolean): number {
  const at = (step: number): number => {
    const values = elbo({ ...state, [name]: state[name].map((each, j) => (j === i ? each + step : each)) }, reads);
    return (values[0]! + values[1]!) / 2;
  };
  return (at(1e-5) - at(-1e-5)) / 2e-5;
}

const priors = "z ~ Normal(0, 1)  w ~ Normal(0, 1)  c ~ Categorical(logits = zeros(3))  d ~ Categorical(logits = zeros(2))";

function run(loaded: ReturnType<typeof loadModel>, seed: number): Readonly<Record<string, readonly number[]>> {
  return runModel(
    loaded,
    ({ f, w, x: data, key }) => {
      const value = f("elbo")(w, data["x"], key);
      const weights = w as Readonly<Record<string, never>>;
      const names = Object.keys(state);
      const slopes = grad(
        mean(value),
        names.map((name) => weights[name]!),
      );
      return { value, ...Object.fromEntries(names.map((name, i) => [name, slopes[i]!])) };
    },
    { data: { x: { shape: [2], data: x } }, state, seed },
  );
}

describe.each(orders(latents).map((order) => [order.join(", "), order] as const))("q draws %s", (_, order) => {
  const lines = order.map((name) => draws[name]);

  it("leaves nothing to chance without a likelihood", () => {
    const loaded = modelOf(lines, priors, "0");
    const expected = elbo(state, false);
    for (const seed of [1, 2]) {
      const found = run(loaded, seed);
      found["value"]!.forEach((v, row) => expect(v).toBeCloseTo(expected[row]!, 9));
      for (const name of ["a", "g", "u", "v"] as const)
        state[name].forEach((__, i) => expect(found[name]![i]!).toBeCloseTo(slope(name, i, false), 6));
    }
  });

  it("has the four KLs and no sampled one with one", () => {
    const { ts } = modelOf(lines, priors, "z + w + m[c] + n[d]");
    for (const name of latents) expect(ts).toMatch(new RegExp(`"KL\\(q\\(${name}\\), p\\(${name}\\)\\)"`, "u"));
    expect(ts).not.toContain("sampled");
  });
});

describe.each([["z, c, w, d"], ["c, z, d, w"], ["z, c, d, w"]])("the gradient where q draws %s", (text) => {
  it("is right in the mean over draws", () => {
    const loaded = modelOf(
      text.split(", ").map((name) => draws[name as Latent]),
      priors,
      "z + w + m[c] + n[d]",
    );
    const runs = Array.from({ length: 400 }, (_, i) => run(loaded, i + 1));
    for (const name of Object.keys(state) as (keyof typeof state)[])
      state[name].forEach((_, i) => {
        const samples = runs.map((r) => r[name]![i]!);
        const average = samples.reduce((s, v) => s + v, 0) / samples.length;
        const error = Math.sqrt(samples.reduce((s, v) => s + (v - average) ** 2, 0) / samples.length / (samples.length - 1));
        expect(Math.abs(average - slope(name, i, true))).toBeLessThan(4.5 * error + 1e-7);
      });
  }, 60_000);
});

it("what is no pair for all values stays a sample, also below a sum", () => {
  const dependent = (w: string, d: string, prior: string): string =>
    modelOf([draws.z, draws.c, w, d], priors.replace("z ~ Normal(0, 1)  w ~ Normal(0, 1)", prior), "0").ts;
  const later = "w ~ Normal(0, 1)  z ~ Normal(w, 1)";
  // z reads w, drawn below a sum over c: independent of z, and from it
  expect(dependent(draws.w, draws.d, later)).toContain('"KL(q(z), p(z | w))"');
  const sampled = dependent("w ~ Normal(0.5 * z, 0.7)", draws.d, later);
  expect(sampled).toContain('"KL(q(z), p(z | w)), sampled"');
  expect(sampled).toContain("z: sampled KL (the prior of `z` reads `w`, which q draws from it)");
});

it("a prior that reads what is drawn inside of the sum is closed there", () => {
  const { ts } = modelOf([draws.c, draws.z, draws.w, draws.d], priors.replace("logits = zeros(3)", "logits = stack(z, 0, 0)"), "0");
  expect(ts).toContain('"KL(q(c), p(c | z))"');
});
