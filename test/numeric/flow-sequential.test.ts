/**
 * The sequential direction of autoregressive flows at sizes that no one would unroll: round trips, densities, gradients, and what the graph holds.
 */
import { describe, expect, it } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { Bijector, Tensor } from "../../src/runtime/index.js";
import { noise } from "./flow-cases.js";
import { array, single, type Feeds } from "./flow-runs.js";

type Values = Readonly<Record<string, Tensor>>;

/** Five layers, reversed between them, with hidden units by degrees and, in the middle, a permutation. */
const LAYERS = 5;
const HIDDEN = 24;

function weightsOf(size: number): Feeds {
  return Object.fromEntries(
    Array.from({ length: LAYERS }, (_, l) => [
      [`in${l}`, array([size, HIDDEN], 10 + l, 1.5 / Math.sqrt(size))] as const,
      [`out${l}`, array([HIDDEN, 2 * size], 20 + l, 0.4)] as const,
      [`bias${l}`, array([2 * size], 30 + l, 0.5)] as const,
    ]).flat(),
  );
}

/** Hidden unit h sees entries up to place h * size / HIDDEN; entry i sees hidden units of earlier places alone. */
function netOf(w: Values, layer: number, size: number, given?: Tensor): (t: Tensor) => Tensor {
  const degree = (h: number): number => Math.floor((h * (size - 1)) / HIDDEN);
  const mask = (rows: number, columns: number, sees: (r: number, c: number) => boolean): Tensor =>
    gmc.constant(
      Array.from({ length: rows * columns }, (_, i) => Number(sees(Math.floor(i / columns), i % columns))),
      [rows, columns],
    );
  const inward = mask(size, HIDDEN, (i, h) => i <= degree(h));
  const outward = mask(HIDDEN, 2 * size, (h, o) => degree(h) < Math.floor(o / 2));
  return (t) => {
    const seen = gmc.matmul(t, gmc.mul(w[`in${layer}`]!, inward));
    const hidden = gmc.tanh(given === undefined ? seen : gmc.add(seen, given));
    return gmc.reshape(gmc.add(gmc.matmul(hidden, gmc.mul(w[`out${layer}`]!, outward)), w[`bias${layer}`]!), [...t.shape, 2]);
  };
}

type Kind = "maskedAutoregressive" | "inverseAutoregressive";

function flowOf(kind: Kind, w: Values, size: number, given?: Tensor): Bijector {
  const event = [size];
  const layers = Array.from({ length: LAYERS }, (_, l) => [
    gmc[kind]({ event, net: netOf(w, l, size, given), ...(l === 1 ? { scale: "exp" as const } : {}) }),
    l === 2 ? gmc.permute({ event, order: 7 }) : gmc.reverseFlow({ event }),
  ]);
  return gmc.chain(layers.flat());
}

const SIZE = 784;

describe.each(["maskedAutoregressive", "inverseAutoregressive"] as const)("%s of 784 entries", (kind) => {
  /** The direction of one pass, and the other. */
  const [quick, slow] = kind === "maskedAutoregressive" ? (["inverse", "forward"] as const) : (["forward", "inverse"] as const);
  const thereAndBack = ({ x, given, ...w }: Values): Record<string, Tensor> => {
    const flow = flowOf(kind, w, SIZE, given);
    const there = flow[quick](x!);
    const back = flow[slow](there.value);
    return {
      error: gmc.reduceMax(gmc.abs(gmc.sub(back.value, x!))),
      logDet: there.logDet,
      sum: gmc.add(there.logDet, back.logDet),
    };
  };
  const feeds: Feeds = { ...weightsOf(SIZE), x: array([2, SIZE], 3, 2), given: array([2, HIDDEN], 4, 1) };

  it("comes back to within 1e-8 in float64, with the same log-determinant", () => {
    const { error, sum, logDet } = compute(thereAndBack, feeds);
    expect(error!.data[0]).toBeLessThan(1e-8);
    expect(Math.abs(logDet!.data[0]!)).toBeGreaterThan(1);
    for (const rest of sum!.data) expect(Math.abs(rest)).toBeLessThan(1e-8 * SIZE);
  }, 120_000);

  it("comes back to within 1e-4 in float32", async () => {
    const { error, sum } = await single(feeds, thereAndBack);
    expect(error!.data[0]).toBeLessThan(1e-4);
    for (const rest of sum!.data) expect(Math.abs(rest)).toBeLessThan(1e-4 * SIZE);
  }, 60_000);
});

