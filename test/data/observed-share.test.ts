/** `observed-share`: batches with so many rows that have what others miss, each kind in turn, alike by seed and where a cursor is taken up. */
import { beforeEach, describe, expect, it } from "vitest";
import { openTrainStream } from "../../src/runtime/data/index.js";
import { category, optional, real } from "../../src/runtime/model.js";
import { loadDataset } from "../../src/runtime/node/datasets.js";
import { renderDiagnostic } from "../../src/base/render.js";
import { mistake, temporaryFolder, write } from "../node/support.js";
import { expectGolden } from "../support/golden.js";

const [ROWS, KNOWN, BATCH] = [50, 6, 10];
let base = "";
beforeEach(() => {
  base = temporaryFolder();
  // x is the number of its row; the label is known in every eighth
  const lines = Array.from({ length: ROWS }, (_, i) => `${i},${i % 8 === 0 && i < 8 * KNOWN ? (i / 8) % 2 : ""}`);
  write(base, "rows.csv", ["x,y", ...lines].join("\n"));
});
const streams = [{ x: real([1]), y: optional(category(2)) }];
const load = (options: string) => loadDataset(`x=rows.csv#x,y=rows.csv#y${options}`, streams, { base });

describe("observed-share", () => {
  it("gives each batch its share, and goes through the rows of each kind in turn", async () => {
    const stream = openTrainStream(await load(":observed-share=0.3"), { batch: BATCH, seed: 4 });
    expect(stream.stepsPerEpoch).toBe(5);
    const seen = new Map<number, number>();
    for (let step = 0; step < stream.stepsPerEpoch; step++) {
      const { tensors } = stream.next();
      const known = Array.from(tensors["y"]!.data, Number).filter((y) => y >= 0);
      expect(known).toHaveLength(3);
      const rows = Array.from(tensors["x"]!.data, Number);
      rows.forEach((row, i) => expect(row % 8 === 0 && row < 8 * KNOWN).toBe(Number(tensors["y"]!.data[i]) >= 0));
      rows.forEach((row) => seen.set(row, (seen.get(row) ?? 0) + 1));
    }
    // 15 of the 6 known: two or three times each; 35 of the 44 others, once each
    for (let row = 0; row < 8 * KNOWN; row += 8) expect([2, 3]).toContain(seen.get(row));
    expect([...seen].filter(([row, n]) => !(row % 8 === 0 && row < 8 * KNOWN) && n === 1)).toHaveLength(35);
  });

  it("is a function of seed and epoch, and goes on from a cursor", async () => {
    const open = async (seed: number) => openTrainStream(await load(":observed-share=0.3"), { batch: BATCH, seed });
    const taken = (stream: Awaited<ReturnType<typeof open>>, n: number): number[][] =>
      Array.from({ length: n }, () => Array.from(stream.next().tensors["x"]!.data, Number));
    const first = await open(1);
    const all = taken(first, 12);
    expect(taken(await open(1), 12)).toEqual(all);
    expect(taken(await open(2), 12)).not.toEqual(all);
    expect(all.slice(5, 10)).not.toEqual(all.slice(0, 5));
    const again = await open(1);
    taken(again, 7);
    const later = await open(1);
    later.seek(again.cursor());
    expect(taken(later, 5)).toEqual(all.slice(7));
  });

  it("without it batches are as the rows lie", async () => {
    const stream = openTrainStream(await load(""), { batch: BATCH, seed: 4 });
    const rows = Array.from({ length: 5 }, () => Array.from(stream.next().tensors["x"]!.data, Number)).flat();
    expect(new Set(rows).size).toBe(ROWS);
  });

  it("is refused where a batch cannot have it", async () => {
    const share = async (s: number, batch = BATCH): Promise<unknown> =>
      openTrainStream(await load(`:observed-share=${s}`), { batch, seed: 0 }).next();
    const { code, message, help } = await mistake(() => share(0.01));
    expect(code).toBe("GM5434");
    const printed = renderDiagnostic({ code, severity: "error", message, labels: [], notes: [], help }, { color: false });
    expectGolden("golden/errors/gm5/GM5434-no-row-of-a-batch.txt", printed.replaceAll(`${base}/`, ""));
    expect((await mistake(() => share(0.99))).message).toContain("is all of it");
    write(base, "full.csv", ["x,y", ...Array.from({ length: ROWS }, (_, i) => `${i},${i % 2}`)].join("\n"));
    const full = await mistake(() => loadDataset("x=full.csv#x,y=full.csv#y:observed-share=0.5", streams, { base }));
    expect([full.code, full.message]).toEqual(["GM5434", "observed-share=0.5: every training row has y"]);
    expect((await mistake(() => load(":observed-share=1"))).code).toBe("GM5013");
    const sure = await mistake(() =>
      loadDataset("x=full.csv#x,y=full.csv#y:observed-share=0.5", [{ x: real([1]), y: category(2) }], { base }),
    );
    expect([sure.code, sure.message.split(" is about")[0]]).toEqual(["GM5013", "observed-share=0.5"]);
  });
});
