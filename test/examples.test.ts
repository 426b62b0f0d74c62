/** Every example: its generated file is fresh, and a few steps of training lower its loss, on real or synthetic data. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { compile } from "../src/compile.js";
import { renderDiagnostics } from "../src/base/render.js";
import { countParameters, GmcError, type ModelDefinition } from "../src/runtime/index.js";
import { loadDataset, train } from "../src/runtime/node/index.js";
import { fewMeasured } from "./support/few-rows.js";

const folder = fileURLToPath(new URL("../examples/", import.meta.url));
/** A set is read once for all examples that take it alike. */
const sets = new Map<string, ReturnType<typeof loadDataset>>();
function loaded(source: string, { streams }: ModelDefinition): ReturnType<typeof loadDataset> {
  const key = JSON.stringify([source, streams]);
  const set = sets.get(key) ?? loadDataset(source, streams, { base: folder }).then((data) => fewMeasured(data, 200));
  sets.set(key, set);
  return set;
}

const examples = readdirSync(folder).filter((f) => f.endsWith(".gm"));

describe("examples", () => {
  it("are there", () => {
    expect(examples.length).toBeGreaterThanOrEqual(11);
  });

  it.each(examples)("%s: the committed file is fresh", (file) => {
    const text = readFileSync(join(folder, file), "utf8");
    const compiled = compile({ path: `examples/${file}`, text });
    expect(renderDiagnostics(compiled.diagnostics, { color: false })).toBe("");
    expect(readFileSync(join(folder, `${file}.ts`), "utf8")).toBe(compiled.print("ts"));
  });

  const config = JSON.parse(readFileSync(join(folder, "gmc.config.json"), "utf8")) as { models: Record<string, { data: string }> };

  it.each(examples)("%s: a few steps improve its objective", async (file) => {
    const { model } = (await import(`../examples/${file}.ts`)) as { model: ModelDefinition };
    const spec = config.models[file]?.data ?? (model.streams.length === 0 ? "none" : undefined);
    if (spec === undefined) throw new Error(`${file} has no data set in gmc.config.json`);
    const load = (source: string): ReturnType<typeof loadDataset> => loaded(source, model);
    let data;
    try {
      // a part of the set that is large to fetch
      data = await (spec === "cifar10" ? load("cifar10_subset") : load(spec));
    } catch (error) {
      if (!(error instanceof GmcError) || !error.message.includes("not here")) throw error;
      console.log(`skipped: training ${file}, ${error.message}`);
      return;
    }
    // A small model learns little a step; the batch has to be larger than its noise.
    const assigns = model.train.every((p) => p.updates.every((u) => u.assigns));
    const [batch, steps] = countParameters(model.weights) < 1000 && !assigns ? [100, 150] : [25, 24];
    const [phase] = model.train;
    const [update] = phase?.updates ?? [];
    if (!update) throw new Error(`${file} trains nothing`);
    // updates that assign their weights (EM) take all rows, and no batch; few steps are enough
    const trained = await train(model, { data, ...(assigns ? {} : { batch }), steps, recordEvery: 1, seed: 3 });
    // two players of one objective are told apart by what they move
    const value = (of: Readonly<Record<string, unknown>>): number =>
      Number(of[update.label] ?? of[`${update.label} over ${update.over.join(", ")}`]);
    const values = trained.history.filter((r) => r.split === "train" && r.phase === phase?.name).map((r) => value(r.values));
    await trained.close();
    expect(values).toHaveLength(steps);
    expect(values.every(Number.isFinite)).toBe(true);
    // With log Z replaced by samples of the model, or the likelihood by score matching, the value itself says nothing of progress in so few steps.
    // An energy that comes in slowly makes the objective another one in each step.
    // Clipping takes the weights of a critic away from where they start.
    if (update.carried || phase?.constraints || (phase?.schedules && model.streams.length === 0) || file === "energy_net.gm") return;
    const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
    const gain = mean(values.slice(-steps / 4)) - mean(values.slice(0, steps / 4));
    expect(update.direction === "maximize" ? gain : -gain).toBeGreaterThan(0);
  });
});
