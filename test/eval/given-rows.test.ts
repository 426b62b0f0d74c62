/** Rows that a script hands over beside its data are held against the variable's domain, by the check that data go through. */
import { afterAll, describe, expect, it, test } from "vitest";
import { referenceEngine, train, type TrainedModel } from "../../src/runtime/index.js";
import type { Nested } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

const engine = referenceEngine;
const opened: TrainedModel[] = [];
afterAll(() => opened.forEach((each) => each.close()));
const trainedOn = async (text: string, data: Record<string, readonly Nested[]>): Promise<TrainedModel> => {
  const trained = await train(loadModel(text).model, { data, engine, lr: 1e-12 });
  opened.push(trained);
  return trained;
};
const modelOf = (domain: string, draw: string): string => `model M {
  data x : ${domain}
  param a : real = 0
  density p(x) { ${draw} }
  train { maximize log p(x) optimizer = sgd(lr = 0.1), batch = 1, steps = 1 }
  evaluate { ll = log p(x) }
}`;

describe.each<[string, string, readonly Nested[], readonly Nested[], string, RegExp]>([
  ["binary[2]", "x ~ Bernoulli(logits = a)", [[0, 1], [1, 1]], [[0, 1], [3, 0]], "GM5022", /expected 0 or 1\b.*, found 3 in/u], // prettier-ignore
  ["binary[2]", "x ~ Bernoulli(logits = a)", [[0, 1], [1, 1]], [[0, NaN]], "GM5022", /found no number/u], // prettier-ignore
  ["byte[2]", "x ~ DiscretizedLogistic(127 + a, 30)", [[0, 255], [3, 4]], [[0, 256]], "GM5022", /0\.\.255, found 256/u], // prettier-ignore
  ["byte[2]", "x ~ DiscretizedLogistic(127 + a, 30)", [[0, 255], [3, 4]], [[1.5, 100]], "GM5022", /found 1\.5/u], // prettier-ignore
  ["count[2]", "x ~ Poisson(exp(a))", [[0, 2], [1, 1]], [[1.5, 3]], "GM5032", /1\.5/u], // prettier-ignore
  ["count[2]", "x ~ Poisson(exp(a))", [[0, 2], [1, 1]], [[-1, 3]], "GM5032", /-1/u], // prettier-ignore
  ["unit[2]", "x ~ Beta(2 * exp(a), 2)", [[0.2, 0.5], [0.1, 0.9]], [[1.5, 0.5]], "GM5022", /in \[0, 1\], found 1\.5/u], // prettier-ignore
  ["unit[2]", "x ~ Beta(2 * exp(a), 2)", [[0.2, 0.5], [0.1, 0.9]], [[0.5, 1]], "GM5022", /no density at the ends?, found 1/u], // prettier-ignore
  ["positive[2]", "x ~ Gamma(2, exp(a))", [[0.2, 5], [1, 1]], [[1, -1]], "GM5022", /above 0, found -1/u], // prettier-ignore
  ["real[2]", "x ~ Normal(a, 1)", [[0.2, -5], [1, 1]], [[1, Infinity]], "GM5022", /finite number, found Infinity/u], // prettier-ignore
  ["category[3][2]", "x ~ Categorical(logits = a + zeros(3))", [[0, 2], [1, 1]], [[1, 3]], "GM5022", /category 0\.\.2, found 3/u], // prettier-ignore
  ["simplex[2]", "x ~ Dirichlet(exp(a) * ones(2))", [[0.2, 0.8], [0.5, 0.5]], [[0.5, 0.6]], "GM5022", /sum to 1, found a sum of 1\.1/u], // prettier-ignore
])("%s, %s", (domain, draw, right, wrong, code, message) => {
  test("logDensity refuses what the data may not hold, and by the same words", async () => {
    const text = modelOf(domain, draw);
    const trained = await trainedOn(text, { x: right });
    const found = await trained.logDensity(right);
    expect([...found!].every(Number.isFinite)).toBe(true);
    await expect(trained.logDensity(wrong)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    await expect(trained.logDensity(wrong)).rejects.toThrow(/in the rows given, row \d/u);
    const as = train(loadModel(text).model, { data: { x: right }, test: { x: wrong }, engine });
    await expect(as).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});

it("takes bytes that a flow dequantises to fewer levels by those levels", async () => {
  const trained = await trainedOn(
    `model B {
      data x : byte[2]  latent z : real[2]
      flow f on real[2] -> byte[2] = affine |> sigmoid |> dequantize(levels = 4)
      density p(x, z) { z ~ Normal(0, 1) x = f(z) }
      train { maximize log p(x) optimizer = sgd(lr = 0.1), batch = 1, steps = 1 }
      evaluate { ll = log p(x) }
    }`,
    { x: [[0, 3], [1, 2]] }, // prettier-ignore
  );
  await expect(trained.sample(1, { given: { x: [[0, 9]] } })).rejects.toMatchObject({ code: "GM5022" });
});

describe("known entries", () => {
  const text = (domain: string, net: string): string => modelOf(`${domain}[3]`, net);
  const mask = [[1, 0, 0], [1, 0, 1]]; // prettier-ignore
  test.each<[string, string, readonly number[], readonly number[]]>([
    ["binary", "x ~ Bernoulli(logits = a + (x |> nade(2)))", [0.5, 3, -2], [0, 1]],
    ["category[4]", "x ~ Categorical(logits = a + (onehot(x) |> masked_dense(4)))", [1.5, 4, -2], [0, 3]],
    ["byte", "x ~ DiscretizedLogistic(a + (x / 255 |> masked_dense(3)), 10)", [0.5, 256, -2], [0, 255]],
    ["positive", "x ~ LogNormal(a + (log(x) |> masked_dense(3)), 1)", [0, -1], [0.5, 7]],
  ])("of %s are values of it", async (domain, draw, wrong, right) => {
    const trained = await trainedOn(text(domain, draw), { x: [[1, 1, 1], [1, 1, 1]] }); // prettier-ignore
    const known = (first: number) => trained.sample(2, { known: { values: [[first, NaN, NaN], [first, -7.5, 1]], mask } }); // prettier-ignore
    for (const value of wrong) await expect(known(value)).rejects.toMatchObject({ code: "GM5022" });
    for (const value of right) expect((await known(value)).values["x"]!.data[0]).toBe(value);
    await expect(known(NaN)).rejects.toMatchObject({
      code: "GM4030",
      message: "entry 1 of `x` is held in row 1, where `values` has none (NaN)",
    });
  });
  test("are not missing in a category", async () => {
    const trained = await trainedOn(text("category[4]", "x ~ Categorical(logits = a + (onehot(x) |> masked_dense(4)))"), {
      x: [[1, 1, 1]],
    });
    const known = { values: [[-1, 2, 2]], mask: [[1, 0, 0]] };
    await expect(trained.sample(1, { known })).rejects.toMatchObject({ code: "GM4030" });
    expect([...(await trained.sample(1, { known: { values: [[-1, 2, 2]], mask: [[0, 1, 1]] } })).values["x"]!.data].slice(1)).toEqual([
      2, 2,
    ]);
  });
});

test("conditions are values of their variables", async () => {
  const trained = await trainedOn(
    `model C {
      data x : real[2], y : binary[2]
      param a : real = 0
      density p(x | y) { x ~ Normal(a * y, 1) }
      train { maximize log p(x | y) optimizer = sgd(lr = 0.1), batch = 1, steps = 1 }
    }`,
    { x: [[0, 0], [1, 1]], y: [[0, 1], [1, 1]] }, // prettier-ignore
  );
  expect([...(await trained.sample(2, { given: { y: 1 } })).values["y"]!.data]).toEqual([1, 1, 1, 1]);
  for (const y of [0.5, NaN, [[0, 1], [2, 1]]]) await expect(trained.sample(2, { given: { y } })).rejects.toMatchObject({ code: "GM5022" }); // prettier-ignore
});
