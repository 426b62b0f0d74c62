/** Schedules against their formulas, written out here a second time. */
import { describe, expect, it } from "vitest";
import { schedules } from "../../src/ir/schedules.js";
import {
  constantSchedule,
  cosine,
  describeSchedule,
  exponentialSchedule,
  iwaeSchedule,
  linear,
  piecewise,
  stepDecay,
  valueAt,
  warmup,
} from "../../src/runtime/optim/schedules.js";

const at = (step: number, stepsPerEpoch = 10) => ({ step, stepsPerEpoch });

describe("schedules", () => {
  it("constant, linear, cosine", () => {
    expect(valueAt(constantSchedule(0.3), at(99))).toBe(0.3);
    const l = linear(0, 1, { epochs: 10 });
    expect([0, 25, 50, 100, 500].map((s) => valueAt(l, at(s)))).toEqual([0, 0.25, 0.5, 1, 1]);
    expect(valueAt(linear(2, 4, { steps: 8 }), at(2))).toBe(2.5);
    const c = cosine(1e-3, 1e-5, { steps: 100 });
    expect(valueAt(c, at(0))).toBeCloseTo(1e-3, 12);
    expect(valueAt(c, at(50))).toBeCloseTo((1e-3 + 1e-5) / 2, 12);
    expect(valueAt(c, at(25))).toBeCloseTo(1e-5 + (1e-3 - 1e-5) * 0.8535533905932737, 12);
    expect(valueAt(c, at(1000))).toBeCloseTo(1e-5, 12);
  });

  it("exponential is smooth, stepDecay jumps", () => {
    const e = exponentialSchedule(0.8, 0.5, { epochs: 2 });
    expect(valueAt(e, at(20))).toBeCloseTo(0.4, 12);
    expect(valueAt(e, at(10))).toBeCloseTo(0.8 * Math.SQRT1_2, 12);
    const s = stepDecay(4, 0.1, { epochs: 3 });
    expect([0, 29, 30, 59, 60].map((t) => valueAt(s, at(t)))).toEqual([4, 4, 0.4, 0.4, expect.closeTo(0.04, 12)]);
  });

  it("piecewise holds the last value, warm-up scales what follows", () => {
    const p = piecewise([
      { value: 3, for: { epochs: 1 } },
      { value: 2, for: { steps: 5 } },
      { value: 1, for: { epochs: 1 } },
    ]);
    expect([0, 9, 10, 14, 15, 24, 25, 1e6].map((t) => valueAt(p, at(t)))).toEqual([3, 3, 2, 2, 1, 1, 1, 1]);
    const w = warmup({ steps: 4 }, 0.8);
    expect([0, 1, 3, 4, 9].map((t) => valueAt(w, at(t)))).toEqual([0.2, 0.4, 0.8, 0.8, 0.8]);
  });

  it("a warm-up of a rate wastes no step, one of a KL starts without it", () => {
    // both reach all of it, the warm-up with the last of its steps, the line after it
    expect([0, 1, 2, 3, 4].map((t) => valueAt(warmup({ steps: 4 }, 1), at(t)))).toEqual([0.25, 0.5, 0.75, 1, 1]);
    expect([0, 1, 2, 3, 4].map((t) => valueAt(linear(0, 1, { steps: 4 }), at(t)))).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(schedules.get("warmup")?.doc).toMatch(/^1\/n, 2\/n, … of another schedule.*`linear\(0, 1, …\)`$/u);
  });

  it("the IWAE schedule is Burda et al.'s: 1e-4 round(10^(1 - (i - 1) / 7), 1) for 3^(i - 1) epochs", () => {
    const s = iwaeSchedule();
    // the eight rates as the paper's published code prints them
    const rates = [1e-3, 7.2e-4, 5.2e-4, 3.7e-4, 2.7e-4, 1.9e-4, 1.4e-4, 1e-4];
    let epoch = 0;
    rates.forEach((rate, i) => {
      const length = 3 ** i;
      for (const t of [epoch, epoch + length - 0.1]) expect(valueAt(s, at(Math.round(t * 10)))).toBeCloseTo(rate, 10);
      epoch += length;
    });
    expect(epoch).toBe(3280);
    const short = iwaeSchedule({ epochs: 328 });
    expect(valueAt(short, at(0))).toBeCloseTo(1e-3, 12);
    expect(valueAt(short, at(3279))).toBeCloseTo(1e-4, 12);
    // two stages of 2 and 6 epochs
    const two = iwaeSchedule({ lr: 2e-3, stages: 2, epochs: 8 });
    expect([0, 19, 20, 79].map((t) => valueAt(two, at(t)))).toEqual(
      [2e-3, 2e-3, 1.44e-3, 1.44e-3].map((v) => expect.closeTo(v, 12) as number),
    );
  });

  it("refuses lengths that are none", () => {
    expect(() => linear(0, 1, { epochs: 0 })).toThrow(/positive number of epochs/);
    expect(() => cosine(0, 1, { steps: NaN })).toThrow(/GM4001|cosine/);
    expect(() => piecewise([])).toThrow(/at least one/);
  });

  it("describes itself as it is written in a .gm file", () => {
    expect(describeSchedule(linear(0, 1, { epochs: 10 }))).toBe("linear(0, 1, epochs = 10)");
    expect(describeSchedule(warmup({ steps: 3 }, cosine(1, 0, { steps: 9 })))).toBe("warmup(steps = 3, cosine(1, 0, steps = 9))");
  });
});
