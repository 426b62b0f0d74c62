/** What follows variables that are held: latents by the inverse of a flow and by a posterior in closed form, against formulas; notes of all others. */
import { describe, expect, it } from "vitest";
import { referenceEngine, train, type TrainedSession } from "../../src/runtime/index.js";
import { loadModel } from "../support/model.js";

const rows = { shape: [40, 3], data: Float32Array.from({ length: 120 }, (_, i) => Math.sin(i * i)) };
const labels = { shape: [40], data: Int32Array.from({ length: 40 }, (_, i) => i % 2) };
const bits = { shape: [40, 3], data: Float32Array.from({ length: 120 }, (_, i) => Number(Math.sin(i * i) > 0)) };

async function trained(body: string, objective: string, data: object = { x: rows }): Promise<TrainedSession> {
  const text = `model M { ${body}  train { ${objective}  optimizer = sgd(lr = 0.01), batch = 20, steps = 1 } }`;
  return train(loadModel(text).model, { data: data as never, engine: referenceEngine, seed: 1 });
}

async function notesOf(session: TrainedSession, options: object): Promise<readonly string[]> {
  const notes: string[] = [];
  await session.sample(4, { ...options, onNote: (note) => notes.push(note) });
  return notes;
}

const held = { shape: [4, 3], data: Float32Array.from({ length: 12 }, (_, i) => i / 4) };

describe("latents that are known in closed form", () => {
  const flow =
    "latent z : real[3]  data x : real[3]  param m : real[3]  flow f on real[3] { forward(z) = 2 * z + 1  inverse(x) = (x - 1) / 2 }";

  it.each([
    ["as flows have them", "", "maximize log p(x)"],
    [
      "beside a density that infers them",
      "density q(z | x) { z ~ Normal(x |> dense(3), 1) }",
      "maximize log p(x) + 0 * E[z ~ q(z | x)](sum(z))",
    ],
  ])("are the inverse of the flow, %s", async (_, more, objective) => {
    const session = await trained(`${flow}  density p(x, z) { z ~ Normal(m, 1)  x = f(z) }  ${more}`, objective);
    const { values } = await session.sample(4, { given: { x: held } });
    expect(Array.from(values["x"]!.data)).toEqual(Array.from(held.data));
    Array.from(values["z"]!.data).forEach((z, i) => expect(z).toBeCloseTo((held.data[i]! - 1) / 2, 6));
    expect(await notesOf(session, { given: { x: held } })).toEqual([]);
  });

  it("are drawn from the posterior of a linear normal model", async () => {
    const session = await trained(
      "latent z : real  data x : real[3]  param w : real[3] init Normal(0, 1)  density p(x, z) { z ~ Normal(0, 1)  x ~ Normal(w * z, 0.5) }",
      "maximize log p(x)",
    );
    const { w } = await session.weights();
    const [one, n] = [[0.7, -0.4, 1.3], 4000];
    const { values } = await session.sample(n, {
      given: { x: { shape: [n, 3], data: Float32Array.from({ length: 3 * n }, (_, i) => one[i % 3]!) } },
    });
    const precision = 1 + Array.from(w!.data).reduce((s, v) => s + v * v, 0) / 0.25;
    const mean = one.reduce((s, x, i) => s + x * w!.data[i]!, 0) / 0.25 / precision;
    const z = Array.from(values["z"]!.data);
    const found = z.reduce((a, b) => a + b, 0) / n;
    expect(Math.abs(found - mean) * Math.sqrt(n * precision)).toBeLessThan(4);
    expect((z.reduce((s, v) => s + (v - found) ** 2, 0) / n) * precision).toBeCloseTo(1, 0.9);
  });

  it("are refused where no inverse makes what is held", async () => {
    const net = await trained(
      "latent z : real[3]  data x : real[3]  param m : real[3]  density p(x, z) { z ~ Normal(0, 1)  x = z |> dense(3) }  density r(x) { x ~ Normal(m, 1) }",
      "maximize log r(x)",
    );
    await expect(net.sample(4, { given: { x: held } })).rejects.toMatchObject({ code: "GM4009", help: ["hold `z` instead"] });
    const given = await trained(
      "latent z : real[3]  data x : real[3], y : category[2]  net shift(h, e) = concat(h, e) |> dense(4)  flow f(z | e) on real[3] = coupling(shift(e))  density p(x, y, z) { y ~ Categorical(logits = zeros(2))  z ~ Normal(0, 1)  x = f(z | onehot(y)) }",
      "maximize log p(x, y)",
      { x: rows, y: labels },
    );
    await expect(given.sample(4, { given: { x: held } })).rejects.toMatchObject({
      code: "GM4009",
      help: ["hold `y`, too: the inverse is given it", "hold `y`, `z` instead"],
    });
  });
});

