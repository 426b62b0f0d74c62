/**
 * Autoregressive flows of masked nets, compiled: densities against the sequential direction, whose Jacobian is taken by central differences, and
 * against 1 where they are integrated; posteriors against the forward direction; orders that the nets name; what is refused.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import type { Bijector } from "../../src/runtime/index.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";
import { drawn, integral, logDetOf, logNormal, normals, someWeights } from "../support/flow-model.js";

type State = Readonly<Record<string, readonly number[]>>;

/** `more` stands before the model. */
const text = (flow: string, D: number, more = ""): string => `
${more}
model M(D = ${D}) {
  data x : real[D]
  latent z : real[D]
  flow f on real[D] = ${flow}
  density p(x, z) { z ~ Normal(0.3, 1.2)  x = f(z) }
  train { maximize log p(x) }
}`;

/** Running averages of batch normalisation are moved, too, so that it does something. */
function weightsOf(loaded: Loaded, seed: number, scale = 0.5): State {
  return Object.fromEntries(
    Object.entries(someWeights(loaded, seed, scale)).map(([path, v]) => [
      path,
      v.map((entry, i) => (path.endsWith("runningMean") ? 0.2 * (i + 1) : path.endsWith("runningVariance") ? 0.8 + 0.3 * i : entry)),
    ]),
  );
}

function objective(loaded: Loaded, state: State, points: readonly (readonly number[])[], seed = 1): readonly number[] {
  const update = loaded.model.train[0]!.updates[0]!;
  return runModel(
    loaded,
    ({ w, x, key, rows }) => ({ value: update.value({ w, data: x, key, rows, schedule: {}, carried: {} } as never) }),
    { data: { x: { shape: [points.length, points[0]!.length], data: points.flat() } }, state, seed, mode: "eval" },
  )["value"]!;
}

/** What a flow without conditions makes of a value in one direction. */
function mapped(
  loaded: Loaded,
  state: State,
  direction: "forward" | "inverse",
  at: readonly number[],
): Record<"value" | "logDet", number[]> {
  return runModel(
    loaded,
    ({ f, w, x }) => {
      const flow = f("f")((w as { f: unknown }).f) as unknown as Bijector;
      return { ...flow[direction](x["at"]!) };
    },
    { data: { at: { shape: [1, at.length], data: at } }, state, mode: "eval" },
  ) as never;
}

const cases: readonly [string, string, number, string?][] = [
  ["MAF of the library", "maf(made_values([9, 8]))", 3],
  ["two dimensions", "maf(made_values([8]), 2)", 2],
  ["bounded scales", 'maf(made_values([7]), 2, scale = "tanh")', 4],
  ["one entry", "maf(made_values([5]), 2)", 1],
  ["the order reversed", 'masked_autoregressive(made_values([8], order = "reverse"))', 4],
  ["an order by chance", "masked_autoregressive(made_values([8], order = 5)) |> affine", 5],
  ["an order written out", "masked_autoregressive(made_values([8], order = [3, 1, 4, 2]))", 4],
  ["several orders", 'masked_autoregressive(made_values([6])) |> masked_autoregressive(made_values([6], order = "reverse"))', 3],
  ["NADE", "masked_autoregressive(nade(4, outputs = 2))", 4],
  [
    "a net of one's own",
    "masked_autoregressive(own)",
    3,
    "net own(t) = stack(t |> nade(3), tanh(t |> masked_dense(size(t)))) |> transpose",
  ],
  ["IAF of the library", "iaf(made_values([8]), 2)", 3],
  ["IAF in another order", "inverse_autoregressive(made_values([8], order = [2, 3, 1]))", 3],
];

describe("both directions", () => {
  it.each(cases)("%s: log p is that of the way forward, and back undoes it", (...[, flow, D, more]) => {
    const loaded = loadModel(text(flow, D, more));
    // nothing bounds the scales of the library's MAF, an exponential in each of five layers
    const state = weightsOf(loaded, 3, flow.startsWith("maf") ? 0.15 : 0.4);
    for (const seed of [1, 2]) {
      const z = normals(seed, D);
      const given = { z: { shape: [1, D], data: z } };
      const x = drawn(loaded, "sampleP", state, given)["x"]!;
      const back = mapped(loaded, state, "inverse", x);
      back.value.forEach((v, i) => expect(v).toBeCloseTo(z[i]!, 6));
      const forward = mapped(loaded, state, "forward", z);
      forward.value.forEach((v, i) => expect(v).toBeCloseTo(x[i]!, 8));
      expect(forward.logDet[0]! + back.logDet[0]!).toBeCloseTo(0, 6);
      const logDet = logDetOf(loaded, "sampleP", state, given, "z", "x");
      expect(objective(loaded, state, [x])[0]).toBeCloseTo(logNormal(z, 0.3, 1.2) - logDet, 5);
    }
  });

  it("an order is named in the generated code where it is not the natural one", () => {
    const order = (flow: string): string | undefined => / order: ("\w+"|\[[\d, ]+\]|\d+),\s+net/u.exec(loadModel(text(flow, 3)).js)?.[1];
    expect(order("masked_autoregressive(made_values([8]))")).toBeUndefined();
    expect(order('masked_autoregressive(made_values([8], order = "reverse"))')).toBe('"reverse"');
    expect(order("masked_autoregressive(made_values([8], order = 7))")).toBe("7");
    expect(order("inverse_autoregressive(made_values([8], order = [3, 1, 2]))")).toBe("[2, 0, 1]");
  });

  it.each([
    ["MAF", 'maf(made_values([8]), 2, scale = "tanh")'],
    ["in the other order", 'masked_autoregressive(made_values([6], order = "reverse")) |> affine'],
  ])("%s integrates to 1", (_, flow) => {
    const loaded = loadModel(text(flow, 2));
    const state = weightsOf(loaded, 4, 0.2);
    expect(integral((points) => objective(loaded, state, points), 14, 320)).toBeCloseTo(1, 3);
  });
});

