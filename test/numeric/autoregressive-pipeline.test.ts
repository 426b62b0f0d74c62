/**
 * Autoregressive densities, compiled: every family sums to 1 over all configurations, parameters of an entry change with entries before it alone,
 * for the nets of the library and for layers put together by chance.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../src/base/report.js";
import { compile } from "../../src/compile.js";
import type { MaskRule } from "../../src/ir/autoregressive/order.js";
import { proveMap } from "../../src/ir/autoregressive/prove.js";
import { deriveContext } from "../../src/ir/derive/context.js";
import { elaborateText } from "../ir/support.js";
import { degreesOf as compilerDegrees, placesOf, reseeded } from "../../src/ir/autoregressive/order.js";
import { chance, shuffled } from "../../src/base/random-order.js";
import { hostStream, permutation } from "../../src/runtime/graph/random.js";
import { bernoulli as bernoulliOf, lift, sum } from "../../src/runtime/index.js";
import { degreesOf, maskInTurn, orderOf } from "../../src/runtime/nn/degrees.js";
import { loadModel, runModel } from "../support/model.js";
import { allStates, readsOf, type Shown, someWeights, totalMass } from "../support/ordered.js";

const example = (name: string): string => readFileSync(`examples/${name}.gm`, "utf8");

describe("orders", () => {
  it("are those of the runtime", () => {
    for (const seed of [0, 7, 2 ** 40 + 3]) {
      expect(shuffled(13, seed, "order")).toEqual([...permutation(13, seed, "order")]);
      const [ours, theirs] = [chance(seed, "degrees"), hostStream(seed, "degrees")];
      for (let i = 0; i < 20; i++) expect(ours(5)).toBe(theirs.below(5));
    }
    for (const order of ["natural", "reverse", 5, [2, 0, 1, 3]] as const) expect(placesOf(order, 4)).toEqual(orderOf(order, 4));
    for (const degrees of [
      { kind: "order", size: 4, channels: 2, order: 9 },
      { kind: "order", size: 5, order: "reverse" },
      { kind: "hidden", size: 7, max: 4 },
      { kind: "hidden", size: 7, max: 3, seed: 2 },
      { kind: "hidden", size: 3, max: 0 },
      { kind: "hidden", size: 3, channels: 2, max: 4, seed: 5 },
      { kind: "hidden", size: 4, channels: 3, flat: true, max: 3 },
      {
        kind: "joined",
        parts: [
          { kind: "free", size: 2 },
          { kind: "order", size: 3, order: 4, itself: true },
          { kind: "hidden", size: 3, max: 2 },
        ],
      },
    ] as const)
      for (const mask of [0, 1, 6]) {
        const { from } = reseeded({ from: degrees, to: degrees, strict: true }, mask);
        expect(compilerDegrees(from)).toEqual(degreesOf(degrees, mask));
      }
  });
});

const bernoulli = (shape: string, logits: string, domain = "binary"): string =>
  `model M { data x : ${domain}[${shape}]  density p(x) { x ~ Bernoulli(logits = ${logits}) }  train { maximize log p(x) } }`;

/** Nets of parts of a variable. */
const partial = {
  halves: "concat(made(x[1..4], [30, 20]), made(x[5..8], [30]) + (x[1..4] |> dense(4)))",
  later: "concat(zeros(2), made(x[3..7], [30]))",
  given: "concat(made(x[1..3], [20]), made_values_given(x[4..7], x[1..3], [40], values = 1) |> reshape(4))",
};

interface Family {
  readonly name: string;
  readonly text: string;
  readonly shown: Shown;
  readonly set?: Readonly<Record<string, number | readonly number[]>>;
  /** When each entry is drawn, where it is not its place. */
  readonly ranks?: readonly number[];
}

type Row = readonly [name: string, text: string, shown: Shown, set?: Family["set"], ranks?: Family["ranks"]];