describe("what is drawn before a held variable", () => {
  it("is told, with its names, whether the variable is held or known in part", async () => {
    const session = await trained(
      "data x : binary[3], y : category[2]  density p(x, y) { y ~ Categorical(logits = zeros(2))  x ~ Bernoulli(logits = (x |> nade(4)) + (onehot(y) |> dense(3))) }",
      "maximize log p(x, y)",
      { x: bits, y: labels },
    );
    const x = { shape: [4, 3], data: bits.data.slice(0, 12) };
    const mask = { shape: [4, 3], data: Float32Array.from({ length: 12 }, (_, i) => Number(i % 3 === 0)) };
    expect(await notesOf(session, { given: { x } })).toEqual(["`y` is drawn before `x`, which is held: it does not follow it"]);
    expect(await notesOf(session, { known: { values: x, mask } })).toEqual([
      "`y` is drawn before `x`, part of which is known: it does not follow it",
    ]);
    expect(await notesOf(session, { given: { y: 1 }, known: { values: x, mask } })).toEqual([]);
    expect(await notesOf(session, { given: { y: 1 } })).toEqual([]);
  });

  it("is told through what lies between, up to what is held", async () => {
    const session = await trained(
      "latent a : real, b : real, c : real  data x : real[3]  density p(x, a, b, c) { a ~ Normal(0, 1)  b ~ Normal(tanh(a), 1)  c ~ Normal(0, 1)  x ~ Normal(tanh(b) * ones(3) + m, 1) }  density q(a, b, c | x) { a ~ Normal(s, 1)  b ~ Normal(0, 1)  c ~ Normal(0, 1) }  param m : real[3], s : real",
      "maximize E[a, b, c ~ q(a, b, c | x)](log p(x, a, b, c) - log q(a, b, c | x))",
    );
    expect(await notesOf(session, { given: { x: held } })).toEqual(["`a`, `b` are drawn before `x`, which is held: they do not follow it"]);
    expect(await notesOf(session, { given: { x: held, b: 0.3 } })).toEqual([
      "`a` is drawn before `b`, which is held: it does not follow it",
    ]);
    expect(await notesOf(session, { given: { a: 0.3, b: 0.3, x: held } })).toEqual([]);
  });
});

describe("rows of the data, where no split is told", () => {
  const text =
    "model M { data x : real[3], c : real[2]  density p(x | c) { x ~ Normal(c |> dense(3), 1) }  train { maximize log p(x | c)  optimizer = sgd(lr = 0.01), batch = 20, steps = 1 } }";
  const c = (n: number, at: number) => ({ shape: [n, 2], data: Float32Array.from({ length: 2 * n }, (_, i) => at + i) });
  const test = { x: { shape: [5, 3], data: rows.data.slice(0, 15) }, c: c(5, 1000) };
  const open = () => train(loadModel(text).model, { data: { x: rows, c: c(40, 0) }, test, engine: referenceEngine, seed: 1 });

  it("are of the split that is measured alone: as conditions over and over, as rows that are asked for as many as there are", async () => {
    const session = await open();
    const { values } = await session.sample(7);
    expect(Array.from(values["c"]!.data)).toEqual([0, 1, 2, 3, 4, 0, 1].flatMap((row) => [1000 + 2 * row, 1001 + 2 * row]));
    expect(Array.from(session.data(5)["c"]!.data)).toEqual(Array.from(test.c.data));
    expect(() => session.data(6)).toThrow(/5 test rows, and 6 are asked for/u);
  });
});
