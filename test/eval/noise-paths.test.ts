/** Walks between draws of noise, of models that infer no latents: lines, and turns that keep its norm between those of the ends. */
import { expect, it } from "vitest";
import { referenceEngine } from "../../src/runtime/index.js";
import { circledLatents } from "../../src/runtime/eval/circled.js";
import { interpolateRows } from "../../src/runtime/eval/interpolate.js";
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
    // the norm goes along a line, the direction turns as far in each step
    const cos = (u: readonly number[], v: readonly number[]): number => u.reduce((s, e, k) => s + e * (v[k] ?? 0), 0) / norm(u) / norm(v);
    for (let step = 0; step < steps; step++) {
      expect(norm(circle(pair, step))).toBeCloseTo(norm(a) + (step / (steps - 1)) * (norm(b) - norm(a)), 4);
      if (step > 0) expect(Math.acos(cos(circle(pair, step - 1), circle(pair, step)))).toBeCloseTo(Math.acos(cos(a, b)) / (steps - 1), 3);
    }
  }
  trained.close();
});

it("stays between the norms of its ends, however far they point apart", () => {
  const ends = (a: readonly number[], b: readonly number[]): number[] => {
    const { data } = interpolateRows({ dtype: "f32", shape: [2, 2], data: Float32Array.of(...a, ...b) }, 1, 9, "spherical");
    return Array.from({ length: 9 }, (_, i) => Math.hypot(data[2 * i] ?? NaN, data[2 * i + 1] ?? NaN));
  };
  // nearly opposite, of norms 2 and 0.3: weights of unequal vectors would reach a norm of 7
  ends([2, 0], [-0.3, 0.02]).forEach((n, i) => expect(n).toBeCloseTo(2 + (i / 8) * (Math.hypot(0.3, 0.02) - 2), 5));
  // one at 0, which has no direction
  ends([2, 0], [0, 0]).forEach((n, i) => expect(n).toBeCloseTo(2 - i / 4, 5));
});

it("turns latents that are drawn from a Normal around 0, and no others", () => {
  const of = (draw: string): readonly string[] =>
    circledLatents(
      loadModel(`
model M {
  data x : real[3]
  latent z : real[2]
  param s : positive = 1, m : real[2] = 0
  net critic(x) = x |> dense(1) |> tanh |> sum
  density p(x, z) {
    z ~ ${draw}
    x = sum(z) * s + sum(m) * ones(3)
  }
  train { maximize WGAN(p, critic) over critic   batch = 2, steps = 1 }
}`).model,
    );
  for (const draw of ["Normal(0, 1)", "Normal(0, 2)", "Normal(0, s)"]) expect(of(draw)).toEqual(["z"]);
  for (const draw of ["Normal(m, 1)", "Normal(0, stack(1, 2))", "Uniform(-1, 1)", "Laplace(0, 1)"]) expect(of(draw)).toEqual([]);
});

it("leaves latents of another kind on the line", async () => {
  const uniform = loadModel(`
model Square {
  data x : real[3]
  latent z : real[3]
  net critic(x) = x |> dense(1) |> tanh |> sum
  density p(x, z) { z ~ Uniform(-1, 1)   x = z }
  train { maximize WGAN(p, critic) over critic   batch = 2, steps = 1 }
}`).model;
  const trained = await train(uniform, {
    data: datasetOf(uniform, { train: { x: new Float32Array(60) } }),
    engine: referenceEngine,
    seed: 3,
  });
  const walk = async (path: "linear" | "spherical"): Promise<readonly number[]> =>
    Array.from((await trained.interpolate(5, 5, { path, split: "train" })).shown["x"]?.data ?? []);
  const turned = await walk("spherical");
  expect(Math.max(...turned.map(Math.abs))).toBeLessThanOrEqual(1);
  expect(turned).toEqual(await walk("linear"));
  trained.close();
});
