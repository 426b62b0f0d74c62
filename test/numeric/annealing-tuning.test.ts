/**
 * The run before an annealed one, which tunes the steps of trajectories: it goes from the base to the model once, whatever the number of temperatures, and what it
 * found is held fixed in the run that counts (a kernel that learns from its own chains leaves no density as it is: Andrieu & Thoms 2008).
 */
import { expect, it } from "vitest";
import { aisProgram, constant, mul, rootKey, square, sum, type EnergyModel, type Tensor, type Values } from "../../src/runtime/index.js";
import { caseOf, run, type Weights } from "./energy-cases.js";

const WEIGHT = "ais:logWeight";
const STEPS = "ais:steps";
const TUNING = 100;
const TEMPERATURES = 10;

const quartic: EnergyModel<Weights> = {
  name: "quartic",
  place: "quartic.gm:1",
  units: { v: { kind: "real", shape: [1] } },
  sweep: [],
  energy: (_, x) => sum(square(square(x["v"]!)), [-1]),
};
const program = aisProgram(quartic, { chains: 8, temperatures: TEMPERATURES });

/** One iteration, from where the run starts. */
function iterations(at: readonly number[], name: string): { readonly before: number[]; readonly after: readonly number[][] } {
  const got = run(caseOf("RBM"), (w) => {
    const inputs = { w, key: rootKey().at("ais"), given: {}, statistics: {} };
    const start: Values = program.start(inputs);
    const after = at.map((i): [string, Tensor] => [`at${i}`, program.step(inputs, start, constant(i, [], "i32"))[name]!]);
    return { before: start[name]!, ...Object.fromEntries(after.map(([key, value]) => [key, mul(value, 1)])) };
  });
  return { before: got["before"]!, after: at.map((i) => got[`at${i}`]!) };
}

it("has the tuning run before the one that counts", () => {
  expect(program.iterations).toBe(TUNING + TEMPERATURES);
});

it("learns the steps while it tunes, and holds them from then on", () => {
  const { before, after } = iterations([50, TUNING - 2, TUNING, TUNING + 5], STEPS);
  const [early, late, first, later] = after;
  expect(early).not.toEqual(before);
  expect(late).not.toEqual(before);
  expect(first).toEqual(before);
  expect(later).toEqual(before);
});

it("cools once over the tuning run, then once over the temperatures", () => {
  // a move from one inverse temperature to another adds their difference, times what the chain's values say, to its log weight: from the same values on
  const { before, after } = iterations([0, 50, TUNING, TUNING + 5], WEIGHT);
  const added = after.map((weights) => weights.map((weight, i) => weight - before[i]!));
  const [tuning, halfway, counting, later] = added;
  expect(Math.max(...counting!.map(Math.abs))).toBeGreaterThan(1e-3);
  for (const [k, gain] of counting!.entries()) {
    expect(later![k]).toBeCloseTo(gain, 9);
    for (const part of [tuning!, halfway!]) expect(part[k]! * (TUNING / TEMPERATURES)).toBeCloseTo(gain, 4);
  }
});
