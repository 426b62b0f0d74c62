/** Conditionals, free energies, partition functions and their gradients against enumeration and quadrature in plain numbers. */
import { describe, expect, it } from "vitest";
import {
  conditional,
  freeEnergy,
  grad,
  logPartition,
  marginal,
  mean,
  meanUnits,
  neg,
  partitionChunk,
  sub,
  sum,
  constant,
  type Conditional,
  type Tensor,
} from "../../src/runtime/index.js";
import {
  bruteLogSum,
  cases,
  caseOf,
  eachState,
  feedsOf,
  lawless,
  logSum,
  run,
  weightsOf,
  type Assignment,
  type Case,
} from "./energy-cases.js";

/** A few joint states, spread over all. */
function someStates(c: Case, names: readonly string[], count = 5): Assignment[] {
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(
      names.map((name, j) => {
        const atoms = c.atoms[name]!;
        // of real ones such as are not far in the tails
        const near = atoms.filter((a) => a.value.every((v) => Math.abs(v) < 2.5 || a.logMeasure === 0));
        return [name, near[Math.floor(((i + 1) * 0.618 + j * 0.37 + i * j * 0.11) * 1e3) % near.length]!.value];
      }),
    ),
  );
}

const names = (c: Case): string[] => Object.keys(c.model.units);

/** E[f(value)] and log p of every atom of `name` given the rest. */
function bruteConditional(c: Case, name: string, row: Assignment): { logProbs: number[]; atoms: Case["atoms"][string] } {
  const atoms = c.atoms[name]!;
  const w = weightsOf(c);
  const logs = atoms.map((a) => a.logMeasure - c.energy(w, { ...row, [name]: a.value }));
  const z = logSum(logs);
  return { logProbs: logs.map((l) => l - z), atoms };
}

function numbersOf(c: Conditional): Record<string, Tensor> {
  switch (c.kind) {
    case "normal":
      return { loc: c.loc, scale: c.scale };
    case "jointNormal":
      return { loc: c.loc, tril: c.precisionTril };
    default:
      return { logits: c.logits };
  }
}

/** log p of one value by the law itself. */
function lawLogProb(c: Case, name: string, value: readonly number[], logits: readonly number[]): number {
  const units = c.model.units[name]!;
  switch (units.kind) {
    case "bernoulli":
      return value.reduce((s, v, i) => s + v * logits[i]! - Math.log1p(Math.exp(logits[i]!)), 0);
    case "categorical":
      return value.reduce((s, v, i) => {
        const l = logits.slice(i * units.classes, (i + 1) * units.classes);
        return s + l[v]! - logSum(l);
      }, 0);
    case "multinomial": {
      const z = logSum(logits);
      return value.reduce((s, v, i) => s + v * (logits[i]! - z), 0);
    }
    case "oneOfBlock": {
      // two blocks of 2 x 2 in [2, 4, 1]
      const blocks = [0, 2].map((j) => [j, j + 1, 4 + j, 5 + j]);
      return blocks.reduce(
        (s, block) => s + block.reduce((t, i) => t + value[i]! * logits[i]!, 0) - logSum([0, ...block.map((i) => logits[i]!)]),
        0,
      );
    }
    default:
      throw new Error(units.kind);
  }
}

