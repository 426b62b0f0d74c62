/** `gmc sample --known`: halves and masks of an autoregressive model, what is held and what is not, masks that do not fit. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, gmc, type Ran } from "../support/cli.js";

const model = `model Bits {
  data x : binary[4, 4, 1]
  density p(x) { x ~ Bernoulli(logits = x |> reshape(16) |> nade(3) |> reshape(4, 4, 1)) }
  train {
    maximize log p(x)
    optimizer = adam(lr = 1e-3), batch = 10, epochs = 1
  }
}
`;
const top = [1, 0, 0, 1, 1, 1, 0, 0];

/** Bytes of an .npy file of 8-bit integers. */
function npyFile(shape: readonly number[], values: readonly number[]): Uint8Array {
  const header = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`.padEnd(117) + "\n";
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from("NUMPY\u0001\u0000"),
    Buffer.from([header.length, 0]),
    Buffer.from(header),
    Uint8Array.from(values),
  ]);
}

let folder = "";
/** Drawn with nothing held. */
let free: number[][] = [];
const at = (...path: string[]): string => join(folder, ...path);
const sample = (...args: string[]): Promise<Ran> => gmc(["sample", "bits", "--count", "6", ...args], { cwd: folder });

beforeAll(async () => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-known-"));
  writeFileSync(at("bits.gm"), model);
  // all rows have one upper half
  writeFileSync(
    at("x.npy"),
    npyFile([40, 16], Array.from({ length: 40 }, (_, row) => [...top, ...top.map((_b, i) => (row >> (i % 5)) & 1)]).flat()),
  );
  const ran = await gmc(["train", "bits.gm", "--data", "x.npy", "--no-eval", "--out", "bits", "--engine", "reference"], { cwd: folder });
  expect(ran.stderr).not.toContain("error");
  free = rowsOf(await sample("--json"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Values of x in what --json printed. */
function rowsOf(ran: Ran): number[][] {
  const { values } = JSON.parse(ran.stdout) as { values: { x: { shape: number[]; data: number[] } } };
  expect(values.x.shape).toEqual([6, 4, 4, 1]);
  return Array.from({ length: 6 }, (_, row) => values.x.data.slice(16 * row, 16 * row + 16));
}

describe("known entries", () => {
  it("of a half are those of the data, all others are drawn", async () => {
    const rows = rowsOf(await sample("--known", "top", "--split", "train", "--json"));
    for (const row of rows) expect(row.slice(0, 8)).toEqual(top);
    expect(new Set(rows.map((row) => row.slice(8).join(""))).size).toBeGreaterThan(1);
    expect(free.some((row) => row.slice(0, 8).join("") !== top.join(""))).toBe(true);
  });

  it("of a mask are those where it is 1, whatever is drawn before them", async () => {
    const mask = Array.from({ length: 16 }, (_, i) => (i === 3 || i === 5 ? 1 : 0));
    writeFileSync(at("mask.npy"), npyFile([4, 4, 1], mask));
    const rows = rowsOf(await sample("--known", "mask.npy", "--split", "train", "--json"));
    for (const row of rows) expect([row[3], row[5]]).toEqual([top[3], top[5]]);
    // what comes before a held entry is drawn as without it
    expect(rows.map((row) => row.slice(0, 3))).toEqual(free.map((row) => row.slice(0, 3)));
  });

  it("are drawn as pairs with the rows of the data", async () => {
    const ran = await sample("--known", "left", "--split", "train");
    expect(ran.stdout.trim()).toBe(join("bits", "completed.png"));
    expect(existsSync(at("bits", "completed.png"))).toBe(true);
  });

  it("that others are drawn before are noted", async () => {
    const ran = await sample("--known", "right", "--split", "train");
    // of the four rows of four pixels: all on the left
    expect(ran.stderr).toContain("8 of 16 entries of a row of `x` are drawn before a known one: they do not follow it");
    expect((await sample("--known", "top", "--split", "train")).stderr).not.toContain("do not follow");
  });

  it("that do not fit are refused", async () => {
    const region = await sample("--known", "middle");
    expect(region.stderr).toContain("error[GM4030]: --known takes top, bottom, left, right, or an .npy file, found middle");
    writeFileSync(at("wrong.npy"), npyFile([5], [1, 1, 0, 0, 0]));
    const wrong = await sample("--known", "wrong.npy", "--split", "train");
    expect(wrong.code).not.toBe(0);
    expect(wrong.stderr).toMatch(/error\[GM4030\].*wrong\.npy holds 5 numbers, and a row of `x` has 16/u);
  });
});
