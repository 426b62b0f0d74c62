/** The Gaussian RBM on what its documentation trains it on: some steps and their measures. Skipped with a visible line where the data are not here. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listDatasets } from "../../src/runtime/node/datasets.js";
import { ensureBuilt, gmc } from "../support/cli.js";

// where GMC_DATA is not set, data are looked for beside the working folder
const root = fileURLToPath(new URL("../../", import.meta.url));
const model = fileURLToPath(new URL("../../examples/grbm.gm", import.meta.url));
const here = new Map(listDatasets().map((set) => [set.name, set.available]));
let folder = "";

beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-grbm-"));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cases = [
  {
    set: "natural_images",
    options: "rows=2000:size=8x8:scale=whiten:ridge=0.1",
    sizes: ["D=64", "H=20", "sigma=0.6", "off=-4", "rate=0.015"],
    width: 64,
  },
  { set: "frey_faces", options: "scale=standardize", sizes: ["D=560", "H=20", "sigma=0.7", "off=-2", "rate=3e-3"], width: 560 },
];

describe("the Gaussian RBM on", () => {
  for (const { set, options, sizes, width } of cases) {
    const title = here.get(set) === true ? set : `${set}: SKIPPED, its files are not here (set GMC_DATA to the data folder)`;
    it.skipIf(here.get(set) !== true)(
      title,
      async () => {
        const out = join(folder, set);
        const settings = sizes.flatMap((size) => ["--set", size]);
        const draws = ["--chains", "20", "--temperatures", "100"];
        const ran = await gmc(["train", model, "--data", `${set}:${options}`, ...settings, "--steps", "40", ...draws, "--out", out], {
          cwd: root,
        });
        expect(ran.stderr).not.toContain("error");
        expect(ran.code).toBe(0);
        const { metrics } = JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as { metrics: Record<string, { value: number }> };
        const nll = metrics["nll"]?.value ?? NaN;
        // about as likely as under a Normal of the data's variance, 1.42 nats an entry, or likelier
        expect(nll).toBeGreaterThan(0);
        expect(nll).toBeLessThan(1.6 * width);
        expect(PNG.sync.read(readFileSync(join(out, "filters-W.png"))).width).toBeGreaterThan(20);
      },
      120_000,
    );
  }
});
