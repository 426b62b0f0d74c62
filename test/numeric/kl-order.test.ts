/** Closed-form KLs under draws that do not depend on each other: the order in which q draws them makes no difference, and what does depend is not closed. */
import { describe, expect, it } from "vitest";
import { loadModel, runModel } from "../support/model.js";

const B = 3;
const x = [0.3, -1.2, 0.8, 0.1, 1.4, -0.5];
const draws = { z: "z ~ Normal(a, 0.5)", c: "c ~ Categorical(logits = u)", r: "r ~ Normal(g, 0.7)" };

/** The objective without a likelihood: minus the KL of all latents, which is exact where each is closed. */
const modelOf = (latents: string, p: string, q: readonly string[], names: string, weight = ""): ReturnType<typeof loadModel> =>
  loadModel(`model M {
  data x : real[2]
  latent ${latents}
  param m : real[2, 2] = 0
  param w : real[2] = 0
  param a : real[2] = 0
  param u : real[2] = 0
  param g : real = 0
  density p(x, ${names}) {
    ${p}
    x ~ Normal(0, 1)
  }
  density q(${names} | x) {
    ${q.join("\n    ")}
  }
  train { maximize E[${names} ~ q(${names} | x)](${weight}(log p(x, ${names}) - log q(${names} | x))) batch = ${B}, epochs = 1 }
}`);

const state = { m: [0.4, -0.3, 1.1, 0.2], w: [0.3, -0.4], a: [0.2, 0.9], u: [-0.2, 0.5], g: [0.6] };
const softmax = (v: readonly number[]): number[] => {
  const e = v.map(Math.exp);
  return e.map((each) => each / e.reduce((s, t) => s + t, 0));
};
/** KL(Normal(l, s), Normal(k, t)), one entry. */
const klNormal = (l: number, s: number, k: number, t: number): number => Math.log(t / s) + (s * s + (l - k) ** 2) / (2 * t * t) - 0.5;
const logX = (row: number): number => -Math.log(2 * Math.PI) - (x[2 * row]! ** 2 + x[2 * row + 1]! ** 2) / 2;

/** The objective's values under two keys. */
function values(loaded: ReturnType<typeof loadModel>): readonly (readonly number[])[] {
  const name = /^export function (elbo\w*|objective\w*|e\w+|maximize\w*)\(w: Weights, x: Tensor/mu.exec(loaded.ts)?.[1];
  if (name === undefined) throw new Error(`no objective in\n${loaded.ts}`);
  return [1, 2].map(
    (seed) =>
      runModel(loaded, ({ f, w, x: data, key }) => ({ value: f(name)(w, data["x"], key) }), {
        data: { x: { shape: [B, 2], data: x } },
        state,
        seed,
      }).value! as readonly number[],
  );
}

const joint = "c ~ Categorical(logits = w)\n    z ~ Normal(m[c], 1)";

describe.each([
  ["c before z", [draws.c, draws.z]],
  ["z before c", [draws.z, draws.c]],
])("%s, which is summed over", (_, q) => {
  it("leaves nothing to chance, and is the KL by hand", () => {
    const loaded = modelOf("z : real[2], c : category[2]", joint, q, "z, c");
    const [qc, pc] = [softmax(state.u), softmax(state.w)];
    const kl = qc.reduce(
      (sum, weight, c) =>
        sum + weight * (Math.log(weight / pc[c]!) + [0, 1].reduce((s, j) => s + klNormal(state.a[j]!, 0.5, state.m[2 * c + j]!, 1), 0)),
      0,
    );
    for (const found of values(loaded)) found.forEach((v, row) => expect(v).toBeCloseTo(logX(row) - kl, 9));
  });
});

describe.each([
  ["r before z", [draws.r, draws.z]],
  ["z before r", [draws.z, draws.r]],
])("%s, which is sampled", (_, q) => {
  it("closes both", () => {
    const loaded = modelOf("z : real[2], r : real", "r ~ Normal(0, 1)\n    z ~ Normal(r, 1)", q, "z, r");
    expect(loaded.ts.match(/= (term|origin)\(\s*"KL/gu) ?? loaded.ts.match(/klNormal\(\{/gu)).toHaveLength(2);
  });
});

it("what is drawn from z, directly or not, keeps the prior of z a sample", () => {
  const kls = (q: readonly string[]): number =>
    (
      modelOf("z : real[2], r : real, t : real", "t ~ Normal(0, 1)\n    r ~ Normal(0, 1)\n    z ~ Normal(t, 1)", q, "z, r, t").ts.match(
        /klNormal\(\{/gu,
      ) ?? []
    ).length;
  const r = "r ~ Normal(sum(z), 0.7)";
  // r is closed given z, and t given r; z reads t, which follows from it by way of r
  expect(kls([draws.z, r, "t ~ Normal(r, 0.6)"])).toBe(2);
  expect(kls([draws.z, "t ~ Normal(sum(z), 0.6)", r])).toBe(2);
  expect(kls([draws.z, r, "t ~ Normal(g, 0.6)"])).toBe(3);
});

it("what depends on z in the sum over c is sampled", () => {
  const loaded = modelOf("z : real[2], c : category[2]", joint, [draws.z, "c ~ Categorical(logits = z)"], "z, c");
  expect(loaded.ts).not.toContain("klNormal");
});

it("a factor that reads z keeps the pair a sample", () => {
  const plain = modelOf("z : real[2]", "z ~ Normal(0, 1)", [draws.z], "z", "2 * ");
  expect(plain.ts).toContain("klNormal");
  expect(modelOf("z : real[2]", "z ~ Normal(0, 1)", [draws.z], "z", "sum(z) * ").ts).not.toContain("klNormal");
});
