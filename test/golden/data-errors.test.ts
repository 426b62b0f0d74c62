/** Mistakes in data: the output of each, as a command prints it. */
import { mkdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { renderDiagnostic } from "../../src/base/render.js";
import { encodeWav } from "../../src/runtime/data/index.js";
import { category, real } from "../../src/runtime/model.js";
import { loadDataset } from "../../src/runtime/node/datasets.js";
import { mistake, temporaryFolder, write } from "../node/support.js";
import { expectGolden } from "../support/golden.js";

describe("errors of data", () => {
  it("GM5213-mixed-rates", async () => {
    const base = temporaryFolder();
    for (const [label, rate] of [
      ["no", 8000],
      ["yes", 16_000],
    ] as const) {
      mkdirSync(`${base}/words/${label}`, { recursive: true });
      write(base, `words/${label}/1.wav`, encodeWav({ rate, samples: new Array<number>(20).fill(0.1) }));
    }
    const { code, message, help } = await mistake(() => loadDataset("words/:width=10", [{ x: real([10]), y: category(2) }], { base }));
    expect(code).toBe("GM5213");
    const printed = renderDiagnostic({ code, severity: "error", message, labels: [], notes: [], help }, { color: false });
    expectGolden("golden/errors/gm5/GM5213-mixed-rates.txt", printed.replaceAll(`${base}/`, ""));
  });
});
