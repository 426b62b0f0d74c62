/** Translation between two streams: there, and back where a density leads back; which densities are such. */
import { describe, expect, it } from "vitest";
import { openSession, referenceEngine, type TrainedSession } from "gmc/runtime";
import { drawTranslations } from "../../src/cli/run/pictures.js";
import { directionsOf } from "../../src/runtime/eval/translate.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "../support/model.js";

const model = (densities: string): string => `
model Translator {
  data a : unit[4, 4, 1]
  data b : unit[4, 4, 1]
  net critic(x) = x |> patch_critic(2) |> mean
  ${densities}
  train {
    maximize E[a ~ data](critic(a)^2) - E[b ~ data](critic(b)^2) over critic
    batch = 2
  }
}`;
const there = "density p(b | a) { b = 0.5 * a }";
const back = "density q(a | b) { a = 1 - b }";

async function opened(text: string): Promise<TrainedSession> {
  const { model: definition } = loadModel(text);
  const session = await referenceEngine.open();
  const rows = (scale: number): Float32Array => Float32Array.from({ length: 3 * 16 }, (_, i) => scale * (i / 48));
  const dataset = datasetOf(definition, { train: { a: rows(1), b: rows(0.9) } });
  await writeAll(session, initialWeights(definition, 3, dataset));
  return openSession({ session, model: definition, dataset, seed: 5, averaged: new Set(), step: 0 });
}

describe("translations", () => {
  it("go there and back by the model's own densities", async () => {
    const trained = await opened(model(`${there}\n  ${back}`));
    const ways = await trained.translate(2);
    expect(ways.map(({ from, to }) => [from, to])).toEqual([
      ["a", "b"],
      ["b", "a"],
    ]);
    const [forth, reverse] = ways;
    expect(forth?.data.shape).toEqual([2, 4, 4, 1]);
    for (let i = 0; i < 32; i++) {
      const [a, b] = [i / 48, (0.9 * i) / 48];
      expect(forth?.data.data[i]).toBeCloseTo(a, 6);
      expect(forth?.there.data[i]).toBeCloseTo(0.5 * a, 6);
      expect(forth?.back?.data[i]).toBeCloseTo(1 - 0.5 * a, 6);
      expect(reverse?.there.data[i]).toBeCloseTo(1 - b, 6);
      expect(reverse?.back?.data[i]).toBeCloseTo(0.5 * (1 - b), 6);
    }
    expect((await drawTranslations(trained, 3)).map((d) => `${d.stem}.${d.extension}`)).toEqual([
      "translations-a-b.png",
      "translations-b-a.png",
    ]);
    trained.close();
  });

  it("go one way where nothing leads back", async () => {
    const trained = await opened(model(there));
    const [only, ...more] = await trained.translate(1);
    expect(more).toEqual([]);
    expect(only?.back).toBeUndefined();
    trained.close();
  });

  it("of pairs stand beside the truth, whatever noise is drawn with them", async () => {
    const { model: definition } = loadModel(`
model Pairs {
  data a : unit[4, 4, 1], b : unit[4, 4, 1]
  latent z : real
  net G(a) = a |> flatten |> dense(16) |> sigmoid |> reshape([4, 4, 1])
  density p(b, z | a) {
    z ~ Normal(0, 1)
    b = 0.5 * a + 0 * z
  }
  train { minimize E[b ~ data](mean((b - G(a))^2)) over G   batch = 2 }
}`);
    const session = await referenceEngine.open();
    const rows = (scale: number): Float32Array => Float32Array.from({ length: 3 * 16 }, (_, i) => scale * (i / 48));
    const dataset = datasetOf(definition, { train: { a: rows(1), b: rows(0.9) } });
    await writeAll(session, initialWeights(definition, 3, dataset));
    const trained = openSession({ session, model: definition, dataset, seed: 5, averaged: new Set(), step: 0 });
    const [only, ...more] = await trained.translate(2);
    expect(more).toEqual([]);
    expect(only).toMatchObject({ from: "a", to: "b" });
    expect(only?.back).toBeUndefined();
    for (let i = 0; i < 32; i++) {
      expect(only?.data.data[i]).toBeCloseTo(i / 48, 6);
      expect(only?.there.data[i]).toBeCloseTo((0.5 * i) / 48, 6);
      expect(only?.truth?.data[i]).toBeCloseTo((0.9 * i) / 48, 6);
    }
    const [drawing, ...others] = await drawTranslations(trained, 3);
    expect(others).toEqual([]);
    expect(drawing?.stem).toBe("translations-a-b");
    trained.close();
  });

  it("are drawn of pictures alone: not of labels that a picture is conditioned on", async () => {
    const { model: conditional } = loadModel(`
model Conditional {
  data x : unit[4, 4, 1], y : category[3]
  net G(y) = onehot(y) |> dense(16) |> sigmoid |> reshape([4, 4, 1])
  density p(x | y) { x = G(y) }
  train { minimize E[x ~ data](mean((x - G(y))^2)) over G   batch = 2 }
}`);
    expect(directionsOf(conditional)).toMatchObject([{ from: "y", to: "x", paired: true }]);
    const session = await referenceEngine.open();
    const dataset = datasetOf(conditional, { train: { x: new Float32Array(48), y: Int32Array.of(0, 1, 2) } });
    await writeAll(session, initialWeights(conditional, 3, dataset));
    const trained = openSession({ session, model: conditional, dataset, seed: 5, averaged: new Set(), step: 0 });
    expect(await drawTranslations(trained, 3)).toEqual([]);
    trained.close();
  });
});
