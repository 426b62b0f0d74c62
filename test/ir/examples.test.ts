/** Every example file elaborates without a finding. */
import { expect, test } from "vitest";
import { elaborateExample } from "./support.js";

test.each([
  "vae",
  "iwae",
  "hvae",
  "cvae",
  "ssvae",
  "conv_vae",
  "autoencoder",
  "denoising_autoencoder",
  "mog",
  "kmeans",
  "factor_analysis",
  "ppca",
])("%s", (name) => {
  const ir = elaborateExample(name);
  expect(ir.train.length).toBeGreaterThan(0);
});

test("up-down trains both directions of a deep belief net", () => {
  const { updates } = elaborateExample("dbn").train.at(-1)!;
  expect(updates.map((u) => [u.direction, ...u.over].sort())).toEqual([
    ["W1", "W2", "a2", "b0", "b1", "maximize"],
    ["R", "maximize", "r"],
  ]);
});
