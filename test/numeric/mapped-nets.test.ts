/** A net called with axes in front of what it takes: the numbers of its rows one by one, whichever call stands first, with one set of weights. */
import { describe, expect, it } from "vitest";
import { someWeights } from "../support/flow-model.js";
import { gradientsOf } from "../support/gradients.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";

const spread = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(1.7 * (i + 1) * seed + seed));
const logSumExp = (v: readonly number[]): number => {
  const top = Math.max(...v);
  return top + Math.log(v.reduce((s, x) => s + Math.exp(x - top), 0));
};
const logNormal = (x: number, loc: number, scale: number): number =>
  -0.5 * ((x - loc) / scale) ** 2 - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);
const log = (
  loaded: Loaded,
  fn: string,
  state: Readonly<Record<string, readonly number[]>>,
  data: Readonly<Record<string, readonly [readonly number[], readonly number[]]>>,
): readonly number[] =>
  runModel(loaded, ({ f, w, x }) => ({ out: f(fn)(w, ...Object.values(x)) }), {
    data: Object.fromEntries(Object.entries(data).map(([name, [shape, values]]) => [name, { shape, data: values }])),
    state,
  })["out"]!;

const [B, D, Z, K] = [3, 4, 2, 5];

describe("a prior of encoded pseudo-inputs", () => {
  const text = (p: string, latent = ""): string => `model M(D = ${D}, Z = ${Z}, K = ${K}) {
    data x : real[D]   latent z : real[Z]${latent}
    param u : real[K, D]
    net encoder(x) {
      h = x |> dense(3) |> tanh
      return (loc = h |> dense(Z), scale = exp(h |> dense(Z)))
    }
    ${p}
    density q(z | x) { e = encoder(x)   z ~ Normal(e.loc, e.scale) }
    train { maximize ELBO(p, q) }
  }`;
  const joint = text(
    "density p(x, z, c) { c ~ Categorical(logits = zeros(K))   e = encoder(u)   z ~ Normal(e.loc[c], e.scale[c])   x ~ Normal(z |> dense(D), 1) }",
    ", c : category[K]",
  );
  const [z, x] = [spread(B * Z, 3), spread(B * D, 5)];

  /** tanh(v W1 + b1), then two maps of it, by loops. */
  const encode = (state: Readonly<Record<string, readonly number[]>>, row: readonly number[]): { loc: number[]; scale: number[] } => {
    const map = (v: readonly number[], layer: string, n: number): number[] =>
      Array.from({ length: n }, (_, j) =>
        v.reduce((s, a, i) => s + a * state[`encoder.${layer}.kernel`]![i * n + j]!, state[`encoder.${layer}.bias`]![j]!),
      );
    const h = map(row, "dense1", 3).map(Math.tanh);
    return { loc: map(h, "dense2", Z), scale: map(h, "dense3", Z).map(Math.exp) };
  };

  it("log p(x, z, c) at each c, of the rows encoded one by one", () => {
    const loaded = loadModel(joint);
    const state = someWeights(loaded, 2, 0.7);
    const rows = Array.from({ length: K }, (_, k) => encode(state, state["u"]!.slice(k * D, (k + 1) * D)));
    for (let c = 0; c < K; c++) {
      const labels = { shape: [B], data: new Array<number>(B).fill(c), dtype: "i32" as const };
      const found = runModel(loaded, ({ f, w, x: rows }) => ({ out: f("logP")(w, rows["x"], rows["z"], rows["c"]) }), {
        data: { x: { shape: [B, D], data: x }, z: { shape: [B, Z], data: z }, c: labels },
        state,
      })["out"]!;
      found.forEach((value, b) => {
        const zs = z.slice(b * Z, (b + 1) * Z);
        const prior = zs.reduce((s, v, i) => s + logNormal(v, rows[c]!.loc[i]!, rows[c]!.scale[i]!), -Math.log(K));
        const mean = Array.from({ length: D }, (_, j) =>
          zs.reduce((s, v, i) => s + v * state["p.dense1.kernel"]![i * D + j]!, state["p.dense1.bias"]![j]!),
        );
        const lik = mean.reduce((s, m, j) => s + logNormal(x[b * D + j]!, m, 1), 0);
        expect(value).toBeCloseTo(prior + lik, 9);
      });
    }
  });

  it("in a Mixture, entry by entry", () => {
    const loaded = loadModel(
      text(
        "density p(x, z) { e = encoder(u)   z ~ Mixture(zeros(K), Normal(transpose(e.loc), transpose(e.scale)))   x ~ Normal(z |> dense(D), 1) }",
      ),
    );
    const state = someWeights(loaded, 4, 0.7);
    const rows = Array.from({ length: K }, (_, k) => encode(state, state["u"]!.slice(k * D, (k + 1) * D)));
    const found = log(loaded, "logP", state, { x: [[B, D], x], z: [[B, Z], z] });
    found.forEach((value, b) => {
      const zs = z.slice(b * Z, (b + 1) * Z);
      const prior = zs.reduce((s, v, i) => s + logSumExp(rows.map((r) => logNormal(v, r.loc[i]!, r.scale[i]!))) - Math.log(K), 0);
      const mean = Array.from({ length: D }, (_, j) =>
        zs.reduce((s, v, i) => s + v * state["p.dense1.kernel"]![i * D + j]!, state["p.dense1.bias"]![j]!),
      );
      expect(value).toBeCloseTo(prior + mean.reduce((s, m, j) => s + logNormal(x[b * D + j]!, m, 1), 0), 9);
    });
  });
});