describe.each(cases)("$title", (c) => {
  const all = names(c);
  const w = weightsOf(c);

  it("has the conditionals of its joint", () => {
    const rows = someStates(c, all);
    for (const name of all) {
      const units = c.model.units[name]!;
      if (lawless(c).includes(name)) {
        expect(() => run(c, (w, x) => ({ m: meanUnits(c.model, w, x, name) }), feedsOf(c, rows, all))).toThrow(
          "no conditional in closed form",
        );
        continue;
      }
      const others = all.filter((n) => n !== name || units.kind === "multinomial");
      const got = run(
        c,
        (w, x) => ({ ...numbersOf(conditional(c.model, w, x, name)), mean: meanUnits(c.model, w, x, name) }),
        feedsOf(c, rows, others),
      );
      rows.forEach((row, r) => {
        const per = (list: readonly number[]): number[] =>
          list.slice((list.length / rows.length) * r, (list.length / rows.length) * (r + 1));
        const { logProbs, atoms } = bruteConditional(c, name, row);
        if (units.kind === "normal" || units.kind === "jointNormal") {
          const D = units.shape[0]!;
          const expectation = (f: (v: readonly number[]) => number): number =>
            atoms.reduce((s, a, i) => s + Math.exp(logProbs[i]!) * f(a.value), 0);
          const loc = per(got["loc"]!);
          const l = got["tril"] && got["tril"].length > D * D ? per(got["tril"]) : got["tril"];
          for (let i = 0; i < D; i++) {
            expect(loc[i]).toBeCloseTo(
              expectation((v) => v[i]!),
              8,
            );
            for (let j = 0; j <= i; j++) {
              const covariance = expectation((v) => (v[i]! - loc[i]!) * (v[j]! - loc[j]!));
              let claimed = i === j && got["scale"] ? per(got["scale"])[i]! ** 2 : 0;
              if (l) {
                const [a, b, d] = [l[0]!, l[2]!, l[3]!];
                const precision = [a * a, a * b, a * b, b * b + d * d] as const;
                const det = precision[0] * precision[3] - precision[1] * precision[2];
                claimed = [precision[3] / det, 0, -precision[2] / det, precision[0] / det][i * 2 + j]!;
              }
              expect(claimed).toBeCloseTo(covariance, 8);
            }
          }
          return;
        }
        const logits = per(got["logits"]!);
        const base = atoms.map((a) => lawLogProb(c, name, a.value, logits) + a.logMeasure);
        base.forEach((l, i) => expect(l).toBeCloseTo(logProbs[i]!, 9));
        if (units.kind !== "categorical") {
          const m = per(got["mean"]!);
          m.forEach((v, i) =>
            expect(v).toBeCloseTo(
              atoms.reduce((s, a, k) => s + Math.exp(logProbs[k]!) * a.value[i]!, 0),
              9,
            ),
          );
        }
      });
    }
  });

  it("sums hidden units out", () => {
    const rows = someStates(c, c.rest);
    const got = run(
      c,
      (w, x) => ({
        closed: freeEnergy(c.model, w, x, { sum: c.sum }),
        ...(c.model.units[c.sum[0]!]!.kind === "normal" ? {} : { listed: freeEnergy(c.model, w, x, { enumerate: c.sum }) }),
      }),
      feedsOf(c, rows, c.rest),
    );
    rows.forEach((row, r) => {
      const measures = c.rest.reduce((s, name) => {
        const units = c.model.units[name]!;
        return units.kind === "multinomial" ? s + c.atoms[name]!.find((a) => String(a.value) === String(row[name]))!.logMeasure : s;
      }, 0);
      const exact = -(bruteLogSum(c, w, c.sum, row) + measures);
      for (const list of Object.values(got)) expect(list[r]).toBeCloseTo(exact, 8);
    });
  });

  it("has the log partition function of its joint, however it is split", () => {
    const exact = bruteLogSum(c, w, all);
    for (const [sum, enumerate] of c.splits) {
      const { z } = run(c, (w) => ({ z: logPartition(c.model, w, {}, { sum, enumerate, ...(c.totals && { totals: c.totals }) }) }));
      expect(z).toHaveLength(1);
      expect(z![0]).toBeCloseTo(exact, 8);
    }
  });

  it("has the gradient of log p(v) by exact surrogates", () => {
    const split = c.splits[0]!;
    const rows = someStates(c, c.rest, 3);
    const leaves = Object.keys(c.weights);
    const got = run(
      c,
      (w, x) => {
        const free = freeEnergy(c.model, w, x, { sum: c.sum });
        const z = logPartition(c.model, w, {}, { sum: split[0], enumerate: split[1], ...(c.totals && { totals: c.totals }) });
        const logP = mean(sub(neg(free), z));
        const gradients = grad(
          logP,
          leaves.map((name) => w[name]!),
        );
        return Object.fromEntries(leaves.map((name, i) => [name, gradients[i]!]));
      },
      feedsOf(c, rows, c.rest),
    );
    const logP = (w: Assignment): number =>
      rows.reduce((s, row) => s + bruteLogSum(c, w, c.sum, row), 0) / rows.length - bruteLogSum(c, w, all);
    // Each weight of the smaller models; of the larger ones the first few, for time.
    for (const name of leaves) {
      const few = w[name]!.slice(0, c.atoms[c.rest[0]!]!.length > 1000 ? 2 : undefined);
      few.forEach((value, i) => {
        const moved = (by: number): Assignment => ({ ...w, [name]: w[name]!.map((v, j) => (j === i ? v + by : v)) });
        const step = 1e-4;
        expect(got[name]![i]).toBeCloseTo((logP(moved(step)) - logP(moved(-step))) / (2 * step), 6);
        expect(value).toBe(w[name]![i]);
      });
    }
  });
});

