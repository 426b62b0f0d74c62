/** Exact sums over latents whose entries never meet, each entry by itself: against enumeration of all joint states in plain loops. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { explain, printExplanation } from "../../src/codegen/explain.js";
import type { Tensor } from "../../src/runtime/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel, runModel, type Loaded } from "../support/model.js";
import { logSoftmax, logSumExp, spread } from "../support/numbers.js";

const ROWS = 3;

const logBernoulli = (z: number, logit: number): number => -Math.log1p(Math.exp(z === 1 ? -logit : logit));
const logNormal = (x: number, loc: number, scale = 1): number =>
  -0.5 * ((x - loc) / scale) ** 2 - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);
const sumOf = (n: number, f: (i: number) => number): number => Array.from({ length: n }, (_, i) => f(i)).reduce((a, b) => a + b, 0);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

type Numbers = Record<string, number[]>;

function measured(loaded: Loaded, weights: Numbers, data: Numbers): Record<string, readonly number[]> {
  const lines = Object.entries(loaded.model.evaluate ?? {});
  return runModel(
    loaded,
    ({ w, x }) =>
      Object.fromEntries(
        lines.flatMap(([name, m]) => (m.kind === "rows" ? [[name, (m.value as (at: unknown) => Tensor)({ w, data: x })]] : [])),
      ),
    { state: weights, data: Object.fromEntries(Object.entries(data).map(([n, d]) => [n, shaped(loaded, n, d)])), mode: "eval" },
  );
}

function shaped(loaded: Loaded, name: string, data: readonly number[]): { shape: readonly number[]; data: readonly number[] } {
  const spec = Object.assign({}, ...loaded.model.streams)[name] as { readonly shape: readonly number[] };
  return { shape: [ROWS, ...spec.shape], data };
}

const close = (got: readonly number[] | undefined, wanted: readonly number[], tolerance = 1e-9): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((v, i) => expect(Math.abs(got![i]! - v), `${i}: ${got![i]} for ${v}`).toBeLessThan(tolerance * Math.max(1, Math.abs(v))));
};
const explained = (loaded: Loaded): string => printExplanation(explain(loaded.compiled.derived!));

describe("a latent of 30 bits", () => {
  const D = 30;
  const model = (lines: string): string => `model M(D = ${D}) {
    data x : real[D]
    latent z : binary[D]
    param a : real[D], b : real[D]
    density p(x, z) {
      z ~ Bernoulli(logits = b)
      x ~ Normal(2 * a * z, 1)
    }
    ${lines}
  }`;
  const weights = { a: spread(D, 1, 1), b: spread(D, 1, 2) };
  const data = { x: spread(D * ROWS, 1, 3) };
  const value = ({ a, b }: Numbers): number[] =>
    range(ROWS).map((r) =>
      sumOf(D, (i) => logSumExp([0, 1].map((z) => logBernoulli(z, b![i]!) + logNormal(data.x[r * D + i]!, 2 * a![i]! * z)))),
    );

  it("is summed entry by entry", () => {
    const loaded = loadModel(model("evaluate { ll = log p(x) }"));
    close(measured(loaded, weights, data)["ll"], value(weights));
    expect(explained(loaded)).toContain("exact: summed out each entry by itself, at most 2 states at once");
  });

  it("has an average over its posterior, entry by entry where what is averaged is too", () => {
    const loaded = loadModel(model("evaluate { fit = E[z ~ p(z | x)](log p(x | z))   entropy = E[z ~ p(z | x)](-log p(z | x)) }"));
    const found = measured(loaded, weights, data);
    const each = (r: number, i: number): { joint: number[]; seen: number[]; total: number } => {
      const seen = [0, 1].map((z) => logNormal(data.x[r * D + i]!, 2 * weights.a[i]! * z));
      const joint = seen.map((l, z) => l + logBernoulli(z, weights.b[i]!));
      return { joint, seen, total: logSumExp(joint) };
    };
    const average = (f: (e: ReturnType<typeof each>, z: number) => number): number[] =>
      range(ROWS).map((r) =>
        sumOf(D, (i) => {
          const e = each(r, i);
          return sumOf(2, (z) => Math.exp(e.joint[z]! - e.total) * f(e, z));
        }),
      );
    close(
      found["fit"],
      average((e, z) => e.seen[z]!),
    );
    close(
      found["entropy"],
      average((e, z) => e.total - e.joint[z]!),
    );
    const { diagnostics } = compile({ path: "m.gm", text: model("evaluate { m = E[z ~ p(z | x)](square(sum(z))) }") });
    expect(diagnostics.map((d) => d.code)).toContain("GM3531");
  });

  it("has averages of sums over its entries, and the most probable ones", () => {
    const loaded = loadModel(
      model(`evaluate {
        weighted = E[z ~ p(z | x)](sum(a * z))
        mean = E[z ~ p(z | x)](x[2] * mean(z) / 3 - 2)
        third = E[z ~ p(z | x)](z[3])
        bent = E[z ~ p(z | x)](log p(x | z) + 2 * sigmoid(a[3] * z[3]))
        residuals = E[z ~ p(z | x)](sum((x - 2 * a * z)^2))
        best = max[z](log p(x, z))
      }`),
    );
    const found = measured(loaded, weights, data);
    const [a, b] = [weights.a, weights.b];
    const seen = (r: number, i: number, z: number): number => logNormal(data.x[r * D + i]!, 2 * a[i]! * z);
    const joint = (r: number, i: number): number[] => [0, 1].map((z) => seen(r, i, z) + logBernoulli(z, b[i]!));
    const one = (r: number, i: number): number => Math.exp(joint(r, i)[1]! - logSumExp(joint(r, i)));
    const both = (r: number, i: number, f: (z: number) => number): number => (1 - one(r, i)) * f(0) + one(r, i) * f(1);
    const rows = (f: (r: number) => number): number[] => range(ROWS).map(f);
    const sum = (r: number, f: (i: number) => number): number => sumOf(D, f);
    close(
      found["weighted"],
      rows((r) => sum(r, (i) => a[i]! * one(r, i))),
    );
    close(
      found["mean"],
      rows((r) => (data.x[r * D + 1]! * sum(r, (i) => one(r, i))) / D / 3 - 2),
    );
    close(
      found["third"],
      rows((r) => one(r, 2)),
    );
    close(
      found["bent"],
      rows((r) => sum(r, (i) => both(r, i, (z) => seen(r, i, z))) + 2 * both(r, 2, (z) => 1 / (1 + Math.exp(-a[2]! * z)))),
    );
    close(
      found["residuals"],
      rows((r) => sum(r, (i) => both(r, i, (z) => (data.x[r * D + i]! - 2 * a[i]! * z) ** 2))),
    );
    close(
      found["best"],
      rows((r) => sum(r, (i) => Math.max(...joint(r, i)))),
    );
  });

  it("has the gradient of the sum", async () => {
    const loaded = loadModel(model(`train { maximize log p(x)   batch = ${ROWS} }`));
    const { gradients } = await gradientsOf(loaded.model, {
      weights,
      data: { x: data.x },
      rows: ROWS,
    });
    for (const [name, w] of Object.entries(weights)) {
      const at = (i: number, h: number): number =>
        value({ ...weights, [name]: w.map((v, j) => (j === i ? v + h : v)) }).reduce((s, v) => s + v, 0) / ROWS;
      close(
        gradients[name]?.mean,
        w.map((_, i) => (at(i, 1e-4) - at(i, -1e-4)) / 2e-4),
        1e-5,
      );
    }
  });
});

it("labels in rows of a matrix, of which each draws a row of the data, beside one label of all", () => {
  const [N, K, D, G] = [12, 3, 2, 4];
  const loaded = loadModel(`model R {
    data x : real[${N}, ${D}]
    latent g : category[${G}], c : category[${K}][${N}], z : binary[${N}]
    param start : real[${G}], A : real[${G}, ${K}], mu : real[${K}, ${D}], b : real[${K}], s : real[${G}]
    density p(x, g, c, z) {
      g ~ Categorical(logits = start)
      c ~ Categorical(logits = A[g])
      z ~ Bernoulli(logits = b[c])
      x ~ Normal(mu[c] + reshape(z, [${N}, 1]), exp(s[g]))
    }
    evaluate { ll = log p(x)   alone = log p(x | g = 1) }
  }`);
  const w: Numbers = { start: spread(G, 1, 1), A: spread(G * K, 1, 2), mu: spread(K * D, 1, 3), b: spread(K, 1, 4), s: spread(G, 1, 5) };
  const data = { x: spread(ROWS * N * D, 1, 6) };
  const given = (r: number, g: number): number =>
    sumOf(N, (n) =>
      logSumExp(
        range(K).flatMap((c) =>
          [0, 1].map(
            (z) =>
              logSoftmax(w["A"]!.slice(g * K, g * K + K))[c]! +
              logBernoulli(z, w["b"]![c]!) +
              sumOf(D, (d) => logNormal(data.x[(r * N + n) * D + d]!, w["mu"]![c * D + d]! + z, Math.exp(w["s"]![g]!))),
          ),
        ),
      ),
    );
  const found = measured(loaded, w, data);
  close(
    found["ll"],
    range(ROWS).map((r) => logSumExp(range(G).map((g) => logSoftmax(w["start"]!)[g]! + given(r, g)))),
  );
  close(
    found["alone"],
    range(ROWS).map((r) => given(r, 1)),
  );
});

it("a chain of vectors of bits, each of which follows the bit before it", () => {
  const [T, D] = [4, 12];
  const loaded = loadModel(`model C {
    data x[t in 1..${T}] : real[${D}]
    latent z[t in 1..${T}] : binary[${D}]
    param a : real, b : real, mu : real[${D}]
    density p(x, z) {
      z[1] ~ Bernoulli(logits = mu)
      for t in 2..${T} { z[t] ~ Bernoulli(logits = a * z[t - 1] + b) }
      for t in 1..${T} { x[t] ~ Normal(mu * z[t], 1) }
    }
    evaluate { ll = log p(x) }
  }`);
  const w: Numbers = { a: [0.8], b: [-0.3], mu: spread(D, 1, 1) };
  const data = Object.fromEntries(range(T).map((t) => [`x[${t + 1}]`, spread(ROWS * D, 1, 10 + t)]));
  const chain = (r: number, d: number): number =>
    logSumExp(
      range(2 ** T).map((s) => {
        const z = range(T).map((t) => (s >> t) & 1);
        return sumOf(T, (t) => {
          const from = t === 0 ? w["mu"]![d]! : w["a"]![0]! * z[t - 1]! + w["b"]![0]!;
          return logBernoulli(z[t]!, from) + logNormal(data[`x[${t + 1}]`]![r * D + d]!, w["mu"]![d]! * z[t]!);
        });
      }),
    );
  close(
    measured(loaded, w, data)["ll"],
    range(ROWS).map((r) => sumOf(D, (d) => chain(r, d))),
  );
  expect(explained(loaded)).toContain("along the chain, each entry by itself, at most 4 states at once");
});

describe("where entries meet", () => {
  const refused = (loc: string, more = ""): string => {
    const { diagnostics } = compile({
      path: "m.gm",
      text: `model M { data x : real[30]  latent z : binary[30]  param W : real[30, 30]${more}
        density p(x, z) { z ~ Bernoulli(logits = 0)   x ~ Normal(${loc}, 1) }
        evaluate { ll = log p(x) } }`,
    });
    const [found] = diagnostics.filter((d) => d.code === "GM3501");
    return found?.notes?.join("\n") ?? "";
  };
  it.each([
    ["a product with a matrix", "W @ z", "`x` reads several of its entries together"],
    ["their sum", "sum(z) + z", "`x` reads"],
    ["another entry", "reverse(z)", "`x` reads"],
    ["one of them for all", "z[1] * z", "`x` reads"],
  ])("%s is no sum over each", (_, loc, reason) => {
    expect(refused(loc)).toContain(reason);
  });
});
