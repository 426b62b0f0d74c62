/** Early stopping by the values of epochs, with a store that holds one weight. */
import { describe, expect, it } from "vitest";
import type { EngineSession, HostTensor } from "../../src/runtime/engines/engine.js";
import type { PhasePlan } from "../../src/runtime/train/plan.js";
import { EarlyStopping } from "../../src/runtime/train/stopping.js";

const plan = { updates: [{ weights: ["w"], untrained: [] }], averaged: [] } as unknown as PhasePlan;

/** Runs epochs whose weight is their number; gives the last one that ran and the weight in the end. */
async function run(values: readonly number[], settings = { patience: 2, minDelta: 0 }): Promise<{ ran: number; weight: number }> {
  const store = new Map<string, number>([["w", -1]]);
  const session = {
    read: async (name: string) => ({ data: [store.get(name)] }) as unknown as HostTensor,
    write: (name: string, { data }: HostTensor) => void store.set(name, data[0]!),
  } as unknown as EngineSession;
  const stopping = new EarlyStopping({ metric: "nll", ...settings }, { updates: [] }, null);
  let ran = 0;
  for (const [epoch, nll] of values.entries()) {
    ran = epoch;
    store.set("w", epoch);
    if (await stopping.seen({ nll }, session, plan, epoch)) break;
  }
  await stopping.restoreBest(session, plan);
  return { ran, weight: store.get("w")! };
}

describe("early stopping", () => {
  it.each([
    ["the best of all", [3, 2, 1], 2, 2],
    ["the best before two that are none", [3, 1, 2, 2, 0], 3, 1],
    ["not one that is no number, though it came first", [NaN, 2, 1, 3, 3], 4, 2],
    ["not one that is infinite", [Infinity, 2, 1], 2, 2],
    ["the last, where none is a number", [NaN, NaN, NaN], 1, 1],
  ])("keeps %s", async (_, values, ran, weight) => {
    expect(await run(values)).toEqual({ ran, weight });
  });
});
