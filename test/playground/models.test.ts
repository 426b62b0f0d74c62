/** The models that the playground begins with: without a finding, on the data that are named beside them, a few steps long. */
import { describe, expect, it } from "vitest";
import { dataVariable, sourceOf, sources } from "../../playground/data.js";
import { check } from "../../playground/model.js";
import { beginnings } from "../../playground/models.js";
import { trainInPage } from "../../playground/training.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import { loadModel } from "../support/model.js";

describe.each(beginnings)("$name", ({ text, data }) => {
  it("compiles without a finding", () => {
    expect(check(text)).toMatchObject({ problems: "", derived: { typescript: expect.stringContaining("defineModel") as string } });
  });

  it("trains, and gives samples of the shape of its data", async () => {
    const { model } = loadModel(text);
    const variable = dataVariable(model)!;
    const source = sources.find(({ name }) => name === data)!;
    expect(source.fits(variable.spec)).toBe(true);
    const rows = source.draw(variable.spec, 300, 1);
    const steps: number[] = [];
    const shapes: (readonly number[])[] = [];
    const options = { engine: referenceEngine, data: rows, steps: 4, seed: 0, signal: new AbortController().signal };
    const outcome = await trainInPage(model, options, {
      onPoint: (label, { step, value }) => {
        expect(label).not.toBe("");
        expect(Number.isFinite(value)).toBe(true);
        steps.push(step);
      },
      onSamples: (samples) => {
        shapes.push(samples.shape.slice(1));
        expect(samples.data.every(Number.isFinite)).toBe(true);
      },
    });
    expect([outcome, steps]).toEqual(["finished", [1, 2, 3, 4]]);
    expect(shapes.at(-1)).toEqual(variable.spec.shape);
  });
});

describe("data", () => {
  it("stripes have whole rows or whole columns", () => {
    const spec = { domain: "binary", shape: [16] } as const;
    const { data } = sources.find(({ name }) => name === "stripes")!.draw(spec, 50, 3);
    for (let i = 0; i < 50; i++) {
      const at = (y: number, x: number): number => data[16 * i + 4 * y + x]!;
      const all = [0, 1, 2, 3];
      const rows = all.every((y) => all.every((x) => at(y, x) === at(y, 0)));
      const columns = all.every((x) => all.every((y) => at(y, x) === at(0, x)));
      expect(rows || columns).toBe(true);
    }
  });

  it("a table of one's own fits a variable of as many entries", () => {
    const source = sourceOf("own.csv", "a,b\n1,2\n3,4\n");
    expect(source.fits({ domain: "real", shape: [2] })).toBe(true);
    expect(source.fits({ domain: "real", shape: [3] })).toBe(false);
    expect(source.draw({ domain: "real", shape: [2] }, 10, 0)).toEqual({ shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
  });
});
