/**
 * Objectives of games between two distributions of three values, where a critic is a table and everything is known: at the best critic the gradient is
 * zero and the value is the divergence that the literature says (Goodfellow et al. 2014, theorem 1; Nowozin et al. 2016, tables 1, 5 and 6; Mao et al. 2017).
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";

/** Twenty rows of each. */
const data = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2];
const samples = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2];
const share = (rows: readonly number[]): readonly number[] => [0, 1, 2].map((k) => rows.filter((r) => r === k).length / rows.length);
const [P, Q] = [share(data), share(samples)] as [readonly number[], readonly number[]];
const over = (f: (p: number, q: number) => number): readonly number[] => P.map((p, k) => f(p, Q[k] ?? NaN));
const total = (f: (p: number, q: number) => number): number => over(f).reduce((a, b) => a + b, 0);

const table = "critic.embedding1.table";

/** Value of a statement of one update and its gradient in the table, at a critic that gives `values`. */
async function at(statement: string, values: readonly number[]): Promise<{ readonly value: number; readonly gradient: readonly number[] }> {
  const { model } = loadModel(`
model Pair {
  data x : category[3]
  data b : category[3]
  net critic(x) = x |> embedding(1) |> sum
  density p(x | b) { x = b }
  train { ${statement} over critic }
}`);
  const { gradients, value } = await gradientsOf(model, { weights: { [table]: values }, data: { x: data, b: samples }, rows: data.length });
  return { value: value.mean[0] ?? NaN, gradient: gradients[table]?.mean ?? [] };
}

const jensenShannon = total((p, q) => (p * Math.log((2 * p) / (p + q)) + q * Math.log((2 * q) / (p + q))) / 2);
const logRatio = over((p, q) => Math.log(p / q));
const variation = total((p, q) => Math.abs(p - q) / 2);

interface Case {
  readonly best: readonly number[];
  readonly divergence: number;
}

const cases: Readonly<Record<string, Case>> = {
  "GAN(p, critic)": { best: logRatio, divergence: 2 * jensenShannon - Math.log(4) },
  "GanJensenShannon(p, critic)": { best: logRatio, divergence: 2 * jensenShannon },
  "GanKL(p, critic)": { best: logRatio.map((r) => 1 + r), divergence: total((p, q) => p * Math.log(p / q)) },
  "GanReverseKL(p, critic)": { best: logRatio, divergence: total((p, q) => q * Math.log(q / p)) },
  "GanPearson(p, critic)": { best: over((p, q) => 2 * (p / q - 1)), divergence: total((p, q) => (p - q) ** 2 / q) },
  "GanHellinger(p, critic)": { best: logRatio.map((r) => r / 2), divergence: total((p, q) => (Math.sqrt(p) - Math.sqrt(q)) ** 2) },
  // the best critic is at infinity
  "GanTotalVariation(p, critic)": { best: over((p, q) => 20 * Math.sign(p - q)), divergence: variation },
  "SmoothGAN(p, critic, real = 0.9)": {
    best: over((p, q) => Math.log((0.9 * p) / (0.1 * p + q))),
    divergence: total((p, q) => 0.9 * p * Math.log((0.9 * p) / (p + q)) + (0.1 * p + q) * Math.log((0.1 * p + q) / (p + q))),
  },
  // f(u) = -p q / (p + q) / 2 of the values 1 and 0
  "-LeastSquares(p, critic)": { best: over((p, q) => p / (p + q)), divergence: -total((p, q) => (0.5 * p * q) / (p + q)) },
};

describe("objectives of games", () => {
  it.each(Object.entries(cases))(
    "the best critic of %s is where the gradient vanishes, and gives the divergence",
    async (objective, { best, divergence }) => {
      const { value, gradient } = await at(`maximize ${objective}`, best);
      expect(value).toBeCloseTo(divergence, 5);
      expect(gradient.length).toBe(3);
      gradient.forEach((g) => expect(Math.abs(g)).toBeLessThan(1e-6));
      // and nothing near it gives more
      for (const k of [0, 1, 2])
        for (const by of [-0.3, 0.3]) {
          const other = await at(
            `maximize ${objective}`,
            best.map((v, i) => (i === k ? v + by : v)),
          );
          expect(other.value).toBeLessThan(divergence + 1e-6);
        }
    },
  );

  it("the best critic of the hinge loss is the sign, and its value 2 TV - 2 (Miyato et al. 2018)", async () => {
    const { value } = await at(
      "maximize Hinge(p, critic)",
      over((p, q) => (p > q ? 1 : -1)),
    );
    expect(value).toBeCloseTo(2 * variation - 2, 6);
    const { gradient } = await at("maximize Hinge(p, critic)", [0, 0, 0]);
    over((p, q) => p - q).forEach((g, k) => expect(gradient[k]).toBeCloseTo(g, 6));
  });

  it("the generator's own objectives are the means that they say", async () => {
    const v = [0.4, -1.1, 2];
    const mean = (f: (d: number) => number): number => Q.reduce((sum, q, k) => sum + q * f(v[k] ?? NaN), 0);
    expect((await at("maximize NonSaturating(p, critic)", v)).value).toBeCloseTo(
      mean((d) => -Math.log1p(Math.exp(-d))),
      5,
    );
    expect((await at("maximize Fool(p, critic)", v)).value).toBeCloseTo(
      mean((d) => d),
      5,
    );
    expect((await at("minimize LeastSquaresFool(p, critic, real = 2)", v)).value).toBeCloseTo(
      mean((d) => 0.5 * (d - 2) ** 2),
      5,
    );
    const { value, gradient } = await at("maximize WGAN(p, critic)", v);
    expect(value).toBeCloseTo(
      P.reduce((s, p, k) => s + (p - (Q[k] ?? 0)) * (v[k] ?? 0), 0),
      5,
    );
    over((p, q) => p - q).forEach((g, k) => expect(gradient[k]).toBeCloseTo(g, 6));
  });

  it("least squares with b - c = 1 and b - a = 2 is Pearson's chi-square of p + q and 2 q (Mao et al. 2017, theorem 1)", async () => {
    // D's best is (b p + a q) / (p + q) of the codes b = 1 for data, a = -1 for samples; the generator's code is c = 0
    const best = over((p, q) => (p - q) / (p + q));
    const { gradient } = await at("minimize LeastSquares(p, critic, real = 1, fake = -1)", best);
    gradient.forEach((g) => expect(Math.abs(g)).toBeLessThan(1e-6));
    const onSamples = (await at("minimize LeastSquaresFool(p, critic, real = 0)", best)).value;
    const onData = P.reduce((s, p, k) => s + 0.5 * p * (best[k] ?? 0) ** 2, 0);
    const chi = total((p, q) => (2 * q - (p + q)) ** 2 / (p + q));
    expect(2 * (onSamples + onData)).toBeCloseTo(chi, 5);
  });
});
