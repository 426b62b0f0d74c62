/** Runs of an energy model through the built program: what they leave behind, going on with their chains, measures, chains over time, filters, topics. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PNG } from "pngjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, gmc, type Ran } from "../support/cli.js";
import { writeEnergyRun } from "../support/energy-run.js";

let folder = "";
const at = (...path: string[]): string => join(folder, ...path);
const run = (...args: string[]): Promise<Ran> => gmc(args, { cwd: folder });
const parsed = (ran: Ran): Record<string, never> => JSON.parse(ran.stdout.trim().split("\n").at(-1) ?? "") as Record<string, never>;
const picture = (path: string): { readonly width: number; readonly height: number } => PNG.sync.read(readFileSync(at(path)));
const states = (name: string): Buffer =>
  readFileSync(
    at(
      name,
      "checkpoints",
      readdirSync(at(name, "checkpoints"))
        .filter((n) => n.endsWith(".safetensors"))
        .sort()
        .at(-1) ?? "",
    ),
  );

beforeAll(async () => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-energy-"));
  writeEnergyRun(folder, "rbm", "reference", true);
  const ran = await run("resume", "rbm");
  expect(ran.stderr).not.toContain("error");
  expect(ran.code).toBe(0);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a run of an energy model", () => {
  it("ends with its measures, pictures and words", () => {
    for (const name of ["samples.png", "reconstructions.png", "filters-W.png", "topics.txt"])
      expect(existsSync(at("rbm", name)), name).toBe(true);
    const results = JSON.parse(readFileSync(at("rbm/results.json"), "utf8")) as { metrics: Record<string, unknown> };
    expect(results.metrics).toMatchObject({
      logZ: { bound: "estimate", partitions: [{ method: "ais", chains: 20, temperatures: 50, conditions: 1 }] },
      nll: { unit: "nats", partitions: [{ name: "logZ" }] },
    });
    // 6 units, 3 in a row, each 8 pixels with gaps of 2, seven times as large
    expect(picture("rbm/filters-W.png")).toMatchObject({ width: 7 * 32, height: 7 * 22 });
  });

  it("takes as many sweeps before its closing samples as are asked for, those of `gmc sample`", async () => {
    for (const [name, sweeps] of [
      ["one", "1"],
      ["four", "4"],
    ] as const) {
      writeEnergyRun(folder, name, "reference");
      expect((await run("resume", name, "--steps", "7", "--no-eval", "--sweeps", sweeps)).code).toBe(0);
    }
    await run("sample", "four", "--sweeps", "4", "--out", "four-samples.png");
    expect(readFileSync(at("four/samples.png")).equals(readFileSync(at("four-samples.png")))).toBe(true);
    expect(readFileSync(at("four/samples.png")).equals(readFileSync(at("one/samples.png")))).toBe(false);
  });

  it("goes on bitwise with its chains", async () => {
    writeEnergyRun(folder, "cut", "reference");
    expect((await run("resume", "cut", "--steps", "7", "--no-eval")).code).toBe(0);
    expect((await run("resume", "cut", "--steps", "20", "--no-eval")).code).toBe(0);
    // its columns have names, and are no words
    expect(existsSync(at("cut", "topics.txt"))).toBe(false);
    expect((await run("topics", "cut", "--count", "3")).stdout).toMatch(/^1 {2}pixel\d+ pixel\d+ pixel\d+$/m);
    expect(states("cut").includes("chain:p.v")).toBe(true);
    expect(states("cut").equals(states("rbm"))).toBe(true);
  });

  it("is measured with other numbers of draws", async () => {
    const ran = await run("eval", "rbm", "--temperatures", "200", "--chains", "30", "--metric", "nll", "--json");
    expect(parsed(ran)).toMatchObject({
      metrics: { logZ: { label: "ais(chains = 30, temperatures = 200)" }, nll: { partitions: [{ chains: 30, temperatures: 200 }] } },
    });
    const only = parsed(await run("eval", "rbm", "--metric", "logZ", "--json"));
    expect(Object.keys(only["metrics"] ?? {})).toEqual(["logZ"]);
    expect(only).toMatchObject({ terms: {}, reconstruction: {} });
    const shown = await run("eval", "rbm");
    expect(shown.stdout).toContain("squared error of v");
    expect((await run("eval", "rbm", "--metric", "logZ")).stdout).not.toContain("squared error");
    expect(shown.stdout).toMatch(
      /logZ +\d+\.\d+ +± .*ais\(chains = 20, temperatures = 50\), estimate, effective sample size \d+\.\d of 20 chains/,
    );
    expect(shown.stdout).toMatch(/nll .* estimate, ± .* of it from logZ/);
    expect((await run("eval", "rbm", "--chains", "0")).code).toBe(2);
  });

  it("draws its chains over time", async () => {
    const ran = await run("sample", "rbm", "--count", "3", "--sweeps", "8", "--every", "2", "--start", "chains", "--out", "time.png");
    expect(ran.stdout.trim()).toBe("time.png");
    // a row for each of 3 chains, a column for the start and each of 4 times
    expect(picture("time.png")).toMatchObject({ width: 7 * 52, height: 7 * 32 });
    const numbers = parsed(await run("sample", "rbm", "--count", "3", "--sweeps", "4", "--every", "2", "--json"));
    expect(numbers).toMatchObject({ values: { v: { shape: [3, 64] } }, "values at 0": {}, "values at 4": { v: { shape: [3, 64] } } });
    expect((numbers as Record<string, unknown>)["values at 4"]).toEqual((numbers as Record<string, unknown>)["values"]);
    expect((await run("sample", "rbm", "--start", "nowhere")).code).toBe(2);
  });

  it("holds variables at numbers and at data", async () => {
    const ones = parsed(await run("sample", "rbm", "--count", "2", "--given", "h=1", "--json")) as { values?: { h: { data: number[] } } };
    expect(ones.values?.h.data).toEqual(new Array(12).fill(1));
    const data = parsed(await run("sample", "rbm", "--count", "2", "--given", "v=data", "--json")) as {
      values?: { v: { data: number[] } };
    };
    expect(data.values?.v.data.reduce((a, b) => a + b, 0)).toBe(16);
    const wrong = await run("sample", "rbm", "--given", "x=1");
    expect(wrong.stderr).toContain("error[GM4009]: RBM has no variable `x`");
    expect((await run("sample", "rbm", "--given", "x")).code).toBe(2);
  });

  it("shows filters, one weight or all, and says what it has", async () => {
    expect((await run("filters", "rbm", "--count", "4", "--scale", "joint", "--out", "four.png")).stdout.trim()).toBe("four.png");
    expect(picture("four.png")).toMatchObject({ width: 7 * 22, height: 7 * 22 });
    expect(parsed(await run("filters", "rbm", "--weight", "W", "--json"))).toMatchObject({ filters: [{ weights: ["W"], shape: [6, 64] }] });
    expect((await run("filters", "rbm", "--weight", "V")).stderr).toContain("its weights: W, a, b");
    expect((await run("filters", "rbm", "--weight", "a")).stderr).toContain("these are: W");
    expect((await run("filters", "rbm", "--weight", "W", "b")).stderr).toContain("does not meet the 6 units of `W`");
  });

  it("says how units of a deeper layer are shown", async () => {
    writeFileSync(
      at("two.gm"),
      `model Two {
  data v : binary[2, 2]
  latent h : binary[3], g : binary[2]
  param W1 : real[4, 3] init Normal(0, 1), W2 : real[3, 2] init Normal(0, 1)
  density p(v, h, g) { energy -(flatten(v) @ W1 @ h) - h @ W2 @ g }
  train { maximize log p(v) by pcd(k = 1, chains = 5)
    batch = 2, steps = 1 }
}
`,
    );
    writeFileSync(at("two.csv"), "0,1,1,0\n1,0,0,1\n");
    expect((await run("train", "two.gm", "--data", "v=two.csv", "--engine", "reference", "--no-eval")).code).toBe(0);
    const { stderr } = await run("filters", "runs/two", "--weight", "W2");
    const [, told = ""] = /name all weights up to it: (--weight .*)/u.exec(stderr) ?? [];
    expect(told).toBe("--weight W1 W2");
    const shown = parsed(await run("filters", "runs/two", "--json", ...told.split(" ")));
    expect(shown).toMatchObject({ filters: [{ weights: ["W1", "W2"], shape: [2, 4] }] });
  });

  it("lists topics", async () => {
    const ran = await run("topics", "rbm", "--count", "3");
    const lines = ran.stdout.trim().split("\n");
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(/^1 {2}pixel\d+ pixel\d+ pixel\d+$/);
    const json = parsed(await run("topics", "rbm", "--count", "3", "--json")) as unknown as {
      topics: { topics: { entry: string; weight: number }[][] }[];
    };
    expect(lines[0]).toBe(`1  ${json.topics[0]?.topics[0]?.map((t) => t.entry).join(" ")}`);
    expect(await run("topics", "rbm", "--count", "3", "--out", "words.txt")).toMatchObject({ stdout: "" });
    expect(readFileSync(at("words.txt"), "utf8")).toBe(ran.stdout);
  });
});
