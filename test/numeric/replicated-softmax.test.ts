/** Replicated softmax from its text: log Z of each length against sums over all documents, annealed importance sampling, perplexity, gradients. */
import { describe, expect, it } from "vitest";
import { explain } from "../../src/codegen/explain.js";
import { loadModel, runModel } from "../support/model.js";
import { printEvaluation } from "../../src/cli/run/report.js";
import { compile } from "../../src/compile.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { evaluate, referenceEngine, type Engine, type Evaluation } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";

const [V, H] = [4, 3];
const text = (train: string, evaluation: string): string => `
model Topics(V = ${V}, H = ${H}) {
  data v : count[V]
  latent h : binary[H]
  param W : real[V, H] init Normal(0, 0.9), a : real[H] init Normal(0, 0.5), b : real[V] init Normal(0, 0.7)
  density p(v, h) { energy -(v @ W @ h) - b @ v - sum(v) * (a @ h) }
  train { maximize log p(v) ${train}   batch = 2, epochs = 1 }
  evaluate { ${evaluation} }
}`;

interface Weights {
  readonly W: ArrayLike<number>;
  readonly a: ArrayLike<number>;
  readonly b: ArrayLike<number>;
}

/** -F without the base measure, by all states of h: the log of what one order of the words weighs. */
function logOrdered({ W, a, b }: Weights, v: readonly number[]): number {
  const N = v.reduce((s, n) => s + n, 0);
  let total = 0;
  for (let s = 0; s < 2 ** H; s++) {
    let minusE = v.reduce((t, n, i) => t + n * b[i]!, 0);
    for (let j = 0; j < H; j++) if ((s >> j) & 1) minusE += N * a[j]! + v.reduce((t, n, i) => t + n * W[i * H + j]!, 0);
    total += Math.exp(minusE);
  }
  return Math.log(total);
}

const logFactorial = (n: number): number => (n < 2 ? 0 : Math.log(n) + logFactorial(n - 1));
const logOrders = (v: readonly number[]): number => logFactorial(v.reduce((s, n) => s + n, 0)) - v.reduce((s, n) => s + logFactorial(n), 0);

/** Every document of N words. */
function documents(N: number, entries = V): number[][] {
  if (entries === 1) return [[N]];
  return Array.from({ length: N + 1 }, (_, n) => documents(N - n, entries - 1).map((rest) => [n, ...rest])).flat();
}

const logZ = (w: Weights, N: number): number => Math.log(documents(N).reduce((t, v) => t + Math.exp(logOrdered(w, v) + logOrders(v)), 0));

const rows = [
  [3, 0, 1, 0],
  [0, 6, 0, 0],
  [1, 1, 1, 1],
  [2, 5, 0, 2],
  [0, 0, 1, 0],
];
const total = (v: readonly number[]): number => v.reduce((s, n) => s + n, 0);

async function measured(
  engine: Engine,
  evaluation: string,
  seed: number,
  documents = rows,
): Promise<{ readonly evaluation: Evaluation; readonly w: Weights }> {
  const { model } = loadModel(text("by cd(k = 1)", evaluation));
  const dataset = datasetOf(model, { train: { v: Float32Array.from(documents.flat()) } });
  const weights = initialWeights(model, 5, dataset);
  const session = await engine.open();
  try {
    await writeAll(session, weights);
    const options = { session, model, dataset, seed, averaged: new Set<string>(), terms: false, reconstruction: false };
    const of = (name: string): ArrayLike<number> => weights.get(name)!.data;
    return { evaluation: await evaluate(options), w: { W: of("W"), a: of("a"), b: of("b") } };
  } finally {
    session.dispose();
  }
}

