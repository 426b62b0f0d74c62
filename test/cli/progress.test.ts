/** The progress line: rewritten on a terminal, plain lines elsewhere. */
import { describe, expect, it } from "vitest";
import { bytes, duration, grouped, table } from "../../src/cli/output.js";
import { number, openProgress } from "../../src/cli/progress.js";
import type { StepReport } from "../../src/runtime/train/loop.js";

function play(isTTY: boolean, steps: number, secondsAStep: number, columns = 100): string {
  let text = "";
  let now = 0;
  const progress = openProgress({ isTTY, columns, write: (part) => (text += part) }, () => now);
  for (let step = 1; step <= steps; step++) {
    now += secondsAStep * 1000;
    const report = (): StepReport => ({
      phase: "train",
      phaseIndex: 0,
      step,
      steps,
      epoch: step / 10,
      epochs: steps / 10,
      stepsPerEpoch: 10,
      total: step,
      stepsPerSecond: 12,
      values: { "ELBO(p, q)": -100 + step },
    });
    progress.step(report);
    if (step % 10 === 0) progress.record({ phase: "train", split: "validation", epoch: step / 10, step, values: { nll: 90 } });
  }
  progress.done();
  return text;
}

describe("progress", () => {
  it("is a line an epoch when piped", () => {
    const lines = play(false, 30, 0.1).trimEnd().split("\n");
    expect(lines).toHaveLength(6);
    expect(lines[0]).toBe("epoch 1/3  step 10/30  ELBO(p, q) -90.00  12 steps/s  2.0 s left");
    expect(lines[1]).toBe("  validation: nll 90.00");
    expect(lines[4]).toBe("epoch 3/3  step 30/30  ELBO(p, q) -70.00  12 steps/s  0.0 s left");
  });

  it("shows the metric of early stopping once where it is a term under another name", () => {
    const shown = (values: Readonly<Record<string, number>>, watched?: string): string => {
      let text = "";
      const progress = openProgress({ write: (part) => (text += part) }, () => 0);
      progress.record({ phase: "train", split: "validation", epoch: 1, step: 10, values }, watched);
      return text;
    };
    const values = { "ELBO(p, q)": -3.5, "log p(x | z)": -1, elbo: -3.5 };
    expect(shown(values, "elbo")).toBe("  validation: elbo = ELBO(p, q) -3.500  log p(x | z) -1.000\n");
    expect(shown({ ...values, elbo: -3.25 }, "elbo")).toBe("  validation: ELBO(p, q) -3.500  log p(x | z) -1.000  elbo -3.250\n");
    expect(shown({ a: 0, b: 0 })).toBe("  validation: a 0.000  b 0.000\n");
    expect(shown({ "ELBO(p, q)": -3.5, b: 0 }, "ELBO(p, q)")).toBe("  validation: ELBO(p, q) -3.500  b 0.000\n");
  });

  it("of a later phase is a line an epoch again, with that phase's own value", () => {
    let text = "";
    const progress = openProgress({ isTTY: false, columns: 100, write: (part) => (text += part) }, () => 0);
    for (const [phaseIndex, phase] of ["first", "second"].entries()) {
      for (let step = 1; step <= 4; step++) {
        const values = { [`V of ${phase}`]: step };
        progress.step(() => ({
          phase,
          phaseIndex,
          step,
          steps: 4,
          epoch: step / 2,
          epochs: 2,
          stepsPerEpoch: 2,
          total: 4 * phaseIndex + step,
          stepsPerSecond: 1,
          values,
        }));
        if (phaseIndex === 0 && step === 4) progress.record({ phase, split: "train", epoch: 2, step, values });
      }
    }
    progress.done();
    const lines = text.trimEnd().split("\n");
    expect(lines.map((line) => /^(\w+): {2}epoch (\d)\/2 {2}step \d\/4 {2}(V of \w+)/u.exec(line)?.slice(1).join(" "))).toEqual([
      "first 1 V of first",
      "first 2 V of first",
      "second 1 V of second",
      "second 2 V of second",
    ]);
  });

  it("is one rewritten line on a terminal, shown at most ten times a second", () => {
    const text = play(true, 30, 0.02);
    expect(text.split("\r").length - 1).toBeLessThan(12);
    expect(text).toMatch(/^\repoch 1\/3 {2}step 1\/30 {2}ELBO\(p, q\) -99\.00/);
    expect(text.split("\n").filter((line) => line.includes("validation"))).toHaveLength(3);
    expect(text.endsWith("\n")).toBe(true);
  });

  it.each([
    [60, "epoch 3/3  ELBO(p, q) -70.00  12 steps/s  0.0 s left"],
    [45, "epoch 3/3  ELBO(p, q) -70.00  0.0 s left"],
    [34, "ELBO(p, q) -70.00  0.0 s left"],
  ])("leaves out what a terminal of %i columns has no room for, the value last", (columns, line) => {
    const shown = play(true, 30, 0.02, columns).split("\r");
    expect(shown.map((text) => text.trimEnd())).toContain(line);
    expect(Math.max(...shown.filter((text) => !text.includes("validation")).map((text) => text.trimEnd().length))).toBeLessThan(columns);
  });

  it("tells of long epochs too when piped", () => {
    expect(play(false, 10, 4).trimEnd().split("\n").length).toBeGreaterThan(3);
  });
});

describe("numbers", () => {
  it("as people read them", () => {
    expect([0, 1.23456, -207.991, 0.00012, 1e9, NaN].map(number)).toEqual(["0.000", "1.235", "-207.99", "1.20e-4", "1.00e+9", "NaN"]);
    expect([0.04, 9.96, 59.6, 95, 3725, NaN].map(duration)).toEqual(["0.0 s", "10 s", "1 min 0 s", "1 min 35 s", "1 h 2 min", "?"]);
    expect([12, 1234, 282e6, 1.5e9].map(bytes)).toEqual(["12 B", "1.2 kB", "282 MB", "1.5 GB"]);
    expect(grouped(12345678)).toBe("12,345,678");
    expect(
      table(
        [
          ["a", "1"],
          ["bcd", "22"],
        ],
        [1],
      ),
    ).toBe("a     1\nbcd  22");
  });
});
