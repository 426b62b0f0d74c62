/**
 * Models with flows: their log-densities against the forward direction alone, whose Jacobian is taken by central differences, and against 1 where
 * they are integrated.
 */
import { describe, expect, it } from "vitest";
import { type Loaded, loadModel, runModel } from "../support/model.js";
import { drawn, integral, logDetOf, logNormal, normals, someWeights } from "../support/flow-model.js";

const model = (flow: string, more = "", D = 2): string => `
net cond(t, e, width = 8) = concat(t, e) |> mlp([width])
net pairs(t) = stack(stack(0.3, -0.2), (t[1..1] |> dense(4) |> tanh |> dense(2)))
model M(D = ${D}) {
  data x : real[D]
  latent z : real[D]
  ${flow}
  density p(x, z) { z ~ Normal(0.3, 1.2)  x = f(z) }
  ${more}
  train { maximize log p(x) }
}`;

type State = Readonly<Record<string, readonly number[]>>;

function logP(loaded: Loaded, state: State, points: readonly (readonly number[])[], objective = 0): readonly number[] {
  const update = loaded.model.train[0]!.updates[objective]!;
  const shape = [points.length, ...Object.values(loaded.model.streams[0]!)[0]!.shape];
  const { value } = runModel(
    loaded,
    ({ w, x, key, rows }) => ({ value: update.value({ w, data: x, key, rows, schedule: {}, carried: {} } as never) }),
    { data: { x: { shape, data: points.flat() } }, state },
  );
  return value!;
}