describe("replicated softmax", () => {
  const W = [0.3, -0.8, 1.2, 0.5, -0.4, 0.9, -1.1, 0.2, 0.6, 0.1, 0.7, -0.5];
  const w = { W, a: [0.2, -0.6, 0.4], b: [0.5, -0.3, 0.1, 0.8] };

  it("has exact densities of each length, which sum to one", () => {
    const loaded = loadModel(text("", ""));
    const all = documents(5);
    const both = [...rows, ...all];
    const { value } = runModel(loaded, ({ f, w: weights, x: data }) => ({ value: f("logPV")(weights, data["v"]) }), {
      data: { v: { shape: [both.length, V], data: both.flat() } },
      state: w,
    });
    rows.forEach((v, i) => expect(value![i]).toBeCloseTo(logOrdered(w, v) + logOrders(v) - logZ(w, total(v)), 9));
    expect(value!.slice(rows.length).reduce((s, l) => s + Math.exp(l), 0)).toBeCloseTo(1, 9);
  });

  it("is explained as what is reported, not as the log-probability that it is made of", () => {
    const { derived } = loadModel(text("", "ppl = perplexity(p)")).compiled;
    const [line] = derived ? explain(derived).evaluate : [];
    expect(line?.text).toBe("exp(mean((log(N! / prod(v!)) - log p(v)) / N)), N = sum(v), log p(v) = log sum[h](exp(-E(v, h))) - log Z");
    expect(line?.latex).toContain("\\log \\frac{N_m!}{\\prod_i v_{m, i}!} - \\log p(v_{m})");
  });

  it("measures what one order of the words weighs: perplexity, exactly", async () => {
    const { evaluation, w: own } = await measured(referenceEngine, "ppl = perplexity(p)", 1);
    const each = rows.map((v) => (logZ(own, total(v)) - logOrdered(own, v)) / total(v));
    expect(evaluation.metrics["ppl"]).toMatchObject({ bound: "exact", unit: "per ordered word" });
    expect(evaluation.metrics["ppl"]!.value).toBeCloseTo(Math.exp(each.reduce((s, l) => s + l, 0) / rows.length), 6);
  });

  it("estimates log Z of all lengths side by side within 0.1 nat", async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { evaluation, w: own } = await measured(onnxEngine, "logZ = ais(chains = 100, temperatures = 300) nll = -log p(v)", seed);
      const exact = rows.reduce((s, v) => s + logZ(own, total(v)), 0) / rows.length;
      expect(evaluation.metrics["logZ"]).toMatchObject({ rows: 5, partitions: [{ conditions: 4 }] });
      expect(Math.abs(evaluation.metrics["logZ"]!.value - exact)).toBeLessThan(0.1);
      const nll = rows.reduce((s, v) => s - logOrdered(own, v) - logOrders(v), 0) / rows.length + evaluation.metrics["logZ"]!.value;
      expect(evaluation.metrics["nll"]!.value).toBeCloseTo(nll, 4);
    }
  });

  it("takes fewer documents evenly spaced, and finds log Z for them alone", async () => {
    const ppl = "ppl = perplexity(p, rows = 2) by ais(chains = 200, temperatures = 200)";
    const { evaluation, w: own } = await measured(onnxEngine, ppl, 1);
    const taken = [rows[0]!, rows[2]!];
    const each = taken.map((v) => (logZ(own, total(v)) - logOrdered(own, v)) / total(v));
    // both have four words
    expect(evaluation.metrics["ppl"]).toMatchObject({
      rows: 2,
      bound: "estimate",
      partitions: [{ conditions: 1, chains: 200, temperatures: 200 }],
    });
    expect(Math.abs(evaluation.metrics["ppl"]!.value / Math.exp((each[0]! + each[1]!) / 2) - 1)).toBeLessThan(0.03);
  });

  it("leaves documents without words out, and says how many", async () => {
    const nothing = [0, 0, 0, 0];
    const some = [nothing, ...rows.slice(0, 3), nothing, ...rows.slice(3)];
    const { evaluation } = await measured(referenceEngine, "ppl = perplexity(p)", 1, some);
    const { evaluation: written } = await measured(referenceEngine, "ppl = perplexity(p)", 1);
    const { value } = evaluation.metrics["ppl"]!;
    expect(value).toBeCloseTo(written.metrics["ppl"]!.value, 10);
    expect(evaluation.metrics["ppl"]).toMatchObject({ rows: 5, wordless: { rows: 2, of: 7 } });
    const shown = printEvaluation(evaluation, false);
    expect(shown).toContain("5 rows with words (2 without are left out)");
    expect(shown).not.toContain("evenly spaced");
    await expect(measured(referenceEngine, "ppl = perplexity(p)", 1, [nothing])).rejects.toThrow("no train row of");
  });

  it("is refused where nothing is counted, and where log Z is out of reach", () => {
    const codes = (source: string): readonly string[] => compile({ path: "t.gm", text: source }).diagnostics.map((d) => d.code);
    const binary = text("by cd(k = 1)", "ppl = perplexity(p)").replace("count[V]", "binary[V]");
    expect(codes(binary)).toContain("GM3047");
    const large = text("by cd(k = 1)", "ppl = perplexity(p)").replace("H = 3", "H = 50");
    expect(codes(large).some((code) => code.startsWith("GM35") || code.startsWith("GM36"))).toBe(true);
  });
});

describe("perplexity of a mixture of documents", () => {
  it("is exact without an energy", async () => {
    const { model } = loadModel(`
model Documents(V = 3, K = 2) {
  data x : count[V]
  latent c : category[K]
  param w : real[K] init Normal(0, 1), beta : real[K, V] init Normal(0, 1)
  density p(x, c) {
    c ~ Categorical(logits = w)
    x ~ Multinomial(sum(x), logits = beta[c])
  }
  train { maximize log p(x) }
  evaluate { ppl = perplexity(p) }
}`);
    const dataset = datasetOf(model, { train: { x: Float32Array.of(2, 0, 1, 0, 4, 1) } });
    const weights = initialWeights(model, 3, dataset);
    const [w, beta] = [weights.get("w")!.data, weights.get("beta")!.data];
    const softmax = (l: readonly number[]): number[] => l.map((v) => Math.exp(v) / l.reduce((s, u) => s + Math.exp(u), 0));
    const logWord = (x: readonly number[]): number => {
      const p = softmax(Array.from(w)).map((pc, c) => {
        const words = softmax(Array.from(beta.slice(3 * c, 3 * c + 3)));
        return pc * x.reduce((t, n, v) => t * words[v]! ** n, 1);
      });
      return Math.log(p[0]! + p[1]!) / x.reduce((s, n) => s + n, 0);
    };
    const session = await referenceEngine.open();
    await writeAll(session, weights);
    const { metrics } = await evaluate({ session, model, dataset, seed: 1, averaged: new Set(), terms: false, reconstruction: false });
    expect(metrics["ppl"]!.value).toBeCloseTo(Math.exp(-(logWord([2, 0, 1]) + logWord([0, 4, 1])) / 2), 6);
    session.dispose();
  });
});
