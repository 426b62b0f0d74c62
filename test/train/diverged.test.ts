/** Chains whose steps are neither accepted nor refused and lead out of all numbers: what training and samples say of them. */
import { describe, expect, it } from "vitest";
import { referenceEngine, train } from "gmc/runtime";
import { loadModel } from "../support/model.js";

const model = (step: number, more = ""): ReturnType<typeof loadModel>["model"] =>
  loadModel(`model L {
  data v : real[2]
  param b : real[2] = 0
  density p(v) { energy sum((v^2 - 1)^2) - b @ v }
  train { maximize log p(v) by langevin(k = 4, chains = 200, step = ${step}${more}) optimizer = sgd(lr = 0.001), batch = 4, steps = 1 }
}`).model;
const data = { v: { data: Float32Array.of(1, 1, -1, 1, 1, -1, -1, -1), shape: [4, 2] as const } };

const failure = async (run: () => Promise<unknown>): Promise<unknown> => {
  try {
    return await run();
  } catch (error) {
    return error;
  }
};

describe("chains that diverge", () => {
  it("end training with the step as what to change", async () => {
    const error = await failure(() => train(model(2, ", metropolis = false"), { data, engine: referenceEngine, seed: 1 }));
    expect(error).toMatchObject({ code: "GM4003", message: expect.stringContaining("its chains) is not finite at step 1") as string });
    const { help } = error as { readonly help: readonly string[] };
    expect(help.join("\n")).toContain("`step`, or leave out `metropolis = false`");
    expect(help.join("\n")).not.toContain("learning rate");
  });

  it("are no samples", async () => {
    const trained = await train(model(0.3, ", metropolis = false"), { data, engine: referenceEngine, seed: 1 });
    const error = await failure(() => trained.sample(3000, { sweeps: 1000, seed: 3 }));
    expect(error).toMatchObject({ code: "GM4003", message: expect.stringMatching(/of 3000 chains \d+ (is|are) not finite/) as string });
    expect((error as { readonly help: readonly string[] }).help.join()).toContain("steps of 0.3");
  });

  it("stay where steps are accepted or refused", async () => {
    const trained = await train(model(2), { data, engine: referenceEngine, seed: 1 });
    const { values } = await trained.sample(200, { sweeps: 50, seed: 3 });
    expect(values["v"]!.data.every(Number.isFinite)).toBe(true);
  });
});