describe("log p(x) by change of variables", () => {
  it.each([
    ["coupling", "flow f on real[D] = repeat(3) { coupling(mlp([8])) |> reverse }", 2],
    [
      "coupling, masks and scales",
      'flow f on real[D] = coupling(mlp([6]), mask = "alternate", scale = "sigmoid") |> coupling(mlp([6]), mask = "alternate", swap = true, scale = "exp")',
      5,
    ],
    ["additive", "flow f on real[D] = affine |> repeat(2) { additive_coupling(mlp([8])) |> permute(3) }", 4],
    ["orders by name", 'flow f on real[D] = permute([3, 1, 4, 2]) |> coupling(mlp([8])) |> permute("reverse") |> affine', 4],
    ["spline", "flow f on real[D] = repeat(2) { spline_coupling(mlp([8]), bins = 4) |> reverse }", 2],
    ["glow-like", "flow f on real[D] = repeat(2) { actnorm |> invertible_linear |> coupling(mlp([8])) }", 4],
    [
      "conditioner with its own parameters",
      "flow f on real[D] = coupling(dense(2), head = false) |> reverse |> coupling(dense(2), head = false)",
      2,
    ],
    ["radial", "flow f on real[D] = radial |> affine |> radial", 3],
    ["masked autoregressive", "flow f on real[D] = masked_autoregressive(pairs) |> reverse |> masked_autoregressive(pairs)", 2],
    ["inverse autoregressive", "flow f on real[D] = inverse_autoregressive(pairs) |> affine", 2],
    ["flow of flows", "flow g = coupling(mlp([4])) |> reverse   flow f on real[D] = g |> affine |> g", 2],
  ])("%s", (_, flow, D) => {
    const loaded = loadModel(model(flow, "", D));
    const state = someWeights(loaded);
    for (const seed of [1, 2, 3]) {
      const z = normals(seed, D);
      const given = { z: { shape: [1, D], data: z } };
      const x = drawn(loaded, "sampleP", state, given)["x"]!;
      const expected = logNormal(z, 0.3, 1.2) - logDetOf(loaded, "sampleP", state, given, "z", "x");
      expect(logP(loaded, state, [x])[0]).toBeCloseTo(expected, 5);
    }
  });

  it.each([
    ["coupling", "flow f on real[D] = repeat(2) { coupling(mlp([8])) |> reverse }", 2],
    ["spline", "flow f on real[D] = affine |> repeat(2) { spline_coupling(mlp([8]), bins = 4) |> reverse }", 2],
    ["linear", "flow f on real[D] = invertible_linear |> actnorm", 3],
  ])("%s integrates to 1", (_, flow, digits) => {
    const loaded = loadModel(model(flow));
    const state = someWeights(loaded, 3, 0.3);
    expect(integral((points) => logP(loaded, state, points), 12, 150)).toBeCloseTo(1, digits);
  });

  it("a permutation puts entries where its list says", () => {
    const loaded = loadModel(model("flow f on real[D] = permute([3, 1, 2])", "", 3));
    const x = drawn(loaded, "sampleP", someWeights(loaded), { z: { shape: [1, 3], data: [10, 20, 30] } })["x"];
    expect(x).toEqual([30, 10, 20]);
  });

  it("onto the unit square", () => {
    const loaded = loadModel(`
model M {
  data x : unit[2]
  latent z : real[2]
  flow f on real[2] -> unit[2] = coupling(mlp([4])) |> reverse |> coupling(mlp([4])) |> sigmoid
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { maximize log p(x) }
}`);
    const state = someWeights(loaded);
    const shifted = (points: readonly (readonly number[])[]): readonly number[] =>
      logP(
        loaded,
        state,
        points.map((p) => p.map((v) => v + 0.5)),
      );
    expect(integral(shifted, 0.5, 200)).toBeCloseTo(1, 2);
  });

  it.each([
    [
      "in a chain",
      "flow g(z | e) on real[D] = coupling(cond(e)) |> reverse   flow f(z | e) on real[D] = affine |> g(| e) |> g(| -2 * e)",
      "f(z | y)",
    ],
    ["of a value", "flow f(z | e) on real[D] = coupling(cond(e)) |> reverse", "z |> f(| y) |> f(| y)"],
  ])("a flow with conditions as a step, %s", (_, flow, value) => {
    const loaded = loadModel(`
net cond(t, e) = concat(t, e) |> mlp([8])
model M(D = 3) {
  data x : real[D], y : real[2]
  latent z : real[D]
  ${flow}
  density p(x, z | y) { z ~ Normal(0.3, 1.2)  x = ${value} }
  train { maximize log p(x | y) }
}`);
    const state = someWeights(loaded);
    const update = loaded.model.train[0]!.updates[0]!;
    const densities = [
      [0.7, -1.1],
      [-1.4, 3],
    ].map((data) => {
      const y = { shape: [1, 2], data };
      const z = normals(4, 3);
      const given = { z: { shape: [1, 3], data: z }, y };
      const x = drawn(loaded, "sampleP", state, given)["x"]!;
      const { value } = runModel(
        loaded,
        ({ w, x: rows, key, rows: count }) => ({
          value: update.value({ w, data: rows, key, rows: count, schedule: {}, carried: {} } as never),
        }),
        { data: { x: { shape: [1, 3], data: x }, y }, state },
      );
      expect(value![0]).toBeCloseTo(logNormal(z, 0.3, 1.2) - logDetOf(loaded, "sampleP", state, given, "z", "x"), 5);
      return value![0]!;
    });
    expect(densities[0]).not.toBeCloseTo(densities[1]!, 3);
  });

  it.each([
    ["a layer", "", "g(| dense(e, 2))", "f.dense1.kernel"],
    ["a net of the file", "", "g(| e |> mlp([4]) |> dense(2))", "f.mlp1.dense1.kernel"],
    ["a net of the model", "net enc(e) = e |> dense(2) |> tanh", "g(| enc(e))", "enc.dense1.kernel"],
    ["a parameter", "param b : real[2] = 1", "g(| e * b)", "b"],
    ["a parameter alone", "param b : real[2] = 1", "g(| b) |> g(| e)", "b"],
  ])("weights in the condition of a step are the flow's: %s", (_, declared, step, path) => {
    const loaded = loadModel(`
net cond(t, e) = concat(t, e) |> mlp([8])
model M(D = 4) {
  data x : real[D], y : real[2]
  latent z : real[D]
  ${declared}
  flow g(z | e) on real[D] = coupling(cond(e)) |> reverse
  flow f(z | e) = affine |> ${step}
  density p(x, z | y) { z ~ Normal(0, 1)  x = f(z | y) }
  train { maximize log p(x | y) }
}`);
    const state = someWeights(loaded);
    const update = loaded.model.train[0]!.updates[0]!;
    const y = { shape: [1, 2], data: [0.7, -1.1] };
    const z = normals(4, 4);
    const density = (at: typeof state, x: readonly number[]): number => {
      const { value } = runModel(
        loaded,
        ({ w, x: data, key, rows }) => ({ value: update.value({ w, data, key, rows, schedule: {}, carried: {} } as never) }),
        { data: { x: { shape: [1, 4], data: x }, y }, state: at },
      );
      return value![0]!;
    };
    const given = { z: { shape: [1, 4], data: z }, y };
    const x = drawn(loaded, "sampleP", state, given)["x"]!;
    const expected = logNormal(z) - logDetOf(loaded, "sampleP", state, given, "z", "x");
    expect(density(state, x)).toBeCloseTo(expected, 5);
    // read, and moved by the statement
    expect(density({ ...state, [path]: state[path]!.map((v) => v + 0.5) }, x)).not.toBeCloseTo(expected, 3);
    expect(loaded.compiled.diagnostics.map((d) => d.code)).not.toContain("GM3510");
  });

  it("from a mixture that sums out, the flow conditioned on the component", () => {
    const loaded = loadModel(`
net cond(t, e) = concat(t, e) |> mlp([8])
model M {
  data x : real[2]
  latent z : real[2], c : category[3]
  param w : real[3]  param mu : real[3, 2]
  flow f(z | e) on real[2] = repeat(2) { coupling(cond(e)) |> reverse }
  density p(x, z, c) {
    c ~ Categorical(logits = w)
    z ~ Normal(mu[c], 1)
    x = f(z | onehot(c))
  }
  train { maximize log p(x)  maximize log p(c = 1 | x)  maximize E[c ~ p(c | x)](log p(x, c)) }
}`);
    const state = someWeights(loaded, 5, 0.3);
    expect(integral((points) => logP(loaded, state, points), 12, 150)).toBeCloseTo(1, 3);
    // p(x, c) at the x that a z is mapped to, for c = 1: log p(c | x) = log p(x, c) - log p(x)
    const z = [0.4, -0.7];
    const given = { z: { shape: [1, 2], data: z }, c: { shape: [1], data: [1], dtype: "i32" as const } };
    const x = drawn(loaded, "sampleP", state, given)["x"]!;
    const [w, mu] = [state["w"]!, state["mu"]!];
    const logC = w[1]! - Math.log(w.reduce((s, v) => s + Math.exp(v), 0));
    const joint = logC + logNormal(z.map((v, i) => v - mu[2 + i]!)) - logDetOf(loaded, "sampleP", state, given, "z", "x");
    const posterior = logP(loaded, state, [x], 1)[0]!;
    expect(posterior).toBeCloseTo(joint - logP(loaded, state, [x])[0]!, 5);
    expect(posterior).toBeLessThan(0);
  });

  it("of what follows from flows, and not of them", () => {
    const loaded = loadModel(`
model M {
  data x : real[2]
  latent z : real[2]
  flow f = coupling(mlp([4])) |> reverse
  flow g = affine |> coupling(mlp([4]))
  density p(x, z) {
    z0 ~ Normal(0, 1)
    z1 = f(z0)
    z = g(z1)
    x ~ Normal(2 * z, 0.5)
  }
  train { maximize log p(x, z = x)  maximize log p(x | z = x) }
}`);
    const state = someWeights(loaded);
    const z0 = [0.2, 1.1];
    const given = { z0: { shape: [1, 2], data: z0 } };
    const z = drawn(loaded, "sampleP", state, given)["z"]!;
    const likelihood = logNormal(
      z.map((v) => v - 2 * v),
      0,
      0.5,
    );
    const prior = logNormal(z0) - logDetOf(loaded, "sampleP", state, given, "z0", "z");
    expect(logP(loaded, state, [z])[0]).toBeCloseTo(likelihood + prior, 5);
    expect(logP(loaded, state, [z], 1)[0]).toBeCloseTo(likelihood, 8);
  });
});

