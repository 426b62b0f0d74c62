/**
 * Random directed models compile without errors, their code type-checks as `--verify` would have it, and on the reference engine they train for a
 * step (which stops where the objective or a gradient is not finite), evaluate and draw.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { verifyAll } from "../../src/cli/verify.js";
import { compile } from "../../src/compile.js";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { randomModel } from "../support/model-arbitrary.js";
import { loadModel } from "../support/model.js";

/** Compiled TypeScript; fails with the rendered errors. */
function compiled(text: string): string {
  const { diagnostics, print } = compile({ path: "random.gm", text });
  const errors = diagnostics.filter((d) => d.severity === "error");
  expect(errors.length === 0 ? "" : renderDiagnostics(errors, { color: false })).toBe("");
  return print("ts");
}

describe("random models", () => {
  it("train for a step, evaluate and draw", { timeout: 60_000 }, async () => {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(randomModel, async ({ text, data }) => {
        compiled(text);
        const trained = await train(loadModel(text).model, { data, test: data, engine: referenceEngine, steps: 1, seed: 1 });
        for (const record of trained.history)
          for (const [label, value] of Object.entries(record.values)) expect(value, `${label} of\n${text}`).toSatisfy(Number.isFinite);
        const { metrics } = await trained.evaluate();
        for (const [name, metric] of Object.entries(metrics)) expect(metric.value, `${name} of\n${text}`).toSatisfy(Number.isFinite);
        const { values } = await trained.sample(2);
        for (const [name, t] of Object.entries(values)) expect([...t.data], `${name} of\n${text}`).not.toContain(NaN);
        trained.close();
        done++;
      }),
      { numRuns: 150, interruptAfterTimeLimit: 12_000 },
    );
    expect(done).toBeGreaterThan(10);
  });

  it("have code that type-checks", { timeout: 60_000 }, () => {
    const texts = fc.sample(randomModel, 12).map(({ text }) => text);
    const problems = verifyAll(texts.map((text, i) => ({ source: `random${i}.gm`, text: compiled(text) })));
    problems.forEach((found, i) => expect(found, texts[i]).toEqual([]));
  });
});