const rows: readonly Row[] = [
  ["made.gm", example("made"), { shape: [10] }, { D: 10, widths: [12] }],
  ["made.gm, two hidden layers", example("made"), { shape: [10] }, { D: 10, widths: [7, 20] }],
  ["nade.gm", example("nade"), { shape: [10] }, { D: 10, H: 5 }],
  ["made_orders.gm", example("made_orders"), { shape: [9] }, { D: 9, widths: [12, 7], orders: 5 }],
  // two bytes beside one another, then above one another: all 65,536 pictures
  ...(
    [
      [1, 2],
      [2, 1],
    ] as const
  ).map(([h, w]): Row => [
    `gated_pixelcnn.gm of ${h} x ${w} bytes`,
    example("gated_pixelcnn").replaceAll("S, S, 1", `${h}, ${w}, 1`).replaceAll("1..S, 1..S", `1..${h}, 1..${w}`),
    { shape: [h, w, 1], states: 256 },
    { C: 2, blocks: 1, K: 2 },
  ]),
  ["pixelcnn.gm", example("pixelcnn").replace("28, 28, 1", "3, 4, 1"), { shape: [3, 4, 1] }, { C: 3, blocks: 2 }],
  [
    "pixelvae.gm given z",
    example("pixelvae")
      .replaceAll("28, 28, 1", "3, 4, 1")
      .replace(/net decoder.*$/mu, "net decoder(z) = z |> dense(24) |> reshape(3, 4, 2)")
      .replace("flatten |> dense(128)", "flatten |> dense(6)")
      .replace("density p(x, z) {\n    z ~ Normal(0, 1)", "density r(z) { z ~ Normal(0, 1) }\n  density p(x | z) {")
      .replace(/train \{[\s\S]*$/u, "train { maximize E[z ~ q(z | x)](log p(x | z) + log r(z) - log q(z | x)) }\n}"),
    { shape: [3, 4, 1], given: { z: { shape: [2], data: [0.3, -1.2] } } },
    { Z: 2, C: 2, blocks: 1 },
  ],
  [
    "wavenet.gm",
    example("wavenet").replaceAll("256", "3").replace("8, 16, 32, 64, 128, 3", "4"),
    { shape: [6], states: 3, dtype: "i32" },
    { T: 6, C: 3, dilations: [1, 2, 4], skip: 4 },
  ],
  ["gated PixelCNN", bernoulli("3, 4, 1", "gated_pixelcnn(x, 2, 2)"), { shape: [3, 4, 1] }],
  ["gated PixelCNN, wider", bernoulli("2, 5, 1", "gated_pixelcnn(x, 2, 1, window = 5)"), { shape: [2, 5, 1] }],
  [
    "colours in order",
    bernoulli("2, 2, 3", 'x |> masked_conv(6, 3, mask = "A", groups = 3) |> tanh |> masked_conv(3, 3, mask = "B", groups = 3)'),
    { shape: [2, 2, 3] },
  ],
  ["from the last to the first", bernoulli("6", 'made(x, [9], order = "reverse")'), { shape: [6] }, {}, [5, 4, 3, 2, 1, 0]],
  ["an order by chance", bernoulli("7", "made(x, [5, 9], order = 3)"), { shape: [7] }, {}, rankOf(shuffled(7, 3, "order"))],
  ["a listed order", bernoulli("4", "made(x, [6], order = [3, 1, 4, 2])"), { shape: [4] }, {}, rankOf([2, 0, 3, 1])],
  [
    "hidden degrees by chance",
    bernoulli("6", "x |> masked_dense(8, seed = 4) |> tanh |> masked_dense(9, seed = 5) |> tanh |> masked_dense(6)"),
    { shape: [6] },
  ],
  [
    "categories in order",
    "model M { data x : category[3][4]  density p(x) { x ~ Categorical(logits = onehot(x) |> masked_dense(5) |> tanh |> masked_dense(3)) }  train { maximize log p(x) } }",
    { shape: [4], states: 3, dtype: "i32" },
  ],
  [
    "categories by NADE",
    "model M { data x : category[3][5]  density p(x) { x ~ Categorical(logits = onehot(x) |> nade(4, outputs = 3)) }  train { maximize log p(x) } }",
    { shape: [5], states: 3, dtype: "i32" },
  ],
  ["reversed on the way", bernoulli("6", "x |> reverse |> made([9]) |> reverse"), { shape: [6] }, {}, [5, 4, 3, 2, 1, 0]],
  [
    "reversed into an order",
    bernoulli("4", "x |> reverse |> made([6], order = [3, 1, 4, 2]) |> reverse"),
    { shape: [4] },
    {},
    [2, 0, 3, 1],
  ],
  ["reversed, of many orders", bernoulli("5", "x |> reverse |> made([9], orders = 3) |> reverse"), { shape: [5] }, {}, [4, 3, 2, 1, 0]],
  [
    "halves that change places",
    bernoulli("6", "swap(concat(x[4..6], x[1..3]) |> made([9]))").replace("density", "net swap(h) = concat(h[4..6], h[1..3])  density"),
    { shape: [6] },
    {},
    [3, 4, 5, 0, 1, 2],
  ],
  [
    "layers side by side",
    bernoulli("6", "concat(x |> masked_dense(7), x |> masked_dense(5, seed = 3)) |> tanh |> masked_dense(8) |> tanh |> masked_dense(6)"),
    { shape: [6] },
  ],
  [
    "layers, entries and features side by side",
    bernoulli("5", "concat(b, x |> masked_dense(7) |> tanh, x, 2 * b) |> masked_dense(9) |> tanh |> masked_dense(5)").replace(
      "density",
      "param b : real[3]  density",
    ),
    { shape: [5] },
  ],
  [
    "the same of many orders",
    bernoulli(
      "5",
      "concat(b, x |> masked_dense(7, orders = 3) |> tanh, x) |> masked_dense(9, orders = 3) |> tanh |> masked_dense(5, orders = 3)",
    ).replace("density", "param b : real[3]  density"),
    { shape: [5] },
  ],
  [
    "entries and features, as an input",
    bernoulli("5", "concat(x, b) |> masked_dense(9) |> tanh |> masked_dense(5)").replace("density", "param b : real[3]  density"),
    { shape: [5] },
  ],
  ["masked nets of some entries", bernoulli("8", partial.halves), { shape: [8] }],
  ["a masked net of the later entries", bernoulli("7", partial.later), { shape: [7] }],
  ["a masked net of entries given those before", bernoulli("7", partial.given), { shape: [7] }],
  ["an ensemble over orders", bernoulli("6", "made(x, [9, 7], orders = 5)"), { shape: [6] }],
  ["pairs in order", bernoulli("3, 2", "x |> causal_conv(2, 2, strict = true)"), { shape: [3, 2] }],
];

function rankOf(places: readonly number[]): readonly number[] {
  const ranks = places.map(() => 0);
  places.forEach((place, rank) => (ranks[place] = rank));
  return ranks;
}

const families = rows.map(([name, text, shown, set, ranks]): Family => ({
  name,
  text,
  shown,
  ...(set ? { set } : {}),
  ...(ranks ? { ranks } : {}),
}));

describe.each(families)("$name", ({ text, shown, set = {}, ranks }) => {
  const loaded = loadModel(text, { set });

  it("sums to 1", () => {
    expect(totalMass(loaded, shown)).toBeCloseTo(1, 5);
  });

  it("reads entries before its own alone", () => {
    if (shown.given) return;
    const reads = readsOf(loaded, shown);
    reads.forEach((read, i) => {
      for (const j of read) expect((ranks?.[j] ?? j) < (ranks?.[i] ?? i), `${i + 1} reads ${j + 1}`).toBe(true);
    });
  });
});

it("masked nets of some entries read all of them that come before", () => {
  const of = (logits: string, D: number): readonly (readonly number[])[] =>
    readsOf(loadModel(bernoulli(String(D), logits)), { shape: [D] }).map((read) => [...read].sort((a, b) => a - b));
  const all = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  expect(of(partial.halves, 8)).toEqual(all(0, 8).map((i) => all(0, i)));
  // no hidden unit is before the first entry: what is added to the last layer gets there
  expect(of(partial.given, 7)).toEqual(all(0, 7).map((i) => all(0, i)));
  expect(of(partial.later, 7)).toEqual(all(0, 7).map((i) => (i < 2 ? [] : all(2, i))));
  // shifted by one they need not leave the entry itself out, and do not
  expect(of("concat(zeros(1), x[1..4] |> masked_dense(30) |> tanh |> masked_dense(4))", 5)[4]).toContain(3);
});

it("no blind spot: pixels of a gated PixelCNN read all before them", () => {
  const reads = readsOf(loadModel(bernoulli("4, 4, 1", "gated_pixelcnn(x, 3, 3)")), { shape: [4, 4, 1] });
  reads.forEach((read, i) => expect(read.size).toBe(i));
});

it("means and scales out of one net that is bound above the draw", () => {
  const text = `model M {
    data x : real[5]
    density p(x) { e = made_values(x, [12], activation = tanh)   x ~ Normal(e[1..5, 1], exp(e[1..5, 2])) }
    train { maximize log p(x) }
  }`;
  const reads = readsOf(loadModel(text), { shape: [5] });
  expect(reads.map((r) => [...r].sort())).toEqual([[], [0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]);
});

it("made reads all before an entry, in every order", () => {
  for (const order of ['"natural"', '"reverse"', "4"]) {
    const reads = readsOf(loadModel(bernoulli("6", `made(x, [20, 20], activation = tanh, order = ${order})`)), { shape: [6] });
    expect(reads.map((r) => r.size).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
  }
});

describe("several orders", () => {
  const [D, K] = [6, 5];
  const loaded = loadModel(bernoulli("6", `made(x, [9, 8], order = 2, orders = ${K})`));
  const state = someWeights(loaded);
  const states = { shape: [2 ** D, D], data: allStates(D) };
  const each = (data: { shape: readonly number[]; data: readonly number[] }): Readonly<Record<string, readonly number[]>> =>
    runModel(
      loaded,
      ({ f, w, x }) => {
        const made = (w as { p: { made1: unknown } }).p.made1;
        return Object.fromEntries(
          Array.from({ length: K }, (_, k) => {
            const logits = f("made")(made, x["x"], maskInTurn(K, lift(k, "i32")));
            return [[`logits${k}`, logits] as const, [`log${k}`, sum(bernoulliOf.logProb(x["x"]!, { logits }), [-1])] as const];
          }).flat(),
        );
      },
      { data: { x: data }, state },
    );
  const logs = each(states);

  it("each sums to 1, and reads entries before an entry in an order of its own", () => {
    const stream = hostStream(3, "values");
    const base = Array.from({ length: D }, () => stream.normal());
    const moved = each({
      shape: [D + 1, D],
      data: Array.from({ length: D + 1 }, (_, row) => base.map((v, i) => (i === row ? v + 0.7 : v))).flat(),
    });
    const orders = Array.from({ length: K }, (_, k) => {
      expect(logs[`log${k}`]!.reduce((total, l) => total + Math.exp(l), 0)).toBeCloseTo(1, 6);
      const rank = degreesOf({ kind: "order", size: D, order: 2 }, k);
      const values = moved[`logits${k}`]!;
      let reads = 0;
      for (let j = 0; j < D; j++)
        for (let i = 0; i < D; i++) {
          if (values[j * D + i] === values[D * D + i]) continue;
          reads++;
          expect(rank[j]!, `order ${k}: ${i + 1} reads ${j + 1}`).toBeLessThan(rank[i]!);
        }
      expect(reads).toBeGreaterThan(3);
      return rank.join();
    });
    expect(new Set(orders).size).toBe(K);
  });

  it("the density is the mean over them, training takes one of them in each step", () => {
    const ensemble = runModel(loaded, ({ f, w, x }) => ({ log: f("logP")(w, x["x"]) }), { data: { x: states }, state })["log"]!;
    ensemble.forEach((log, row) => {
      const mean = Array.from({ length: K }, (_, k) => Math.exp(logs[`log${k}`]![row]!)).reduce((a, b) => a + b) / K;
      expect(Math.exp(log)).toBeCloseTo(mean, 10);
    });
    const update = loaded.model.train[0]!.updates[0]!;
    const taken = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
      const { log = [] } = runModel(loaded, ({ w, x, key, rows }) => ({ log: update.value({ w, data: x, key, rows } as never) }), {
        data: { x: states },
        state,
        seed,
      });
      return Array.from({ length: K }, (_, k) => k)
        .filter((k) => log.every((l, row) => Math.abs(l - logs[`log${k}`]![row]!) < 1e-9))
        .join();
    });
    expect(taken.every((k) => k.length === 1)).toBe(true);
    expect(new Set(taken).size).toBeGreaterThan(2);
  });

  it("beside an enumerated latent, and of means and scales", () => {
    const mixed = loadModel(`model M {
      data x : binary[6]   latent c : category[3]   param mu : real[3, 6]
      density p(x, c) { c ~ Categorical(logits = zeros(3))   x ~ Bernoulli(logits = made(x, [8], orders = 4) + mu[c]) }
      train { maximize log p(x) }
      evaluate { nll = -log p(x) }
    }`);
    expect(mixed.ts).toContain("allMasks(4, 1)");
    expect(mixed.model.evaluate["nll"]).toMatchObject({ orders: 4, bound: "exact" });
    expect(totalMass(mixed, { shape: [6], fn: "logPX2" })).toBeCloseTo(1, 5);
    const real = loadModel(`model M {
      data x : real[2]
      density p(x) { e = made_values(x, [12], activation = tanh, orders = 2)   x ~ Normal(e[1..2, 1], exp(0.3 * tanh(e[1..2, 2]))) }
      train { maximize log p(x) }
    }`);
    const [n, width] = [161, 10];
    const at = (i: number): number => -width + (2 * width * i) / (n - 1);
    const grid = Array.from({ length: n * n }, (_, i) => [at(Math.floor(i / n)), at(i % n)]).flat();
    const small = Object.fromEntries(Object.entries(someWeights(real)).map(([k, v]) => [k, v.map((x) => 0.4 * x)]));
    const { log = [] } = runModel(real, ({ f, w, x }) => ({ log: f("logP")(w, x["x"]) }), {
      data: { x: { shape: [n * n, 2], data: grid } },
      state: small,
    });
    expect(log.reduce((total, l) => total + Math.exp(l), 0) * ((2 * width) / (n - 1)) ** 2).toBeCloseTo(1, 4);
  });
});

// ---- beside other variables ------------------------------------------------------------------------------

describe("beside other variables", () => {
  const bits = { shape: [6] };

  it("a finite latent is summed over", () => {
    const text = `model M {
      data x : binary[6]   latent c : category[3]   param mu : real[3, 6]
      density p(x, c) { c ~ Categorical(logits = zeros(3))   x ~ Bernoulli(logits = made(x, [8]) + mu[c]) }
      density r(x) { x ~ Bernoulli(logits = zeros(6)) }
      train { maximize log p(x) }
    }`;
    const loaded = loadModel(text);
    const mass = totalMass(loaded, { ...bits, fn: "logPX" });
    expect(mass).toBeCloseTo(1, 5);
    expect(loaded.compiled.derived?.context.sequential.get("p")?.map((s) => s.reads)).toEqual([["c"]]);
  });

  it("a latent that reads itself is summed over", () => {
    const text = `model M {
      data x : binary[6]   latent h : binary[4]
      density p(x, h) { h ~ Bernoulli(logits = h |> nade(3))   x ~ Bernoulli(logits = h |> dense(6)) }
      train { maximize log p(x) }
    }`;
    expect(totalMass(loadModel(text), { ...bits, fn: "logPX" })).toBeCloseTo(1, 5);
  });

  it("conditions", () => {
    const text = `model M {
      data x : binary[6], y : category[3]
      density p(x | y) { x ~ Bernoulli(logits = made(x, [9]) + (onehot(y) |> dense(6))) }
      train { maximize log p(x | y) }
    }`;
    expect(totalMass(loadModel(text), { ...bits, given: { y: { shape: [], data: [2], dtype: "i32" } } })).toBeCloseTo(1, 5);
  });

  it("two variables, the second given the first", () => {
    const text = `model M {
      data x : binary[4], y : binary[2]
      density p(x, y) {
        x ~ Bernoulli(logits = made(x, [9]))
        y ~ Bernoulli(logits = x |> dense(2))
      }
      train { maximize log p(x, y) }
    }`;
    const loaded = loadModel(text);
    const mass = [0, 1, 2, 3]
      .map((n) => totalMass(loaded, { shape: [4], given: { y: { shape: [2], data: [n >> 1, n & 1] } } }))
      .reduce((a, b) => a + b);
    expect(mass).toBeCloseTo(1, 5);
  });

  it("a prior that reads itself has no closed KL, and its bound is the mean of the log-ratio", () => {
    const text = (prior: string): string => `model M {
      data x : real[3]   latent z : real[4]
      density p(x, z) { z ~ Normal(${prior}, 1)   x ~ Normal(z |> dense(3), 1) }
      density q(z | x) { z ~ Normal(x |> dense(4), 1) }
      train { maximize ELBO(p, q) }
    }`;
    const estimators = (t: string): readonly string[] =>
      loadModel(t).compiled.derived?.phases[0]?.updates[0]?.derived.notes.map((n) => n.estimator) ?? [];
    expect(estimators(text("0"))).toEqual(["reparam", "closed-form KL"]);
    expect(estimators(text("z |> nade(5)"))).toEqual(["reparam", "sampled KL"]);
  });

  it("a posterior that reads itself is summed over where it is finite", () => {
    const text = `model M {
      data x : binary[3]   latent h : binary[3]
      density p(x, h) { h ~ Bernoulli(logits = h |> nade(2))   x ~ Bernoulli(logits = h |> dense(3)) }
      density q(h | x) { h ~ Bernoulli(logits = (h |> nade(2)) + (x |> dense(3))) }
      objective one = E[h ~ q(h | x)](0 * log p(x, h) + 1)
      train { maximize ELBO(p, q) }
      evaluate { exact = log p(x)   total = one }
    }`;
    const loaded = loadModel(text);
    const x = { shape: [8, 3], data: allStates(3) };
    const out = runModel(
      loaded,
      ({ f, w, x: at }) => ({ bound: f("elbo")(w, at["x"]), exact: f("logPX")(w, at["x"]), one: f("one")(w, at["x"]) }),
      { data: { x }, state: someWeights(loaded) },
    );
    out["one"]?.forEach((v) => expect(v).toBeCloseTo(1, 9));
    out["bound"]?.forEach((v, i) => expect(v).toBeLessThan(out["exact"]?.[i] ?? -Infinity));
  });

  it("a decoder that reads the pixels before a pixel: families of samples, and the bounds that they give", () => {
    const text = `model M {
      data x : binary[2, 3, 1]   latent z : binary[2]
      net decoder(z) = z |> dense(12) |> reshape(2, 3, 2)
      density p(x, z) { z ~ Bernoulli(logits = 0.4)   x ~ Bernoulli(logits = pixelcnn_given(x, decoder(z), 2, 1)) }
      density q(z | x) { z ~ Bernoulli(logits = x |> flatten |> dense(2)) }
      train { maximize ELBO(p, q) }
      evaluate { exact = log p(x)   bound = IWAE(p, q, k = 50) }
    }`;
    const loaded = loadModel(text);
    const x = { shape: [64, 2, 3, 1], data: allStates(6) };
    const state = Object.fromEntries(Object.entries(someWeights(loaded)).map(([path, w]) => [path, w.map((v) => v / 3)]));
    const out = runModel(
      loaded,
      ({ f, w, x: at, key }) => ({
        exact: f("logPX")(w, at["x"]),
        bound: f("elbo")(w, at["x"]),
        sampled: f("iwae")(w, at["x"], key, 400),
      }),
      { data: { x }, state },
    );
    const mean = (name: string): number => (out[name] ?? []).reduce((a, b) => a + b, 0) / 64;
    expect((out["exact"] ?? []).reduce((total, l) => total + Math.exp(l), 0)).toBeCloseTo(1, 5);
    expect(mean("bound")).toBeLessThan(mean("exact"));
    // Of 400 samples the bound is within its noise of what it bounds.
    expect(Math.abs(mean("sampled") - mean("exact"))).toBeLessThan(0.05);
  });
});

// ---- nets by themselves ----------------------------------------------------------------------------------

describe("nets that are to be autoregressive by themselves", () => {
  /** What is found of net f. */
  const proof = (net: string): { readonly ok: boolean; readonly codes: readonly string[]; readonly strict: readonly boolean[] } => {
    const { ir, text } = elaborateText(
      `model M { data x : real[5]  net f(h) = ${net}  density p(x) { x ~ Normal(sum(f(x)), 1) }  train { maximize log p(x) } }`,
    );
    const found = ir?.nets.find((n) => n.name === "f");
    if (!ir || !found) throw new Error(text);
    const diagnostics = new Diagnostics();
    const masks = new Map<string, MaskRule>();
    const ok =
      proveMap(deriveContext(ir, diagnostics), found, { bijection: "masked_autoregressive", span: found.span }, masks) !== undefined;
    return { ok, codes: diagnostics.errors.map((d) => d.code), strict: [...masks.values()].map((m) => m.strict) };
  };

  it("pairs of values for each entry", () => {
    expect(proof("made_values(h, [8, 9])")).toEqual({ ok: true, codes: [], strict: [true, false, false] });
    expect(proof("stack(h |> nade(3), h |> nade(2)) |> transpose")).toMatchObject({ ok: true, codes: [] });
  });

  it("are refused where they read too far", () => {
    expect(proof("stack(h |> nade(3), h |> dense(5)) |> transpose")).toMatchObject({ ok: false, codes: ["GM3728"] });
    expect(proof("made_values(h, [8]) + (stack(h, h) |> transpose)")).toMatchObject({ ok: false, codes: ["GM3728"] });
  });
});

// ---- layers by chance ---------------------------------------------------------------------------------

/** Chains of layers over a shape, most of them in order, some not. */
const vector = fc.constantFrom(
  "masked_dense(6)",
  "masked_dense(9)",
  "masked_dense(4)",
  "masked_dense(7, seed = 3)",
  "nade(3)",
  "tanh",
  "reverse",
  "cumsum",
  "residual(masked_dense(6))",
  "residual(tanh)",
  "dense(6)",
  "softplus",
  "softmax",
);
const image = fc.constantFrom(
  'masked_conv(2, 3, mask = "A")',
  'masked_conv(2, 3, mask = "B")',
  'masked_conv(4, 3, mask = "B", groups = 2)',
  'masked_conv(2, 5, mask = "A")',
  "causal_conv(2, 2)",
  "causal_conv(2, 2, strict = true)",
  "conv(2, 1)",
  "conv(2, 3)",
  "shift_down",
  "rows_up_to(2, 3)",
  "dense(2)",
  "layer_norm",
  "tanh",
  "residual(conv(2, 1))",
  "transpose(2, 1, 3)",
  "gated_dense(2)",
  "upsample(1)",
);
const sequence = fc.constantFrom(
  "causal_conv(2, 2)",
  "causal_conv(2, 2, strict = true)",
  "causal_conv(2, 3, dilation = 2)",
  "conv1d(2, 3)",
  "dense(2)",
  "masked_dense(2)",
  "masked_dense(3)",
  "layer_norm",
  "tanh",
  "transpose |> dense(6) |> transpose",
  "residual(causal_conv(2, 2))",
  "reverse(axis = 1)",
);
const shapes = [
  { name: "vector", layers: vector, dims: "6", start: "x", end: "", shown: { shape: [6] } },
  { name: "image", layers: image, dims: "3, 3, 2", start: "x", end: " |> dense(2)", shown: { shape: [3, 3, 2] } },
  { name: "sequence", layers: sequence, dims: "6, 2", start: "x", end: " |> dense(2)", shown: { shape: [6, 2] } },
] as const;

/** Layers whose rule is as fine as what they do, and that need no order to stand in. */
const exact = (chain: readonly string[]): boolean => !chain.some((layer) => layer.includes("masked_dense") || layer.startsWith("upsample"));

/** The same function of x as parameters of a variable that it is given to: nothing is to be proven, and \`paramsP\` still shows what it reads. */
const readable = (net: string, dims: string): string =>
  `model M { data x : real[${dims}], y : real[${dims}]
    density p(y | x) { y ~ Normal(0 * strictly(y) + f(x), 1) }
    net f(x) = ${net}
    net strictly(y) = ${dims.split(",").length === 1 ? "y |> nade(1)" : `y |> causal_conv(${dims.split(",").at(-1)}, 1, strict = true)`}
    train { maximize log p(y | x) } }`;

describe.each(shapes)("layers by chance: $name", ({ layers, dims, start, end, shown }) => {
  it("what is accepted is strict", () => {
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.array(layers, { minLength: 1, maxLength: 4 }), (chain) => {
        const text = `model M { data x : real[${dims}]  density p(x) { x ~ Normal(${[start, ...chain].join(" |> ")}${end}, 1) }  train { maximize log p(x) } }`;
        const { derived, diagnostics } = compile({ path: "test.gm", text });
        if (!derived) {
          const codes = new Set(diagnostics.filter((d) => d.severity === "error").map((d) => d.code));
          // Chains whose shapes do not fit say nothing of orders.
          if (!codes.has("GM3721")) return;
          refused++;
          if (exact(chain)) {
            const other = loadModel(readable([start, ...chain].join(" |> ") + end, dims));
            const later = readsOf(other, shown).some((read, i) => [...read].some((j) => j >= i));
            expect(later, `${chain.join(" |> ")} is refused, and reads no entry too late`).toBe(true);
          }
          return;
        }
        accepted++;
        const loaded = loadModel(text);
        const [proven] = derived.context.sequential.get("p") ?? [];
        const size = shown.shape.reduce((n, s) => n * s, 1);
        const perPosition = size / (proven?.positions ?? size);
        const order = rankOf(placesOf(proven?.order ?? "natural", size / perPosition));
        const rank = (entry: number): number => (order[Math.floor(entry / perPosition)] ?? 0) * perPosition + (entry % perPosition);
        readsOf(loaded, shown).forEach((read, i) => {
          for (const j of read) expect(rank(j) < rank(i), `${text}: ${i + 1} reads ${j + 1}`).toBe(true);
        });
      }),
      { numRuns: Number(process.env["FUZZ_RUNS"] ?? 60) },
    );
    expect(accepted).toBeGreaterThan(5);
    expect(refused).toBeGreaterThan(5);
  });
});
