/** Linear functions of expectations that are estimated by samples: legal, and what the function of their values is. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { loadModel, runModel } from "../support/model.js";

const model = (lines: string): string => `
model Linear(D = 3) {
  data x : real[D]
  latent z : real[D]
  param a : real[D]
  density p(x, z) { z ~ Normal(0, 1) x ~ Normal(z, 1) }
  density q(z | x) { z ~ Normal(x * a, 1) }
  ${lines}
}`;
const draw = "E[z ~ q(z | x)](log p(x, z))";

describe("linear functions of expectations", () => {
  const loaded = loadModel(
    model(`
  objective one = ${draw}
  objective short = sum[i in 1..3](i * ${draw})
  objective long = sum[i in 1..12](i * ${draw})
  objective average = mean[i in 1..12](i * ${draw})
  objective chosen = where(greater(sum(x), 0), ${draw}, 2 * ${draw})
  objective ratio = ${draw} / log p(x)
  train { maximize one batch = 4, epochs = 1 }
  evaluate { one = one short = short long = long average = average chosen = chosen exact = log p(x) ratio = ratio }`),
  );
  const x = Array.from({ length: 12 }, (_, i) => Math.sin(2.3 * (i + 1)));
  const value = (name: string, keyed = true): readonly number[] =>
    runModel(loaded, ({ f, w, x, key }) => ({ value: keyed ? f(name)(w, x["x"], key) : f(name)(w, x["x"]) }), {
      data: { x: { shape: [4, 3], data: x } },
      state: { a: [0.3, -0.5, 0.8] },
    })["value"]!;
  // every `E` over z draws the same z
  const one = value("one");

  it.each([
    ["short", 6],
    ["long", 78],
    ["average", 6.5],
  ])("adds up in %s", (name, factor) => value(name).forEach((v, i) => expect(v).toBeCloseTo(factor * one[i]!, 8)));

  it("chooses by data", () => {
    const sums = [0, 1, 2, 3].map((r) => x[3 * r]! + x[3 * r + 1]! + x[3 * r + 2]!);
    expect(new Set(sums.map(Math.sign)).size).toBe(2);
    value("chosen").forEach((v, i) => expect(v).toBeCloseTo((sums[i]! > 0 ? 1 : 2) * one[i]!, 8));
  });

  it("divides by what is known exactly", () => {
    const exact = value("logPX", false);
    value("ratio").forEach((v, i) => expect(v).toBeCloseTo(one[i]! / exact[i]!, 8));
  });

  it.each([
    `where(greater(${draw}, 0), ${draw}, 0)`,
    `${draw} * ${draw}`,
    `log p(x) / ${draw}`,
    `max[i in 1..3](${draw})`,
    `logmeanexp[i in 1..12](${draw})`,
  ])("refuses %s", (objective) => {
    const text = model(`train { maximize ${objective} batch = 4, epochs = 1 }`);
    expect(compile({ path: "test.gm", text }).diagnostics.map((d) => d.code)).toEqual(["GM3502"]);
  });
});
