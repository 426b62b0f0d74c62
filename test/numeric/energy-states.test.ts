/** Sums over many states: in pieces that leave out none, exact against a closed form, and with no more of them at a time than a piece holds. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../src/runtime/engines/reference/evaluate.js";
import { stage } from "../../src/runtime/graph/index.js";
import { numbers, statePieces, statesAt } from "../../src/runtime/energy/states.js";
import {
  add,
  concat,
  energyModel,
  freeEnergy,
  grad,
  logPartition,
  mul,
  neg,
  sliceAxis,
  state,
  sub,
  sum,
  type EnergyModel,
  type Tensor,
  type Values,
} from "../../src/runtime/index.js";

const mixed = energyModel({
  name: "p",
  place: "p.gm:1",
  units: {
    c: { kind: "category", shape: [2], classes: 3 },
    b: { kind: "oneOfBlock", shape: [4], block: [2] },
    v: { kind: "bernoulli", shape: [3] },
  },
  sweep: [["c", "b", "v"]],
  energy: (_: unknown, { v }: Values) => sum(v!, [-1]),
}) as EnergyModel<unknown>;

describe("states in pieces", () => {
  const names = ["c", "b", "v"];
  const all = 9 * 9 * 8;

  it.each([1, 2, 5, 17, 81, 1000])("in at most %i, they are all states in order", (most) => {
    const got = evaluate(
      stage({}, () => {
        const pieces = statePieces(mixed, names, most, 0);
        expect(pieces.length).toBeLessThanOrEqual(most);
        const whole = statesAt(mixed, names, numbers(all, 0));
        return Object.fromEntries(
          names.flatMap((name) => [
            [
              `pieces:${name}`,
              concat(
                pieces.map((p) => p.states[name]!),
                0,
              ),
            ],
            [`whole:${name}`, whole[name]!],
          ]),
        );
      }),
      {},
    );
    for (const name of names) expect(got[`pieces:${name}`]).toEqual(got[`whole:${name}`]);
  });
});

/** Pairs of units: sum_i b_i v_i + sum_k J_k v_2k v_2k+1, whose sum over states is a product over pairs of four terms. */
const units = 16;
const paired = energyModel<{ b: Tensor; J: Tensor }, "v">({
  name: "p",
  place: "p.gm:1",
  units: { v: { kind: "binary", shape: [units] } },
  sweep: [["v"]],
  energy: (w, { v }) => {
    const halves = [sliceAxis(v, -1, 0, units / 2), sliceAxis(v, -1, units / 2, units)];
    return neg(add(sum(mul(w.b, v), [-1]), sum(mul(w.J, mul(halves[0]!, halves[1]!)), [-1])));
  },
});
const b = Array.from({ length: units }, (_, i) => Math.sin(3 * i + 1));
const J = Array.from({ length: units / 2 }, (_, i) => Math.cos(2 * i) * 2);
const feeds = {
  b: { dtype: "f32" as const, shape: [units], data: Float32Array.from(b) },
  J: { dtype: "f32" as const, shape: [units / 2], data: Float32Array.from(J) },
};
/** [log sum, E[v_k], E[v_k+8], E[v_k v_k+8]] of each pair. */
const pairs = J.map((j, k) => {
  const [x, y] = [b[k]!, b[k + units / 2]!];
  const z = 1 + Math.exp(x) + Math.exp(y) + Math.exp(x + y + j);
  return [Math.log(z), (Math.exp(x) + Math.exp(x + y + j)) / z, (Math.exp(y) + Math.exp(x + y + j)) / z, Math.exp(x + y + j) / z] as const;
});

describe("a sum over 2^16 states", () => {
  const weights = (): { b: Tensor; J: Tensor } => ({ b: state("b", [units]), J: state("J", [units / 2]) });

  it("is exact, with its gradient", () => {
    const got = evaluate(
      stage({}, () => {
        const w = weights();
        const z = logPartition(paired, w, {}, { enumerate: ["v"] });
        const [db, dJ] = grad(z, [w.b, w.J]);
        return { z, db: db!, dJ: dJ! };
      }),
      feeds,
    );
    expect(got["z"]!.data[0]).toBeCloseTo(
      pairs.reduce((t, [z]) => t + z, 0),
      5,
    );
    pairs.forEach(([, x, y, xy], k) => {
      expect(got["db"]!.data[k]).toBeCloseTo(x, 5);
      expect(got["db"]!.data[k + units / 2]).toBeCloseTo(y, 5);
      expect(got["dJ"]!.data[k]).toBeCloseTo(xy, 5);
    });
  });

  it("holds the states of one piece at a time, with their gradient too", () => {
    const { nodes } = stage({}, () => {
      const w = weights();
      const z = logPartition(paired, w, {}, { enumerate: ["v"] });
      return { db: grad(z, [w.b])[0]! };
    });
    const largest = Math.max(...nodes.map((n) => n.shape.reduce((size, d) => size * d, 1)));
    expect(largest).toBeLessThan(units * 2 ** units);
    expect(largest).toBeLessThanOrEqual(2 ** 19);
  });

  it("counts the rows that the sum is made for", () => {
    // a condition a row moves each unit's field
    const rows = 3;
    const given = energyModel<{ b: Tensor; J: Tensor }, "v" | "u">({
      ...paired,
      reads: { u: [units] },
      energy: (w, { v, u }) => sub(paired.energy(w as never, { v }), sum(mul(u, v), [-1])),
    });
    const u = Array.from({ length: rows * units }, (_, i) => Math.sin(i));
    const staged = stage({}, () => ({
      F: freeEnergy(given, weights(), { u: state("u", [rows, units]) }, { enumerate: ["v"] }),
    }));
    const largest = Math.max(...staged.nodes.map((n) => n.shape.reduce((size, d) => size * d, 1)));
    expect(largest).toBeLessThanOrEqual(2 ** 20);
    const got = evaluate(staged, { ...feeds, u: { dtype: "f32", shape: [rows, units], data: Float32Array.from(u) } });
    for (let r = 0; r < rows; r++) {
      const z = J.reduce((t, j, k) => {
        const [x, y] = [b[k]! + u[r * units + k]!, b[k + units / 2]! + u[r * units + k + units / 2]!];
        return t + Math.log(1 + Math.exp(x) + Math.exp(y) + Math.exp(x + y + j));
      }, 0);
      expect(got["F"]!.data[r]).toBeCloseTo(-z, 4);
    }
  });
});