/** A model whose log p(y) shows what `value` is. */
const shown = (value: string, net: string, extra = ""): Loaded =>
  loadModel(`model M {
    data x : real[2, 3], h : real[2], y : real[2, 3]
    ${net}
    density p(y | x, h) { ${extra} y ~ Normal(${value}, 1) }
    train { maximize log p(y | x, h) }
  }`);

describe("what is mapped", () => {
  const n = 2;
  const data = { y: [[n, 2, 3], spread(n * 6, 2)], x: [[n, 2, 3], spread(n * 6, 3)], h: [[n, 2], spread(n * 2, 7)] } as const;

  it.each([
    [
      "sums over its own entries alone",
      "net f(v) = v |> dense(2) |> sum",
      "stack(f(x), f(x), f(x)) |> transpose",
      "stack(stack(f(x[1]), f(x[1]), f(x[1])), stack(f(x[2]), f(x[2]), f(x[2])))",
    ],
    ["values that are the same for all", "net f(v, k) = concat(v, k) |> dense(3)", "f(x, h)", "stack(f(x[1], h), f(x[2], h))"],
    [
      "the order of the arguments does not matter",
      "net f(k, v) = concat(v, k) |> dense(3) |> tanh",
      "f(h, x)",
      "stack(f(h, x[1]), f(h, x[2]))",
    ],
    ["entries by place", "net f(v) = stack(v[3], v[1], v[2]) |> dense(3)", "f(x)", "stack(f(x[1]), f(x[2]))"],
    [
      "records that are handed over",
      "net f(e) = e.a + e.b |> dense(3)",
      "f((a = x, b = 2 * x))",
      "stack(f((a = x[1], b = 2 * x[1])), f((a = x[2], b = 2 * x[2])))",
    ],
    [
      "nets within nets",
      "net g(v) = v |> dense(3) |> softmax net f(v) = g(v) + (v |> dense(3))",
      "f(x) + g(x)",
      "stack(f(x[1]) + g(x[1]), f(x[2]) + g(x[2]))",
    ],
    [
      "fields that read none of what differs",
      "net f(v, k) { return (a = v |> dense(3), b = k |> dense(3)) }",
      "(f(x, h).a * f(x, h).b)",
      "stack(f(x[1], h).a * f(x[1], h).b, f(x[2], h).a * f(x[2], h).b)",
    ],
    [
      "sums of fields that read none",
      "net f(v, k) { return (a = v |> dense(3), b = k |> dense(3)) }",
      "(f(x, h).a + sum(f(x, h).b, axis = 1))",
      "stack(f(x[1], h).a + 2 * f(x[1], h).b, f(x[2], h).a + 2 * f(x[2], h).b)",
    ],
  ])("%s", (_, net, mapped, oneByOne) => {
    // the first call is the mapped one, the net's own shape is that of a later one
    const own = net.includes("(e)")
      ? "unused = f((a = x[1], b = x[2]))"
      : net.includes("(k, v)")
        ? "unused = f(h, x[1])"
        : net.includes(", k)")
          ? "unused = f(x[1], h)"
          : "unused = f(x[1])";
    const [a, b] = [shown(mapped, net, `m = ${mapped} ${own} ${net.includes("g(v)") ? "alone = g(x[1])" : ""}`), shown(oneByOne, net)];
    const state = someWeights(b, 3, 0.6);
    expect(Object.keys(someWeights(a)).sort()).toEqual(Object.keys(state).sort());
    const [left, right] = [a, b].map((l) => log(l, "logP", state, data));
    left!.forEach((v, i) => expect(v).toBeCloseTo(right![i]!, 10));
    expect(new Set(left).size).toBe(n);
  });
});