describe("images and bytes", () => {
  it("a multi-scale flow, the shape of z another than that of x", () => {
    const loaded = loadModel(`
flow step(conditioner) = actnorm |> invertible_linear |> coupling(conditioner)
net cnn(x, H) = x |> conv(H, 3) |> tanh
model M {
  data x : real[4, 4, 1]
  latent z : real[2, 2, 4]
  flow f on real[2, 2, 4] -> real[4, 4, 1] = multi_scale(step(cnn(3))) |> step(cnn(2)) |> squeeze
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { maximize log p(x) }
}`);
    const state = someWeights(loaded);
    const z = normals(4, 16);
    const given = { z: { shape: [1, 2, 2, 4], data: z } };
    const x = drawn(loaded, "sampleP", state, given)["x"]!;
    expect(logP(loaded, state, [x])[0]).toBeCloseTo(logNormal(z) - logDetOf(loaded, "sampleP", state, given, "z", "x"), 4);
  });

  it("noise under bytes: its mean is the probability, and its mean log a lower bound", () => {
    const loaded = loadModel(`
model M {
  data x : byte[1]
  latent z : real[1]
  flow f on real[1] -> byte[1] = affine |> sigmoid |> dequantize
  density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
  train { maximize log p(x) }
  evaluate { nll = -log p(x)  ll = log p(x) }
}`);
    const { evaluate } = loaded.model as unknown as { evaluate: Record<string, { bound: string }> };
    expect([evaluate["nll"]!.bound, evaluate["ll"]!.bound]).toEqual(["upper bound", "lower bound"]);
    const state = { "f.affine1.shift": [0.3], "f.affine1.logScale": [-0.5] };
    const rows = Array.from({ length: 4000 }, () => [100]);
    const values = logP(loaded, state, rows);
    const mean = (f: (v: number) => number): number => values.reduce((s, v) => s + f(v), 0) / values.length;
    // P(x) = P(x / 256 <= sigmoid(0.3 + exp(-0.5) z) < (x + 1) / 256), by the midpoint rule
    const density = (y: number): number => {
      const base = (Math.log(y / (1 - y)) - 0.3) / Math.exp(-0.5);
      return Math.exp(logNormal([base])) / (Math.exp(-0.5) * y * (1 - y));
    };
    const exact = Array.from({ length: 100 }, (_, i) => density((100 + (i + 0.5) / 100) / 256)).reduce((s, v) => s + v, 0) / 25600;
    expect(mean(Math.exp) / exact).toBeCloseTo(1, 3);
    expect(mean((v) => v)).toBeLessThan(Math.log(exact) + 1e-6);
    expect(new Set(values).size).toBe(4000);
  });
});

