/** Every example file elaborates without a finding. */
import { expect, test } from "vitest";
import { elaborateExample } from "./support.js";

test("vae", () => {
  const ir = elaborateExample("vae");
  expect(ir.name).toBe("VAE");
});