/** Bodies of nets that take v of that shape. */
const bodies: Readonly<Record<string, readonly string[]>> = {
  "4, 4": [
    ..."flatten(v);softmax(v, axis = 1);softmax(v);transpose(v);sum(v, axis = 1);concat(v, 2 * v, axis = 1);stack(v, v^2);v[2]".split(";"),
    ..."v[1..2];v[2..3, 1..2];v @ transpose(v);ones(4) @ v;v @ ones(4);norm(v);norm(v, axis = 1);mean(v, axis = 2)".split(";"),
    ..."cumsum(v, axis = 1);reverse(v, axis = 1);reshape(v, 2, 8);pad(v, low = [1, 0], high = [0, 2]);logsumexp(v, axis = 1)".split(";"),
    ..."max(v, axis = 1);glu(v, axis = 1);tril(v);cholesky_factor(v);cholesky(v @ transpose(v) + eye(4));variance(v)".split(";"),
    ..."transpose(v, 2, 1);logmeanexp(v);min(v);v * sum(v);v[1] @ v @ v[2];where(greater(v, 0), v, 2 * v)".split(";"),
    ..."concat(sum(v, axis = 1), v[1]);v - mean(v, axis = 1);stack(v[1], v[2]);onehot(argmax(v, axis = 1), classes = 4) * v".split(";"),
    ..."sum(v) + eye(4);v |> reshape(4, 4, 1) |> max_pool(2) |> flatten;sum[i in 1..4](v[i] * v[5 - i]);eye(4);v / sum(v)".split(";"),
  ],
  "4, 4, 2": [
    ...'max_pool(v, 2);avg_pool(v, 2);global_avg_pool(v);upsample(v, 2);upsample(v, 2, method = "bilinear")'.split(";"),
    ..."reflect_pad(v, 1);pool(v, 2, 2);transpose(v, 3, 1, 2);transpose(v);flatten(v);reshape(v, 16, 2);v[2]".split(";"),
    ..."v[1..2, 2..3, 1];conv(v, ones(2, 2, 2, 3));conv_transpose(v, ones(2, 2, 3, 2));softmax(v, axis = 1)".split(";"),
    "concat(v, v^2, axis = 1)",
  ],
};

