/** What a model without an `evaluate` block is told that it could be measured by. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importModel } from "../../src/cli/load-model.js";
import { unmeasured } from "../../src/cli/run/measurable.js";
import { compileFile, compileOrFail } from "../../src/cli/sources.js";
import { ensureBuilt, gmc, root } from "../support/cli.js";

let folder = "";
beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-measurable-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An example without its `evaluate` block, and the note that it gets. */
async function noteOf(name: string): Promise<{ readonly path: string; readonly text: string; readonly note: string }> {
  const text = readFileSync(join(root, "examples", `${name}.gm`), "utf8").replace(/\n {2}evaluate \{[^}]*\}/, "");
  const path = join(folder, `${name}.gm`);
  writeFileSync(path, text);
  const compiled = compileOrFail(path);
  const [note = ""] = unmeasured(compiled, await importModel(compiled.print("js")), {});
  return { path, text, note };
}

describe("the note to a model without an evaluate block", () => {
  it.each([
    ["rbm", "evaluate { logZ = ais(p, chains = 100, temperatures = 1000); nll = -log p(v) }"],
    ["dbm", "evaluate { logZ = ais(p, chains = 100, temperatures = 1000); bound = -log p(v) by mean_field(steps = 30) }"],
    ["energy_langevin", "evaluate { logZ = ais(p, chains = 100, temperatures = 1000); nll = -log p(x) }"],
    ["vae", "evaluate { nll = -IWAE(p, q, k = 100) }"],
    ["cvae", "evaluate { nll = -IWAE(p, q, k = 100) }"],
    ["mog", "evaluate { nll = -log p(x) }"],
    ["gan", "evaluate { test = mmd_test(p) }"],
  ])("of %s names lines that compile", async (name, lines) => {
    const { path, text, note } = await noteOf(name);
    expect(note).toContain(`has no \`evaluate\` block: the run ends without a metric; add to ${path}: ${lines}`);
    writeFileSync(path, text.replace(/\n\}/, `\n  ${lines}\n}`));
    const again = compileFile(path);
    expect(again.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(unmeasured(again, await importModel(again.print("js")), {})).toEqual([]);
  });

  it("has a neighbour for one without a train block, before data are asked for", async () => {
    writeFileSync(
      join(folder, "idle.gm"),
      "model Idle {\n  data x : real[2]\n  latent z : real[2]\n  density p(x, z) { z ~ Normal(0, 1) x ~ Normal(z, 1) }\n}\n",
    );
    const ran = await gmc(["train", "idle.gm"], { cwd: folder });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/^error\[GM4007\]: Idle has no train block, so there is nothing to train\n/u);
    expect(ran.stderr).toContain("train { maximize log p(x)  optimizer = adam(lr = 1e-3), batch = 100, epochs = 10 }");
  });

  it("comes before the training, and its results say that there is no metric", async () => {
    await noteOf("energy_langevin");
    const data = ["--data", "pinwheel:rows=50", "--batch", "10", "--steps", "1"];
    const args = ["energy_langevin.gm", "--set", "k=1", "--set", "H=2", ...data];
    const ran = await gmc(["train", ...args, "--engine", "reference"], { cwd: folder });
    expect(ran.stderr.indexOf("note: EnergyLangevin has no `evaluate` block")).toBeGreaterThanOrEqual(0);
    expect(ran.stderr.indexOf("note: EnergyLangevin has no `evaluate` block")).toBeLessThan(ran.stderr.indexOf("step 1/1"));
    expect(ran.stdout.split("\n").slice(0, 3)).toEqual([
      "EnergyLangevin on pinwheel, test, 5 rows",
      "  no metric: EnergyLangevin has no `evaluate` block",
      expect.stringMatching(/^ {2}data: /),
    ]);
    expect((await gmc(["train", ...args, "--engine", "reference", "--no-eval"], { cwd: folder })).stderr).not.toContain("`evaluate` block");
  });
});