describe("conditions", () => {
  const conditioned = (net: string): string => `
${net}
model M(D = 3) {
  data x : real[2]
  latent z : real[D]
  net encoder(x) = (loc = x |> dense(D), scale = exp(x |> dense(D)), context = x |> dense(4) |> tanh)
  flow f(z | h) on real[D] = iaf(cond(h), 2)
  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z[1..2], 1) }
  density q(z | x) { e = encoder(x)  z0 ~ Normal(e.loc, e.scale)  z = f(z0 | e.context) }
  train { maximize E[z ~ q(z | x)](log q(z | x)) }
}`;

  it.each([
    ["of the library", "net cond(t, h) = made_values_given(t, h, [8, 7])"],
    ["that scale all entries", "net cond(t, h) = made_values(t, [8]) * exp(h |> dense(1))"],
    ["added at the end", "net cond(t, h) = made_values(t, [8]) + (h |> dense(6) |> reshape(3, 2))"],
  ])("%s: log q of an IAF posterior is the density of the way forward", (_, net) => {
    const loaded = loadModel(conditioned(net));
    // scales that are no smaller than differences can tell
    const state = weightsOf(loaded, 2, 0.25);
    const x = { shape: [1, 2], data: [0.5, -1.5] };
    const { z0, z } = drawn(loaded, "sampleQ", state, { x }, 7);
    const value = objective(loaded, state, [x.data], 7);
    const e = runModel(loaded, ({ f, w, x: data }) => f("encoder")((w as { encoder: unknown }).encoder, data["x"]) as never, {
      data: { x },
      state,
    });
    const base = z0!.reduce((s, v, i) => s + logNormal([v], e["loc"]![i], e["scale"]![i]), 0);
    const logDet = logDetOf(loaded, "sampleQ", state, { x, z0: { shape: [1, 3], data: z0! } }, "z0", "z");
    expect(value[0]).toBeCloseTo(base - logDet, 5);
    // the conditions do something: other data, the same noise
    const other = drawn(loaded, "sampleQ", state, { x: { ...x, data: [0.6, -1] }, z0: { shape: [1, 3], data: z0! } }, 7);
    expect(Math.abs(other["z"]![0]! - z![0]!)).toBeGreaterThan(1e-4);
  });
});

describe("a condition in one step", () => {
  it("reaches every entry, the first too", () => {
    const loaded = loadModel(`
net cond(t, h) = made_values_given(t, h, [8, 7])
model M(D = 3) {
  data x : real[2]
  latent z : real[D]
  flow f(z | h) on real[D] = inverse_autoregressive(cond(h))
  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(z[1..2], 1) }
  density q(z | x) { z0 ~ Normal(0, 1)  z = f(z0 | x) }
  train { maximize E[z ~ q(z | x)](log q(z | x)) }
}`);
    const state = weightsOf(loaded, 2, 0.25);
    const z0 = { shape: [1, 3], data: [0.3, -0.2, 0.9] };
    const at = (x: number[]): readonly number[] => drawn(loaded, "sampleQ", state, { x: { shape: [1, 2], data: x }, z0 }, 7)["z"]!;
    const [one, other] = [at([0.5, -1.5]), at([0.6, -1])];
    one.forEach((value, i) => expect(Math.abs(value - other[i]!)).toBeGreaterThan(1e-3));
  });
});

describe("what is refused", () => {
  const codes = (flow: string, D = 3, more = ""): readonly string[] =>
    compile({ path: "test.gm", text: text(flow, D, more) }).diagnostics.map((d) => d.code);

  it.each([
    ["a dense net", "masked_autoregressive(dense(6) |> reshape(3, 2))", ["GM3728"]],
    ["one wrong step of several is told once", "repeat(4) { inverse_autoregressive(dense(6) |> reshape(3, 2)) }", ["GM3728"]],
    ["the entry itself", "masked_autoregressive(own)", ["GM3728"], "net own(t) = made_values(t, [8]) + (stack(t, t) |> transpose)"],
    [
      "two orders in one net",
      "masked_autoregressive(own)",
      ["GM3722"],
      'net own(t) = made_values(t, [8]) + made_values(t, [8], order = "reverse")',
    ],
    ["a masked net in a coupling", "coupling(masked_dense(4))", ["GM3723"]],
  ] as [string, string, string[], string?][])("%s", (...[, flow, expected, more]) => {
    expect(codes(flow, 3, more)).toEqual(expected);
  });
});
