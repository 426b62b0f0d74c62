/** Tables looked up by labels: by two labels, and tables that each row has of its own. */
import { expect, it } from "vitest";
import { loadModel, runModel } from "../support/model.js";

const [B, K, M, D] = [4, 3, 2, 2];
const spread = (n: number, scale: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * (i + 1) * seed + seed));
const logNormal = (x: number, loc: number): number => -0.5 * (x - loc) ** 2 - 0.5 * Math.log(2 * Math.PI);
const x = spread(B * D, 1.3, 5);
const mu = spread(K * M * D, 1.1, 3);
const joint = (r: number, c: number, s: number): number =>
  Array.from({ length: D }, (_, d) => logNormal(x[r * D + d]!, mu[(c * M + s) * D + d]!)).reduce(
    (a, b) => a + b,
    -Math.log(K) - Math.log(M),
  );

it.each(["mu[c, s]", "mu[c][s]"])("a table at two labels, summed over both: %s", (place) => {
  const loaded = loadModel(`model H(D = ${D}, K = ${K}, M = ${M}) {
    data x : real[D]
    latent c : category[K], s : category[M]
    param mu : real[K, M, D]
    density p(x, c, s) { c ~ Categorical(logits = zeros(K))  s ~ Categorical(logits = zeros(M))  x ~ Normal(${place}, 1) }
    train { maximize log p(x) }
  }`);
  const data = { x: { shape: [B, D], data: x } };
  const value = runModel(loaded, ({ f, w, x: rows }) => ({ value: f("logPX")(w, rows["x"]) }), { data, state: { mu } })["value"]!;
  value.forEach((v, r) => {
    const logs = Array.from({ length: K * M }, (_, i) => joint(r, Math.floor(i / M), i % M));
    const top = Math.max(...logs);
    expect(v).toBeCloseTo(top + Math.log(logs.reduce((s, l) => s + Math.exp(l - top), 0)), 10);
  });
});

it("a table at two observed labels", () => {
  const loaded = loadModel(`model H(D = ${D}, K = ${K}, M = ${M}) {
    data x : real[D], c : category[K], s : category[M]
    param mu : real[K, M, D]
    density p(x | c, s) { x ~ Normal(mu[c, s], 1) }
    train { maximize log p(x | c, s) }
  }`);
  const [c, s] = [
    [2, 0, 1, 1],
    [0, 1, 1, 0],
  ];
  const data = {
    x: { shape: [B, D], data: x },
    c: { shape: [B], data: c, dtype: "i32" as const },
    s: { shape: [B], data: s, dtype: "i32" as const },
  };
  const run = runModel(loaded, ({ f, w, x: r }) => ({ value: f("logP")(w, r["x"], r["c"], r["s"]) }), { data, state: { mu } });
  run["value"]!.forEach((v, r) => expect(v).toBeCloseTo(joint(r, c[r]!, s[r]!) + Math.log(K) + Math.log(M), 10));
});

it.each([
  ["a vector at a label", "y : category[3]", "(x @ A)[y]", []],
  ["a matrix at a label", "y : category[3]", "sum(reshape(x @ C, 3, 2)[y])", []],
  ["a vector at several labels", "y : category[3][2]", "sum((x @ A)[y] * v)", [2]],
] as const)("a row's own table: %s", (_, declared, place, shape) => {
  const loaded = loadModel(`model H {
    data x : real[${D}], ${declared}
    param A : real[${D}, 3], C : real[${D}, 6], v : real[2]
    objective o = ${place}
    train { maximize o }
  }`);
  const n = shape.length === 0 ? 1 : shape[0];
  const y = Array.from({ length: B * n }, (_unused, i) => (2 * i + 1) % 3);
  const A = spread(D * 3, 1, 2);
  const C = spread(D * 6, 1, 4);
  const times = (r: number, W: readonly number[], j: number, width: number): number =>
    Array.from({ length: D }, (_unused, d) => x[r * D + d]! * W[d * width + j]!).reduce((a, b) => a + b, 0);
  const data = { x: { shape: [B, D], data: x }, y: { shape: [B, ...shape], data: y, dtype: "i32" as const } };
  const value = runModel(loaded, ({ f, w, x: r }) => ({ value: f("o")(w, r["x"], r["y"]) }), { data, state: { A, C, v: [1, 10] } })[
    "value"
  ]!;
  value.forEach((v, r) => {
    const wanted = place.includes("C")
      ? times(r, C, y[r]! * 2, 6) + times(r, C, y[r]! * 2 + 1, 6)
      : shape.length === 0
        ? times(r, A, y[r]!, 3)
        : times(r, A, y[2 * r]!, 3) + 10 * times(r, A, y[2 * r + 1]!, 3);
    expect(v).toBeCloseTo(wanted, 10);
  });
});
