/**
 * Every distribution by each of the ways to give its parameters, also in the form that log p is rewritten to (`probs = sigmoid(…)`), alone and mixed,
 * with and without its own entries before it: it trains, and what is drawn follows the log-density. E_p[p'(x) / p(x)] = 1 for p' of other weights, where
 * both have one support. At a temperature below 1 samples are less varied, or it is refused.
 */
import { describe, expect, it } from "vitest";
import { distributions, type Distribution, type DistributionParameter } from "../../src/ir/distributions.js";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import { type Loaded, loadModel, runModel } from "../support/model.js";

const [T, K, rows] = [3, 2, 1200];
/** Its support moves with the parameters. A Delta has no density to train by, and stands in none of the cases. */
const noRatio = new Set(["Uniform"]);

/** `probs = sigmoid(a)` is `logits = a`. */
const rewritten = new Set(["Bernoulli", "Binomial", "Categorical", "OneHotCategorical"]);

interface Case {
  readonly name: string;
  readonly text: string;
  readonly entry: Distribution;
  readonly mixture: boolean;
  readonly own: boolean;
  /** Whether a temperature moves it. */
  readonly cooled: boolean;
}

const domainText: Readonly<Record<string, string>> = { category: "category[2]" };

function caseOf(entry: Distribution, list: readonly DistributionParameter[], mixture: boolean, own: boolean, weights = "logits"): Case {
  const [domain = "real"] = entry.domains;
  const vector = entry.eventRank === 1;
  const shape = vector ? `[${T}, 2]` : `[${T}]`;
  const scaled = { category: "onehot(x)", count: "log1p(x)", byte: "(x / 100)" }[domain as string] ?? "tanh(x)";
  const params: string[] = [];
  // [T], or [T, 2] where the parameter has an axis of its own, or components
  const raw = (wide: boolean): string => {
    if (!own) {
      const name = `b${params.length}`;
      params.push(`param ${name} : real[${wide ? `${T}, ${K}` : T}] init Normal(0, 0.7)`);
      return name;
    }
    const before = vector
      ? `(${scaled} |> causal_conv(${K}, 2, strict = true))`
      : domain === "category"
        ? `(${scaled} |> masked_dense(${wide ? K : 1}))`
        : `(${scaled} |> masked_dense(${T}${wide ? `, channels = ${K}` : ""}))`;
    return `0.3 * ${before}`;
  };
  const value = (p: DistributionParameter, more: boolean): string => {
    if (p.rank === 2)
      return (
        { factor: "3 * ones(1, 2)", scale_tril: "stack(stack(0.8, 0), stack(0.3, 0.4))" }[p.name] ??
        "stack(stack(0.8, 0.1), stack(0.1, 0.6))"
      );
    const net = raw(p.rank === 1 || more);
    if (p.domain === "positive") return domain === "byte" ? `5 * exp(${net})` : `exp(${net})`;
    if (p.domain === "unit") return `sigmoid(1 + ${net})`;
    if (p.name === "logits" && p.rank === 0) return `1 + ${net}`;
    if (p.domain === "simplex") return `softmax(${net})`;
    if (p.domain === "count") return "4";
    if (entry.name === "Uniform") return p.name === "low" ? "0" : `1 + exp(${net})`;
    return domain === "byte" && p.name === "loc" ? `100 + 20 * (${net})` : net;
  };
  const call = `${entry.name}(${list.map((p) => `${p.name} = ${value(p, mixture)}`).join(", ")})`;
  const weight = weights === "logits" ? raw(true) : `softmax(${raw(true)})`;
  const dist = mixture ? `Mixture(${weights} = ${weight}, of = ${call})` : call;
  const text = `model M { data x : ${domainText[domain] ?? domain}${shape}  ${params.join("  ")}  density p(x) { x ~ ${dist} }
    train { maximize log p(x)  optimizer = adam(lr = 0.9), batch = 20, steps = 1 } }`;
  const written = list.some((p) => p.temperature !== undefined);
  const cooled = (written || (rewritten.has(entry.name) && list.some((p) => p.name === "probs"))) && (!mixture || weights === "logits");
  const ways = list.map((p) => p.name).join(", ");
  const name = `${mixture ? `Mixture(${weights}) of ` : ""}${entry.name}(${ways})${own ? ", given earlier entries" : ""}`;
  return { name, text, entry, mixture, own, cooled };
}

const cases = [...distributions.values()].flatMap((entry) =>
  entry.mixes || entry.name === "Delta"
    ? []
    : entry.parameters.flatMap((list) =>
        [false, true].flatMap((own) => {
          const mixed = entry.eventRank === 0 && entry.values !== "classes" && !entry.parameters.flat().some((p) => p.rank > 0);
          return [
            caseOf(entry, list, false, own),
            ...(mixed ? [caseOf(entry, list, true, own), caseOf(entry, list, true, own, "probs")] : []),
          ];
        }),
      ),
);

