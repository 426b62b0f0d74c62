/**
 * Random functions of log-densities whose log Z chains estimate: the gradient that training takes of those that compile, against sums over all states. The
 * chains take steps enough to forget where they started. `FUZZ_SEED=7 FUZZ_SECONDS=600 npx vitest run test/numeric/random-rbm-objectives.test.ts` looks
 * for more.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { rbmObjective, rbmText } from "../support/rbm-objectives.js";
import { spread, type Assignment } from "./energy-cases.js";
import { dataOf, differences, exactly, meanOver } from "./pipeline-cases.js";

const weights: Assignment = { W: exactly(spread(6, 0.9, 1)), R: exactly(spread(6, 0.8, 2)), V: exactly(spread(4, 1.1, 5)), c: [0.75] };
const rows: readonly Assignment[] = [
  { v: [1, 0, 1], s: [0.5] },
  { v: [0, 0, 1], s: [-1.25] },
  { v: [1, 1, 0], s: [2] },
];

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 8);
/** What a random objective may rightly be refused for: it needs a value, trains nothing, estimates nothing, or averages what reads no draw. */
const REFUSED: ReadonlySet<string> = new Set(["GM3536", "GM3511", "GM3526", "GM3525", "GM3513", "GM3514"]);

it("have the gradient of the sum over all states, or are refused", { timeout: (seconds + 60) * 1000 }, async () => {
  const wrong: string[] = [];
  const end = performance.now() + seconds * 1000;
  let [compiled, refused] = [0, 0];
  for (const { text, value } of fc.sample(rbmObjective, seconds > 8 ? 5_000 : 80)) {
    if (performance.now() > end) break;
    const [error] = compile({ path: "m.gm", text: rbmText(text) }).diagnostics.filter((d) => d.severity === "error");
    if (error) {
      refused++;
      if (!REFUSED.has(error.code)) wrong.push(`${error.code} ${error.message}: ${text}`);
      continue;
    }
    compiled++;
    const { model } = loadModel(rbmText(text));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3, steps: 400, burnIn: 10, seed: 3 });
    const expected = differences(weights, (w) => meanOver(rows, (row) => value({ w, held: weights, row })));
    for (const [name, exact] of Object.entries(expected))
      exact.forEach((e, i) => {
        const [mean = 0, error = 0] = [got.gradients[name]?.mean[i], got.gradients[name]?.standardError[i]];
        if (Math.abs(mean - e) > 5 * error + 4e-3 + 0.01 * Math.abs(e)) wrong.push(`${name}[${i}] is ${mean}, not ${e}: ${text}`);
      });
  }
  console.log(`${compiled} compiled, ${refused} refused`);
  expect(wrong).toEqual([]);
  expect(compiled).toBeGreaterThan(5);
});