describe("the sequential direction", () => {
  it.each(["maskedAutoregressive", "inverseAutoregressive"] as const)("of %s has the log-determinant of its dense Jacobian", (kind) => {
    const size = 12;
    const direction = kind === "maskedAutoregressive" ? "forward" : "inverse";
    const { rows, logDet } = compute(
      ({ x, given, ...w }) => {
        const { value, logDet: stated } = flowOf(kind, w, size, given)[direction](x!);
        const jacobian = Array.from({ length: size }, (_, i) => gmc.grad(gmc.sum(gmc.sliceAxis(value, -1, i, i + 1)), [x!])[0]!);
        return { rows: gmc.concat(jacobian, 0), logDet: stated };
      },
      { ...weightsOf(size), x: array([1, size], 3, 1.5), given: array([1, HIDDEN], 4, 1) },
    );
    expect(Math.abs(logDet!.data[0]!)).toBeGreaterThan(0.1);
    expect(logDet!.data[0]).toBeCloseTo(logAbsDet(Array.from(rows!.data), size), 8);
  });

  it("has the net in its graph once, however many entries there are", () => {
    const nodes = (size: number): number =>
      gmc.stage(
        Object.fromEntries(Object.entries({ ...weightsOf(size), x: array([2, size], 1) }).map(([name, { shape }]) => [name, { shape }])),
        ({ x, ...w }) => ({ x: flowOf("maskedAutoregressive", w, size).forward(x!).value }),
      ).nodes.length;
    expect(nodes(SIZE)).toBe(nodes(16));
  });

  it("is solved once where a value is asked for twice", () => {
    const graph = gmc.optimize(
      gmc.stage(
        Object.fromEntries(Object.entries({ ...weightsOf(5), x: array([2, 5], 1) }).map(([name, { shape }]) => [name, { shape }])),
        ({ x, ...w }) => ({
          a: flowOf("maskedAutoregressive", w, 5).forward(x!).value,
          b: gmc.exp(flowOf("maskedAutoregressive", w, 5).forward(x!).value),
        }),
      ),
    );
    expect(graph.nodes.filter((n) => n.prim === "fixedPoint")).toHaveLength(LAYERS);
  });

  it("has a gradient in weights, conditions and values that differences confirm, at 200 entries", () => {
    const size = 200;
    const feeds: Feeds = { ...weightsOf(size), x: array([2, size], 3, 1), given: array([2, HIDDEN], 4, 1) };
    const weighted = gmc.sizeOf([2, size]);
    const value = ({ x, given, ...w }: Values): Tensor => {
      const { value: z, logDet } = gmc.inverseAutoregressive({ event: [size], net: netOf(w, 0, size, given) }).inverse(x!);
      return gmc.add(gmc.sum(gmc.mul(z, gmc.constant([...noise(weighted, 8)], z.shape))), gmc.sum(gmc.mul(logDet, logDet)));
    };
    const names = ["in0", "out0", "bias0", "x", "given"];
    const gradients = compute((all) => {
      const found = gmc.grad(value(all), names.map((name) => all[name]!)); // prettier-ignore
      return Object.fromEntries(names.map((name, i) => [name, found[i]!]));
    }, feeds);
    for (const [n, name] of names.entries()) {
      const { shape, data } = feeds[name]!;
      // all entries at once, in a direction without a pattern
      const along = noise(data.length, 40 + n);
      const at = (h: number): number =>
        compute(value, { ...feeds, [name]: { shape, data: data.map((v, i) => v + h * along[i]!) } }).data[0]!;
      const h = 1e-5;
      const expected = (at(h) - at(-h)) / (2 * h);
      const found = Array.from(gradients[name]!.data).reduce((sum, slope, i) => sum + slope * along[i]!, 0);
      expect(Math.abs(found - expected) / Math.max(1, Math.abs(expected)), name).toBeLessThan(1e-5);
    }
  }, 120_000);
});

/** By Gauss with pivots. */
function logAbsDet(entries: readonly number[], n: number): number {
  const rows = Array.from({ length: n }, (_, i) => entries.slice(i * n, (i + 1) * n));
  let total = 0;
  for (let k = 0; k < n; k++) {
    const pivot = rows.slice(k).reduce((best, row, i) => (Math.abs(row[k]!) > Math.abs(rows[best]![k]!) ? k + i : best), k);
    [rows[k], rows[pivot]] = [rows[pivot]!, rows[k]!];
    total += Math.log(Math.abs(rows[k]![k]!));
    for (const row of rows.slice(k + 1)) {
      const factor = row[k]! / rows[k]![k]!;
      for (let j = k; j < n; j++) row[j] = row[j]! - factor * rows[k]![j]!;
    }
  }
  return total;
}