describe("free energies", () => {
  it("are differentiable twice", () => {
    // d2F/dv2 of the Gaussian-Bernoulli RBM against differences of the brute gradient.
    const c = caseOf("Gaussian-Bernoulli RBM with its own deviations");
    const row = { v: [0.4, -0.7] };
    const got = run(
      c,
      (w, x) => {
        const [g] = grad(sum(freeEnergy(c.model, w, x, { sum: ["h"] })), [x["v"]!]);
        const [h] = grad(sum(g!), [x["v"]!]);
        return { g: g!, h: h! };
      },
      feedsOf(c, [row], ["v"]),
    );
    const w = weightsOf(c);
    const free = (v: number[]): number => -bruteLogSum(c, w, ["h"], { v });
    const e = 1e-3;
    const at = (dx: number, dy: number): number => free([row.v[0]! + dx, row.v[1]! + dy]);
    const hxx = (at(e, 0) - 2 * at(0, 0) + at(-e, 0)) / e ** 2;
    const hyy = (at(0, e) - 2 * at(0, 0) + at(0, -e)) / e ** 2;
    const hxy = (at(e, e) - at(e, -e) - at(-e, e) + at(-e, -e)) / (4 * e ** 2);
    expect(got["g"]![0]).toBeCloseTo((at(e, 0) - at(-e, 0)) / (2 * e), 5);
    expect(got["h"]![0]).toBeCloseTo(hxx + hxy, 5);
    expect(got["h"]![1]).toBeCloseTo(hyy + hxy, 5);
  });

  it("nest: real units integrated after hidden ones", () => {
    // Real hidden units integrated couple the visible ones; of the Gaussian-Gaussian model both go in closed form.
    const c = caseOf("RBM with real hidden units");
    const m = marginal(c.model, { sum: ["h"] }, { sweep: [] });
    const { z } = run(c, (w) => ({ z: logPartition(m, w, {}, { enumerate: ["v"] }) }));
    expect(z![0]).toBeCloseTo(bruteLogSum(c, weightsOf(c), ["h", "v"]), 8);
  });

  it("come in chunks of states", () => {
    const c = caseOf("categories");
    const chunk = 10;
    const { z } = run(c, (w) => {
      // 27 states of y and c in 3 chunks, the last one not full
      let acc: Tensor = constant(-Infinity);
      for (let i = 0; i < 3; i++)
        acc = partitionChunk(c.model, w, {}, acc, constant(i, [], "i32"), { sum: ["h"], enumerate: ["y", "c"], chunk });
      return { z: acc };
    });
    expect(z![0]).toBeCloseTo(bruteLogSum(c, weightsOf(c), ["h", "y", "c"]), 9);
  });

  it("names what is missing", () => {
    const c = caseOf("DBM with three hidden layers");
    const rows = someStates(c, ["h1"]);
    // v needs h1 alone; h1 needs h2 as well
    expect(run(c, (w, x) => ({ m: meanUnits(c.model, w, x, "v") }), feedsOf(c, rows, ["h1"]))["m"]).toHaveLength(15);
    expect(() => run(c, (w, x) => ({ m: meanUnits(c.model, w, x, "h1") }), feedsOf(c, rows, ["h1"]))).toThrow("without a value");
    expect(() => run(c, (w, x) => ({ m: freeEnergy(c.model, w, x, { sum: ["h2"] }) }), feedsOf(c, rows, ["h1"]))).toThrow(
      "without a value",
    );
    expect(() => run(c, (w) => ({ m: logPartition(c.model, w, {}, { sum: ["h1"], enumerate: ["v"] }) }))).toThrow("unsummed");
    const counts = caseOf("replicated softmax");
    expect(() => run(counts, (w) => ({ m: logPartition(counts.model, w, {}, { sum: ["v"], enumerate: ["h"] }) }))).toThrow("no total");
    expect(() => run(counts, (w) => ({ m: logPartition(counts.model, w, {}, { sum: ["h"], enumerate: ["v"] }) }))).toThrow(
      "no finite list",
    );
  });

  it("enumerates each joint state once", () => {
    // log of the number of states: the partition function of no energy at all
    for (const c of cases) {
      const finite = names(c).filter((n) =>
        ["bernoulli", "categorical", "oneOfBlock", "binary", "category"].includes(c.model.units[n]!.kind),
      );
      const flatModel = { ...c.model, units: Object.fromEntries(finite.map((n) => [n, c.model.units[n]!])), energy: () => constant(0) };
      let states = 0;
      eachState(c, finite, {}, () => void states++);
      const { z } = run(c, (w) => ({ z: logPartition(flatModel, w, {}, { enumerate: finite, lead: [] }) }));
      expect(Math.exp(z![0]!)).toBeCloseTo(states, 4);
    }
  });
});
