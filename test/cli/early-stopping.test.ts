/** A run that early stopping ends says so, where it prints and in its results; more epochs take it further. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunResults } from "../../src/cli/run/training.js";
import { ensureBuilt, gmc, type Ran } from "../support/cli.js";

let folder = "";
beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-stopping-"));
  writeFileSync(
    join(folder, "mean.gm"),
    `model Mean {
  data x : real[2]
  param m : real[2] = 0
  density p(x) { x ~ Normal(m, 1) }
  train {
    maximize log p(x)
    optimizer = sgd(lr = 0.05), batch = 10, epochs = 30
    early_stopping = early_stopping(metric = ll, patience = 3)
  }
  evaluate { ll = log p(x) }
}
`,
  );
  // the mean moves from 0 to 1, and passes the one of the validation rows, 0.2, on its way
  const rows = (value: number): string => `${value},${value}\n`.repeat(10);
  writeFileSync(join(folder, "train.csv"), rows(1));
  writeFileSync(join(folder, "validation.csv"), rows(0.2));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: readonly string[]): Promise<Ran> => gmc(args, { cwd: folder });
const results = (): RunResults => JSON.parse(readFileSync(join(folder, "run", "results.json"), "utf8")) as RunResults;

it("tells why it ended, of which epoch the weights are, and goes on where it is told to", async () => {
  const data = "x=train.csv,x.validation=validation.csv,x.test=validation.csv";
  const ran = await run("train", "mean.gm", "--data", data, "--out", "run", "--engine", "reference");
  expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 0 });
  // 1 - 0.95^n is nearest to 0.2 after 4 steps
  expect(ran.stderr).toContain(
    "stopped early, at epoch 7 of 30: ll has not improved for 3 epochs; the weights are those of epoch 4 (step 4)",
  );
  expect(results()).toMatchObject({
    outcome: "finished",
    protocol: { step: 4 },
    training: { steps: 7, stopping: [{ metric: "ll", early: true, epoch: 7, epochs: 30, step: 7, bestStep: 4, bestEpoch: 4 }] },
  });
  const { metrics } = results();
  expect(JSON.parse((await run("eval", "run", "--json")).stdout.trim().split("\n").at(-1)!)).toMatchObject({
    protocol: { step: 4 },
    metrics,
  });

  const further = await run("resume", "run", "--epochs", "40");
  expect(further.code).toBe(0);
  // three epochs more, none of them better
  expect(further.stderr).toContain("stopped early, at epoch 10 of 40");
  expect(results()).toMatchObject({ protocol: { step: 4 }, training: { steps: 10 } });
});

it("says that the best epoch was not the last where the run has its full length", async () => {
  const data = "x=train.csv,x.validation=validation.csv,x.test=validation.csv";
  const ran = await run("train", "mean.gm", "--data", data, "--out", "short", "--engine", "reference", "--epochs", "6");
  expect(ran.stderr).toContain("ll was best before the end: the weights are those of epoch 4 (step 4)");
  const best = await run("train", "mean.gm", "--data", data, "--out", "best", "--engine", "reference", "--epochs", "4");
  expect(best.stderr).not.toMatch(/stopped early|was best/u);
});
