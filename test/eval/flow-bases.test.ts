/** Flows whose base has variables above it: what the inverse knows, what a posterior gives from there, and the temperature of all of them. */
import { describe, expect, it } from "vitest";
import { train, type TrainedSession } from "../../src/runtime/node/index.js";
import { loadModel } from "../support/model.js";
import { normals } from "../support/flow-model.js";

const x = { shape: [32, 2], data: Float32Array.from(normals(1, 64)) };

/** x = 2 z + 1 */
const flow = "flow f on real[2] { forward(z) = 2 * z + 1  inverse(x) = (x - 1) / 2 }";

function trained(
  declared: string,
  body: string,
  head = "x, z, u",
  data: object = { x },
  objective = Object.keys(data).join(", "),
): Promise<TrainedSession> {
  const text = `model M { latent z : real[2]  data x : real[2] ${declared}  ${flow}  density p(${head}) { ${body} }  train { maximize log p(${objective})  optimizer = sgd(lr = 0.01), steps = 1, batch = 16 } }`;
  return train(loadModel(text).model, { data: data as never, engine: "reference", seed: 2 });
}

const mixture = (): Promise<TrainedSession> =>
  trained(
    "latent u : category[3]  param mu : real[3, 2] init Normal(0, 2)",
    "u ~ Categorical(logits = zeros(3))  z ~ Normal(mu[u], 1)  x = f(z)",
  );
const hierarchy = (): Promise<TrainedSession> => trained("latent u : real[2]", "u ~ Normal(0, 1)  z ~ Normal(u, 0.5)  x = f(z)");

async function draw(
  session: TrainedSession,
  count: number,
  options: object,
): Promise<{ notes: string[]; values: Record<string, Float32Array> }> {
  const notes: string[] = [];
  const { values } = await session.sample(count, { seed: 5, ...options, onNote: (note) => notes.push(note) });
  return { notes, values: Object.fromEntries(Object.entries(values).map(([name, v]) => [name, Float32Array.from(v.data)])) };
}

const sd = (values: Float32Array, mean = 0): number => Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length);

describe("latents that a flow maps to data", () => {
  it("are its inverse under a mixture, of which the component follows, drawn from its posterior", async () => {
    const session = await mixture();
    const { notes, values } = await draw(session, 32, { given: { x } });
    values["z"]!.forEach((z, i) => expect(z).toBeCloseTo((x.data[i]! - 1) / 2, 5));
    expect(notes).toEqual([]);
    session.close();
  });

  it("are its inverse under a normal, which is drawn from its posterior", async () => {
    const session = await hierarchy();
    const n = 4000;
    const one = { shape: [n, 2], data: Float32Array.from({ length: 2 * n }, () => 3) };
    const { notes, values } = await draw(session, n, { given: { x: one } });
    expect(notes).toEqual([]);
    expect(values["z"]!.every((z) => Math.abs(z - 1) < 1e-5)).toBe(true);
    // 1 / (1 + 1 / 0.25) = 0.2, and 0.2 * 1 / 0.25
    const mean = values["u"]!.reduce((s, v) => s + v, 0) / (2 * n);
    expect(Math.abs(mean - 0.8) * Math.sqrt((2 * n) / 0.2)).toBeLessThan(4);
    expect(sd(values["u"]!, mean) ** 2).toBeCloseTo(0.2, 1.5);
    session.close();
  });

  it.each([
    ["a mixture", mixture],
    ["a normal", hierarchy],
  ])("reconstruct and interpolate rows under %s", async (_, model) => {
    const session = await model();
    const { data, shown } = await session.reconstruct(8);
    data["x"]!.data.forEach((v, i) => expect(shown["x"]!.data[i]).toBeCloseTo(v, 5));
    const between = await session.interpolate(2, 5);
    const ends = [0, 4, 5, 9].flatMap((row) => Array.from(between.shown["x"]!.data.slice(2 * row, 2 * row + 2)));
    ends.forEach((v, i) => expect(v).toBeCloseTo(between.data["x"]!.data[i]!, 5));
    session.close();
  });

  it("do not stand for what other data are drawn given", async () => {
    const session = await trained(
      ", y : real  latent u : category[3]  param mu : real[3, 2] init Normal(0, 2)",
      "u ~ Categorical(logits = zeros(3))  z ~ Normal(mu[u], 1)  x = f(z)  y ~ Normal(onehot(u) |> dense(1) |> flatten |> sum, 1)",
      "x, y, z, u",
      { x, y: { shape: [32], data: Float32Array.from(normals(3, 32)) } },
    );
    const { values } = await draw(session, 32, { given: { x } });
    values["z"]!.forEach((z, i) => expect(z).toBeCloseTo((x.data[i]! - 1) / 2, 5));
    const { data, shown } = await session.reconstruct(4);
    data["x"]!.data.forEach((v, i) => expect(shown["x"]!.data[i]).toBeCloseTo(v, 5));
    session.close();
  });
});

describe("a temperature", () => {
  it("scales every level above a flow", async () => {
    const session = await hierarchy();
    const { values: warm } = await draw(session, 200, {});
    const { values: cold } = await draw(session, 200, { temperature: 0.1 });
    cold["u"]!.forEach((u, i) => expect(u).toBeCloseTo(0.1 * warm["u"]![i]!, 5));
    cold["z"]!.forEach((z, i) => expect(z).toBeCloseTo(0.1 * warm["z"]![i]!, 5));
    cold["x"]!.forEach((v, i) => expect(v).toBeCloseTo(2 * cold["z"]![i]! + 1, 5));
    session.close();
  });

  it("scales flows beside what is drawn entry by entry, and what is drawn after", async () => {
    const session = await trained(
      ", y : real[2], v : real[2]",
      "z ~ Normal(0, 1)  x = f(z)  y ~ Normal((y |> made([6])) + x, 0.5)  v ~ Normal(x, 1)",
      "x, y, v, z",
      { x, y: x, v: x },
    );
    const { values: warm } = await draw(session, 50, {});
    const { values: cold } = await draw(session, 50, { temperature: 0.1 });
    cold["z"]!.forEach((z, i) => expect(z).toBeCloseTo(0.1 * warm["z"]![i]!, 5));
    cold["v"]!.forEach((v, i) => expect(v - cold["x"]![i]!).toBeCloseTo(0.1 * (warm["v"]![i]! - warm["x"]![i]!), 5));
    session.close();
  });

  it.each([
    ["above", "u ~ StudentT(5, 0, 1)  z ~ Normal(u, 0.5)  x = f(z)", "x, z, u", { x, u: x }],
    ["beside", "z ~ StudentT(5, 0, 1)  x = f(z)  u ~ Normal((u |> made([6])) + x, 0.5)", "x, z, u", { x, u: x }],
  ])("is refused where noise has none, %s", async (_, body, head, data) => {
    const session = await trained(", u : real[2]", body, head, data);
    await expect(draw(session, 8, { temperature: 0.5 })).rejects.toMatchObject({ code: "GM4009" });
    session.close();
  });
});
