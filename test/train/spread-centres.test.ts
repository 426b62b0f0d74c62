/** Centres of mixtures that start from rows of the data: by chance, `init data`, and spread, `init data(x)`, on a mixture whose parts are known. */
import { describe, expect, it } from "vitest";
import { hostStream, referenceEngine, train } from "gmc/runtime";
import { loadModel } from "../support/model.js";

const [K, EACH] = [9, 20];
const stream = hostStream(7, "rows");
/** On a grid, 10 apart, with noise of 0.3: a start that misses a part does not find it again. */
const planted = Array.from({ length: K }, (_, k) => [10 * (k % 3), 10 * Math.floor(k / 3)]);
const rows = planted.flatMap((centre) => Array.from({ length: EACH }, () => centre.map((v) => Math.fround(v + 0.3 * stream.normal()))));
const x = Float32Array.from(rows.flat());

const model = (start: string, statement: string): ReturnType<typeof loadModel>["model"] =>
  loadModel(`model M(K = ${K}) {
    data x : real[2]
    latent c : category[K]
    param w : real[K] = 0, mu : real[K, 2] init ${start}
    density p(x, c) { c ~ Categorical(logits = w)   x ~ Normal(mu[c], 1) }
    train { ${statement} }
  }`).model;

async function centres(start: string, statement: string, seed: number): Promise<readonly number[]> {
  const trained = await train(model(start, statement), { data: { x }, engine: referenceEngine, seed });
  const { mu } = await trained.weights();
  trained.close();
  return Array.from(mu?.data ?? [], Number);
}

/** Planted parts with a centre nearby. */
function found(mu: readonly number[]): number {
  return planted.filter((centre) =>
    Array.from({ length: K }, (_, k) => k).some((k) => centre.every((v, d) => Math.abs(v - mu[2 * k + d]!) < 1)),
  ).length;
}

const seeds = [0, 1, 2, 3, 4, 5];
const total = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + n, 0);

describe.each([
  ["by em", "maximize log p(x) by em   epochs = 10"],
  ["as k-means by em", "maximize max[c](log p(x, c)) by em   epochs = 10"],
  ["as k-means on batches", `maximize max[c](log p(x, c))   optimizer = sgd(lr = 0.5), batch = ${(K * EACH) / 2}, epochs = 20`],
])("%s", (_, statement) => {
  it("finds nearly all parts from a spread start, and fewer from one by chance", async () => {
    const count = (start: string): Promise<readonly number[]> =>
      Promise.all(seeds.map(async (seed) => found(await centres(start, statement, seed))));
    const [spread, chance] = [await count("data(x)"), await count("data")];
    expect(total(spread)).toBeGreaterThanOrEqual(seeds.length * (K - 0.5));
    expect(total(spread)).toBeGreaterThan(total(chance) + seeds.length);
  });

  it("is a function of the seed", async () => {
    const first = await centres("data(x)", statement, 3);
    expect(await centres("data(x)", statement, 3)).toEqual(first);
    expect(await centres("data(x)", statement, 4)).not.toEqual(first);
  });
});