describe("nets without weights", () => {
  const rows = 2;
  const weighted = (g: string): string =>
    [1, 2, 3].map((k) => `${[0, 1, 2, -3][k]} * sum(square(${g.replaceAll("#", String(k))}))`).join(" + ");

  // where the mapped calls differ from those one by one, so does the value, by the squares, or the gradient, by the slopes of the differences
  it.each(
    Object.entries(bodies).flatMap(([shape, all]) =>
      [0, 1, 2].map((third) => [shape, third, all.filter((_, i) => i % 3 === third)] as const),
    ),
  )("of [%s] are mapped as those with weights are (%i)", async (shape, _, texts) => {
    const n = texts.length;
    const loaded = loadModel(`model M {
        data x : real[3, ${shape}], y : real[${n}]
        param e : real[3, ${shape}]
        ${texts.map((body, i) => `net g${i}(v) = ${body}`).join("\n")}
        density p(y | x) {
          ${texts.map((__, i) => `m${i} = ${["e", "x"].map((a) => `(${weighted(`g${i}(${a})[#]`)} - (${weighted(`g${i}(${a}[#])`)}))`).join(" + ")}`).join("\n")}
          y ~ Normal(stack(${texts.map((__, i) => `m${i}`).join(", ")}), 1)
        }
        train { maximize log p(y | x) }
      }`);
    const size = shape.split(",").reduce((s, d) => s * Number(d), 3);
    const data = { x: spread(rows * size, 3), y: Array.from({ length: rows * n }, (__, i) => 1 + (i % 7) / 7) };
    const { gradients, value } = await gradientsOf(loaded.model, { weights: { e: spread(size, 5) }, data, rows });
    const exact = data.y.reduce((s, y) => s + logNormal(y, 0, 1), 0) / rows;
    expect(value.mean[0]! / exact).toBeCloseTo(1, 5);
    for (const slope of gradients["e"]!.mean) expect(slope).toBeCloseTo(0, 5);
  });

  it("as the shares of one row and of a table of rows", () => {
    const shares = (v: readonly number[]): number[] => v.map((a) => a / v.reduce((s, b) => s + b, 0));
    const loaded = loadModel(`model Mean(K = 3, D = 4) {
      data x : positive[D]   latent c : category[K]
      param e : positive[K, D] init Uniform(0.2, 2)
      net shares(v) = v / sum(v)
      density p(x, c) { c ~ Categorical(logits = zeros(K))   x ~ LogNormal(log(shares(e)[c]), 0.5) }
      train { maximize log p(x) }
      evaluate { total = sum(shares(x)) }
    }`);
    const state = someWeights(loaded, 2, 0.4);
    const e = state["e"]!.map((u) => Math.log1p(Math.exp(u)));
    const x = spread(8, 3).map((v) => Math.exp(v));
    const found = log(loaded, "logPX", state, { x: [[2, 4], x] });
    found.forEach((v, b) => {
      const row = x.slice(b * 4, b * 4 + 4);
      const parts = [0, 1, 2].map((k) =>
        shares(e.slice(k * 4, k * 4 + 4)).reduce(
          (s, m, j) => s + logNormal(Math.log(row[j]!), Math.log(m), 0.5) - Math.log(row[j]!),
          -Math.log(3),
        ),
      );
      expect(v).toBeCloseTo(logSumExp(parts), 9);
    });
  });

  it("whichever call stands first, of shapes that have nothing in common, and told apart by what is known when compiled", () => {
    const loaded = loadModel(`model M {
      data x : real[2, 3], h : real[4], y : real[8]
      net f(v, n) = n * v / sum(v)
      density p(y | x, h) { a = f(x, 2)  b = f(h, 1)  c = f(x[1], 1)  d = f(x[2], 2)
        y ~ Normal(concat(a[1] - 2 * c, a[2] - d, stack(sum(b), sum(a))), 1) }
      train { maximize log p(y | x, h) }
    }`);
    const y = [0, 0, 0, 0, 0, 0, 1, 4];
    const found = log(loaded, "logP", {}, { y: [[1, 8], y], x: [[1, 2, 3], spread(6, 3)], h: [[1, 4], spread(4, 7)] });
    expect(found[0]).toBeCloseTo(8 * logNormal(0, 0, 1), 9);
  });
});
