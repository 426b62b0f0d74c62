/**
 * Masked layers over places of several values, flattened on the way: their masks, the weights and the axes of what they give are those that the
 * compiler proves, in every order. Each density sums to 1 over all configurations, and parameters change with earlier entries alone.
 */
import { describe, expect, it } from "vitest";
import { loadModel, runModel } from "../support/model.js";
import { readsOf, type Shown, someWeights, totalMass } from "../support/ordered.js";

const orders = ['"natural"', '"reverse"', "2", "[3, 1, 4, 2]"];
/** What lies between the places and the last layer; `flatten` follows. */
const middles = [
  "masked_dense(5, ORDER) |> tanh |>",
  "masked_dense(3, ORDER) |> tanh |> flatten |> masked_dense(4, channels = 2, ORDER) |>",
];

const binary = (net: string): string => `model M { data x : binary[4, 2]  density p(x) { x ~ Bernoulli(logits = ${net}) }
  train { maximize log p(x) } }`;

const ranksIn: Readonly<Record<string, readonly number[]>> = {
  '"natural"': [0, 1, 2, 3],
  '"reverse"': [3, 2, 1, 0],
  "[3, 1, 4, 2]": [1, 3, 0, 2],
};

function earlierAlone(loaded: ReturnType<typeof loadModel>, shown: Shown, ranks: readonly number[] | undefined): void {
  if (ranks === undefined) return;
  readsOf(loaded, shown).forEach((read, i) => {
    for (const j of read) expect(ranks[j], `${i + 1} reads ${j + 1}`).toBeLessThan(ranks[i] ?? 0);
  });
}

describe.each(orders)("flattened on the way, in the order %s", (order) => {
  const at = (text: string): string => text.replaceAll("ORDER", `order = ${order}`);
  const ranks = ranksIn[order];

  it.each(middles)("categories by %s", (middle) => {
    const net = at(`onehot(x) |> ${middle} flatten |> masked_dense(4, channels = 3, ORDER)`);
    const text = `model M { data x : category[3][4]  density p(x) { x ~ Categorical(logits = ${net}) }  train { maximize log p(x) } }`;
    const [loaded, shown] = [loadModel(text), { shape: [4], states: 3, dtype: "i32" } as const];
    expect(totalMass(loaded, shown)).toBeCloseTo(1, 8);
    earlierAlone(loaded, shown, ranks);
  });

  it.each(middles)("rows of two by %s", (middle) => {
    const loaded = loadModel(binary(at(`x |> ${middle} flatten |> masked_dense(4, channels = 3, ORDER) |> dense(2)`)));
    expect(totalMass(loaded, { shape: [4, 2] })).toBeCloseTo(1, 8);
    earlierAlone(
      loaded,
      { shape: [4, 2] },
      ranks?.flatMap((r) => [r, r]),
    );
  });
});

describe("rows of values have an axis of their own", () => {
  const of = (last: string) =>
    loadModel(`model M { data x : real[4, 4]
      density p(x) { x ~ Normal(x |> masked_dense(11) |> tanh |> flatten |> masked_dense(4, channels = 1)${last}, 0.5) }  train { maximize log p(x) } }`);

  it("each reads the rows before it", () => {
    readsOf(of(" |> dense(4)"), { shape: [4, 4] }).forEach((read, i) => {
      const before = Math.floor(i / 4) * 4;
      expect([...read].sort((a, b) => a - b)).toEqual(Array.from({ length: before }, (_, j) => j));
    });
  });

  it("rows of a batch of as many do not meet", () => {
    const loaded = of("");
    const data = Array.from({ length: 64 }, (_, i) => Math.sin(3 * i));
    const logs = (rows: readonly number[]): readonly number[] =>
      runModel(loaded, ({ f, w, x }) => ({ log: f("logP")(w, x["x"]) }), {
        data: { x: { shape: [rows.length / 16, 4, 4], data: rows } },
        state: someWeights(loaded),
      })["log"] ?? [];
    const together = logs(data);
    together.forEach((log, row) => expect(log).toBeCloseTo(logs(data.slice(16 * row, 16 * (row + 1)))[0] ?? NaN, 10));
  });
});

it.each([
  ["behind a causal convolution", "x |> causal_conv(3, 2, strict = true) |> flatten |> masked_dense(4, channels = 1) |> dense(2)"],
  ["shifted", "sh(x |> flatten |> masked_dense(4, channels = 2) |> flatten |> masked_dense(4, channels = 1)) |> dense(2)"],
  [
    "by chance",
    "x |> masked_dense(3) |> flatten |> masked_dense(7, channels = 2, seed = 3) |> tanh |> flatten |> masked_dense(8) |> reshape(4, 2)",
  ],
])("hidden units of several values, %s", (_, net) => {
  const text = binary(net).replace("density", "net sh(v) = pad(v, low = [1, 0], high = [0, 0])[1..4]  density");
  const loaded = loadModel(text);
  expect(totalMass(loaded, { shape: [4, 2] })).toBeCloseTo(1, 8);
  earlierAlone(loaded, { shape: [4, 2] }, [0, 1, 2, 3, 4, 5, 6, 7]);
});
