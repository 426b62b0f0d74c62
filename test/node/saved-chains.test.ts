/** A trained model that is saved and loaded keeps its averages and its persistent chains. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { referenceEngine } from "gmc/runtime";
import { loadTrained, train } from "../../src/runtime/node/run-train.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { handRbm } from "../support/hand-rbm.js";
import { templateRows } from "../support/hand-vae.js";

const folder = mkdtempSync(join(tmpdir(), "gmc-saved-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("save and loadTrained", () => {
  it("bring chains and averages back, and measure and draw alike", async () => {
    const model = handRbm({ D: 6, phase: { ema: 0.5 } });
    const v = templateRows(40, 6);
    const trained = await train(model, { data: { v }, engine: referenceEngine, steps: 6, seed: 2 });
    await trained.save(join(folder, "rbm"));
    const loaded = await loadTrained(model, join(folder, "rbm"), { data: datasetOf(model, { train: { v } }), engine: referenceEngine });
    for (const name of ["W", "ema:W", "chain:p.v"]) expect(await loaded.session.read(name)).toEqual(await trained.session.read(name));
    const options = { sweeps: 3, start: "chains" } as const;
    expect((await loaded.sample(4, options)).values).toEqual((await trained.sample(4, options)).values);
    const some = { metrics: ["nll"], temperatures: 20 };
    expect((await loaded.evaluate(some)).metrics).toEqual((await trained.evaluate(some)).metrics);
    loaded.close();
    trained.close();
  });
});