describe("a helper that was drawn is reused", () => {
  const text = (flow: string, objective: string): string => `
net cond(t, e) = concat(t, e) |> mlp([8])
model M {
  data x : real[2]
  latent z : real[2]
  net encoder(x) = (loc = x |> dense(2), scale = exp(x |> dense(2)))
  ${flow}
  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z, 1) }
  density q(z | x) { e = encoder(x)  z0 ~ Normal(e.loc, e.scale)  z = ${flow.includes("|") ? "f(z0 | e.loc)" : "f(z0)"} }
  train { maximize ${objective} }
}`;
  const flows = [
    ["planar", "flow f on real[2] = repeat(3) { planar }"],
    ["radial", "flow f on real[2] = repeat(2) { radial }"],
    ["sylvester", "flow f on real[2] = sylvester(2)"],
    ["conditioned", "flow f(z ∣ h) on real[2] = coupling(cond(h)) ∣> reverse".replaceAll("∣", "|")],
  ] as const;

  it.each(flows)("%s: log q of what q has drawn needs the forward direction alone", (_, flow) => {
    const loaded = loadModel(text(flow, "E[z ~ q(z | x)](log q(z | x))"));
    const state = someWeights(loaded, 2);
    const x = { shape: [1, 2], data: [0.5, -1.5] };
    const { z0, z } = drawn(loaded, "sampleQ", state, { x }, 7);
    const update = loaded.model.train[0]!.updates[0]!;
    const { value } = runModel(
      loaded,
      ({ w, x: data, key, rows }) => ({ value: update.value({ w, data, key, rows, schedule: {}, carried: {} } as never) }),
      { data: { x }, state, seed: 7 },
    );
    const e = runModel(loaded, ({ f, w, x: data }) => f("encoder")((w as { encoder: unknown }).encoder, data["x"]) as never, {
      data: { x },
      state,
    });
    const base = z0!.reduce((s, v, i) => s + logNormal([v], e["loc"]![i], e["scale"]![i]), 0);
    const logDet = logDetOf(loaded, "sampleQ", state, { x, z0: { shape: [1, 2], data: z0! } }, "z0", "z");
    expect(value![0]).toBeCloseTo(base - logDet, 5);
    expect(z!.every((v, i) => v !== z0![i])).toBe(true);
  });

  it("with a family of samples, and the bound that it makes", () => {
    const loaded = loadModel(text(flows[0][1], "IWAE(p, q, k = 64)"));
    const update = loaded.model.train[0]!.updates[0]!;
    const state = someWeights(loaded, 2, 0.1);
    const x = { shape: [1, 2], data: [0.5, -1.5] };
    const values = [1, 2, 3, 4, 5, 6].map(
      (seed) =>
        runModel(
          loaded,
          ({ w, x: data, key, rows }) => ({ value: update.value({ w, data, key, rows, schedule: {}, carried: {} } as never) }),
          { data: { x }, state, seed },
        )["value"]![0]!,
    );
    // log p(x) in closed form: x ~ Normal(0, sqrt 2)
    const exact = logNormal([0.5, -1.5], 0, Math.SQRT2);
    const mean = values.reduce((s, v) => s + v, 0) / values.length;
    expect(Math.abs(mean - exact)).toBeLessThan(0.3);
  });
});
