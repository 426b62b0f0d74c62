/** Walks between draws of noise, of models that infer no latents: lines, and great circles that keep its norm. */
import { expect, it } from "vitest";
import { referenceEngine } from "../../src/runtime/index.js";
import { train } from "../../src/runtime/training.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

const { model } = loadModel(`
model Noise {
  data x : real[6], y : category[3]
  latent z : real[6]
  param w : real[1] = 1
  net critic(x) = x |> dense(1) |> tanh |> sum
  density p(x, z | y) {
    z ~ Normal(0, 1)
    x = z * w
  }
  train { maximize E[x ~ data, y ~ data, xf ~ p(x | y)](critic(x) - critic(xf)) over critic   batch = 2, steps = 1 }
}`);

it("goes from one draw to another, given the condition of its row", async () => {
  const data = datasetOf(model, { train: { x: new Float32Array(48), y: Int32Array.from({ length: 8 }, (_, i) => i % 3) } });
  const trained = await train(model, { data, engine: referenceEngine, seed: 3 });
  const [pairs, steps] = [3, 5];
  const norm = (row: readonly number[]): number => Math.hypot(...row);
  const walk = async (path: "linear" | "spherical"): Promise<(pair: number, step: number) => readonly number[]> => {
    const { data: from, shown } = await trained.interpolate(pairs, steps, { path, split: "train" });
    expect(from).toEqual({});
    expect(shown["x"]?.shape).toEqual([pairs * steps, 6]);
    return (pair, step) => Array.from(shown["x"]?.data ?? []).slice(6 * (pair * steps + step), 6 * (pair * steps + step + 1));
  };
  const [line, circle] = [await walk("linear"), await walk("spherical")];
  for (let pair = 0; pair < pairs; pair++) {
    const [a, b] = [line(pair, 0), line(pair, steps - 1)];
    expect(norm(a.map((v, k) => v - (b[k] ?? 0)))).toBeGreaterThan(0.5);
    line(pair, 2).forEach((v, k) => expect(v).toBeCloseTo(((a[k] ?? NaN) + (b[k] ?? NaN)) / 2, 5));
    circle(pair, 0).forEach((v, k) => expect(v).toBeCloseTo(a[k] ?? NaN, 5));
    expect(norm(circle(pair, 2))).toBeGreaterThan(norm(line(pair, 2)));
    // the middle of the great circle is the line's middle, longer: by 1 / cos of half the angle
    const cos = a.reduce((s, v, k) => s + v * (b[k] ?? 0), 0) / norm(a) / norm(b);
    expect(norm(circle(pair, 2)) / norm(line(pair, 2))).toBeCloseTo(1 / Math.cos(Math.acos(cos) / 2), 4);
  }
  trained.close();
});
