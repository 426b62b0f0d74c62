/** Nets of repeated steps are written as one function, with the numbers that functions of their own give; what differs is kept apart. */
import { describe, expect, it } from "vitest";
import { normals, someWeights } from "../support/flow-model.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";

const model = (flow: string, nets = ""): string => `model M(D = 4) {
  data x : real[D]   latent z : real[D]
  ${nets}
  flow f on real[D] = ${flow}
  density p(x, z) { z ~ Normal(0, 1)   x = f(z) }
  train { maximize log p(x) }
}`;

const functionsIn = (loaded: Loaded, name: RegExp): readonly string[] => Object.keys(loaded.functions).filter((f) => name.test(f));

const logP = (loaded: Loaded, state: Readonly<Record<string, readonly number[]>>): readonly number[] =>
  runModel(loaded, ({ f, w, x }) => ({ log: f("logP")(w, x["x"]) }), { data: { x: { shape: [5, 4], data: normals(3, 20) } }, state })[
    "log"
  ]!;

describe("one function for nets that differ in their weights alone", () => {
  it.each([
    ["couplings", (lines: string) => `coupling(mlp([6, 5])) |>${lines}reverse`, /^(mlp|fCoupling)/u],
    ["autoregressive steps", (lines: string) => `masked_autoregressive(made_values([7])) |>${lines}reverse`, /^(made_values|fMasked)/u],
  ])("%s: the numbers of separate functions", (_, step, name) => {
    const shared = loadModel(model(`repeat(3) { ${step(" ")} }`));
    // on lines of their own, the steps have functions of their own, which share what they call
    const apart = loadModel(model([1, 2, 3].map(() => step("\n")).join(" |> ")));
    const [one, three] = [functionsIn(shared, name), functionsIn(apart, name)];
    expect([one.length, three.length]).toEqual([2, 4]);
    const state = someWeights(shared, 2, 0.4);
    expect(Object.keys(state).sort()).toEqual(Object.keys(someWeights(apart)).sort());
    expect(logP(shared, state)).toEqual(logP(apart, state));
    // each step reads weights of its own
    const before = logP(shared, state);
    for (const [path, values] of Object.entries(state)) {
      const after = logP(shared, { ...state, [path]: values.map((v) => v + 0.3) });
      expect(after, path).not.toEqual(before);
    }
  });

  it("not for nets of other sizes, of other masks, or with names of their own", () => {
    expect(functionsIn(loadModel(model("coupling(mlp([6])) |> reverse |> coupling(mlp([5]))")), /^mlp/u)).toHaveLength(2);
    const orders = 'masked_autoregressive(made_values([7])) |> masked_autoregressive(made_values([7], order = "reverse"))';
    expect(functionsIn(loadModel(model(orders)), /^made_values/u)).toHaveLength(2);
    const named = "net a(h) = h |> dense(6) |> tanh net b(h) = h |> dense(6) |> tanh";
    expect(functionsIn(loadModel(model("coupling(a) |> reverse |> coupling(b)", named)), /^[ab]$/u)).toEqual(["a", "b"]);
  });

  it("draws of nets that share a function are not shared", () => {
    const loaded = loadModel(`model M {
      data x : real[64]
      density p(x) { x ~ Normal(ones(64) |> noisy, 1) }
      net noisy(h) = h |> repeat(2) { noise }
      train { maximize log p(x) }
    }
    net noise(h) = h |> dropout(0.5)`);
    expect(functionsIn(loaded, /^noise/u)).toHaveLength(1);
    const update = loaded.model.train[0]!.updates[0]!;
    expect(loaded.js.match(/key\.at\("noise\d?"\)/gu)).toHaveLength(2);
    expect(new Set(loaded.js.match(/key\.at\("noise\d?"\)/gu)).size).toBe(2);
    expect(update).toBeDefined();
  });
});