/** Rows of data in the domain. */
function dataOf({ entry }: Case): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const [domain = "real"] = entry.domains;
  const width = entry.eventRank === 1 ? 2 : 1;
  const wave = (i: number): number => Math.sin(i * i + i);
  const first = (i: number): number => (wave(Math.floor(i / 2)) > 0 ? 0 : 1);
  const at: Readonly<Record<string, (i: number) => number>> = {
    real: (i) => (entry.name === "Uniform" ? (1 + wave(i)) / 2 : wave(i)),
    positive: (i) => Math.exp(wave(i)),
    unit: (i) => (1 + 0.9 * wave(i)) / 2,
    simplex: (i) => (1 + (i % 2 === 0 ? 0.6 : -0.6) * wave(Math.floor(i / 2))) / 2,
    binary: (i) => (width === 2 ? Number(first(i) === i % 2) : Number(wave(i) > 0)),
    category: (i) => Number(wave(i) > 0),
    count: (i) => (width === 2 ? (i % 2 === 0 ? 1 : 3) : Math.floor(2 + 1.9 * wave(i))),
    byte: (i) => Math.floor(100 + 30 * wave(i)),
  };
  const shape = [40, T, ...(width === 2 ? [2] : [])];
  return { shape, data: Float32Array.from({ length: 40 * T * width }, (_, i) => at[domain]?.(i) ?? 0) };
}

function logs(
  loaded: Loaded,
  { entry }: Case,
  data: readonly number[],
  state: Readonly<Record<string, readonly number[]>>,
): readonly number[] {
  const shape = [rows, T, ...(entry.eventRank === 1 ? [2] : [])];
  const dtype = entry.domains[0] === "category" ? "i32" : "f32";
  return runModel(loaded, ({ f, w, x }) => ({ log: f("logP")(w, x["x"]) }), { data: { x: { shape, data, dtype } }, state })["log"] ?? [];
}

/** Of draws of the first entry, which none comes before: entropy of what has few values, else the mean distance to the median. */
function spread(entry: Distribution, data: readonly number[]): number {
  const [width, step] = [entry.eventRank === 1 ? 2 : 1, data.length / rows];
  const draws = Array.from({ length: rows }, (_, row) => data.slice(row * step, row * step + width));
  if (
    entry.parameters.flat().some((p) => p.name === "logits" && p.temperature !== undefined) &&
    entry.discrete &&
    entry.domains[0] !== "byte"
  ) {
    const counts = new Map<string, number>();
    for (const draw of draws) counts.set(draw.join(), (counts.get(draw.join()) ?? 0) + 1 / rows);
    return [...counts.values()].reduce((h, p) => h - p * Math.log(p), 0);
  }
  const distance = (axis: number): number => {
    const values = draws.map((d) => d[axis] ?? 0).sort((a, b) => a - b);
    const middle = values[rows / 2] ?? 0;
    return (values.map((v) => Math.abs(v - middle)).sort((a, b) => a - b)[rows / 2] ?? 0) + 1e-12;
  };
  return Array.from({ length: width }, (_, axis) => distance(axis)).reduce((a, b) => a + b, 0);
}

describe.each(cases)("$name", (made) => {
  it("trains, and draws what its log-density says", async () => {
    const loaded = loadModel(made.text);
    const trained = await train(loaded.model, { data: { x: dataOf(made) }, engine: referenceEngine, seed: 1 });
    const state = Object.fromEntries(Object.entries(await trained.weights()).map(([path, t]) => [path, Array.from(t.data)]));
    const x = Array.from((await trained.sample(rows, { seed: 3 })).values["x"]!.data);
    const at = logs(loaded, made, x, state);
    expect(at.every((l) => Number.isFinite(l))).toBe(true);
    const stream = hostStream(4, "weights");
    const other = Object.fromEntries(Object.entries(state).map(([path, values]) => [path, values.map((v) => v + 0.12 * stream.normal())]));
    if (!noRatio.has(made.entry.name)) {
      const ratios = logs(loaded, made, x, other).map((l, i) => Math.exp(l - (at[i] ?? 0)));
      const mean = ratios.reduce((a, b) => a + b, 0) / rows;
      const variance = ratios.reduce((a, b) => a + (b - mean) ** 2, 0) / rows;
      expect(variance).toBeGreaterThan(1e-6);
      expect(Math.abs(mean - 1) / Math.sqrt(variance / rows)).toBeLessThan(4.5);
    }
    if (!made.own) return;
    const cold = trained.sample(rows, { seed: 3, temperature: 0.25 });
    if (!made.cooled) return expect(cold).rejects.toMatchObject({ code: "GM4031" });
    const [before, after] = [x, Array.from((await cold).values["x"]!.data)].map((draws) => spread(made.entry, draws));
    expect(after).toBeLessThan(0.85 * (before ?? 0));
  });
});

it("of a location and a scale, at temperature t, the scale is t times as large", () => {
  const powers = [...distributions.values()].filter((d) => d.locScale).map((d) => d.parameters[0]?.map((p) => p.temperature));
  for (const each of powers) expect(each).toEqual([undefined, 1]);
});
