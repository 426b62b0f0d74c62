/** Whole runs through the built program: what a run leaves behind, killing and resuming it, interrupting it, JSON. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { ensureBuilt, gmc, type Ran } from "../support/cli.js";
import { tinyModel } from "../support/tiny.js";

let folder = "";
const at = (...path: string[]): string => join(folder, ...path);
const read = (...path: string[]): string => readFileSync(at(...path), "utf8");
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

beforeAll(() => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-run-"));
  writeFileSync(at("tiny.gm"), tinyModel);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const data = ["--data", "pinwheel:rows=200"];
const newest = (run: string): string => {
  const names = readdirSync(at(run, "checkpoints")).filter((n) => n.endsWith(".safetensors"));
  return names.sort().at(-1) ?? "";
};
/** The weights and all other states of the newest checkpoint, byte for byte. */
const states = (run: string): Buffer => readFileSync(at(run, "checkpoints", newest(run)));
/** results.json but for what belongs to the process: its times, its memory, the folder that it was told. */
const results = (run: string): unknown => {
  const {
    run: _run,
    seconds: _seconds,
    peakMemoryBytes: _peak,
    training,
    ...all
  } = JSON.parse(read(run, "results.json")) as Record<string, object>;
  const { seconds: _trained, stepsPerSecond: _speed, ...kept } = training as Record<string, unknown>;
  return { ...all, training: kept };
};

describe("train", () => {
  it("leaves a whole run folder and ends with its measures", async () => {
    const ran = await gmc(["train", "tiny.gm", ...data, "--engine", "reference"], { cwd: folder });
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/nll\s+\d+\.\d+\s+± /);
    expect(ran.stderr).toContain("engine reference");
    expect(ran.stderr).toMatch(/epoch 4\/4 {2}step 40\/40 {2}ELBO\(p, q\) -\d/);
    expect(ran.stderr).not.toContain("\r");
    const shown = / ([\d.]+) steps\/s/u.exec(lines(ran.stderr).findLast((line) => line.startsWith("epoch")) ?? "");
    expect(ran.stderr).toContain(`, ${shown?.[1]} steps/s\n`);
    const found = readdirSync(at("runs/tiny"));
    expect(found).toEqual(
      expect.arrayContaining([
        "checkpoints",
        "config.json",
        "loss.svg",
        "metrics.csv",
        "metrics.jsonl",
        "model.gm",
        "model.gm.js",
        "results.json",
        "samples.svg",
      ]),
    );
    expect(readdirSync(at("runs/tiny/checkpoints")).filter((n) => n.endsWith(".json")).length).toBe(2);
    const results = JSON.parse(read("runs/tiny/results.json")) as Record<string, unknown>;
    expect(results).toMatchObject({
      outcome: "finished",
      model: "Tiny",
      engine: { name: "reference" },
      training: { steps: 40 },
      metrics: { nll: { label: "-IWAE(p, q, k = 20)", k: 20, bound: "upper bound", unit: "nats" } },
      protocol: { split: "test", rows: 20, dataset: "pinwheel", seed: 0, step: 40 },
    });
    expect(results["peakMemoryBytes"]).toBeGreaterThan(1e7);
    const rows = lines(read("runs/tiny/metrics.jsonl")).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.at(-1)).toMatchObject({ step: 40, epoch: 4 });
    expect(lines(read("runs/tiny/metrics.csv"))[0]).toBe('step,phase,epoch,split,"ELBO(p, q)",log p(x | z),"KL(q(z | x), p(z))"');
  });

  it("--json gives lines of JSON and nothing else, the results last", async () => {
    const ran = await gmc(["train", "tiny.gm", ...data, "--steps", "5", "--json", "--out", "json-run", "--k", "7"], { cwd: folder });
    expect(ran.code).toBe(0);
    const all = lines(ran.stdout).map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(all.at(-1)).toMatchObject({ outcome: "finished", run: "json-run", training: { steps: 5 }, metrics: { nll: { k: 7 } } });
    expect((all.at(-1)?.["training"] as { stepsPerSecond: number }).stepsPerSecond).toBeGreaterThan(0);
    expect(all[0]).toHaveProperty("record");
  });

  it("takes defaults from gmc.config.json, and options over them", async () => {
    writeFileSync(
      at("gmc.config.json"),
      JSON.stringify({ data: "rings:rows=100", models: { "tiny.gm": { steps: 3, set: { H: 4 }, engine: "reference" } } }),
    );
    try {
      await gmc(["train", "tiny.gm", "--no-eval", "--out", "configured"], { cwd: folder });
      expect(JSON.parse(read("configured/config.json"))).toMatchObject({
        settings: { steps: 3, set: { H: 4 }, data: { spec: "rings:rows=100" } },
      });
      expect(read("configured/model.gm.js")).toContain("dense.spec(2, 4)");
      await gmc(["train", "tiny.gm", "--no-eval", "--out", "over", "--steps", "2", "--set", "H=3"], { cwd: folder });
      expect(JSON.parse(read("over/results.json"))).toMatchObject({ training: { steps: 2 } });
      writeFileSync(at("gmc.config.json"), JSON.stringify({ dta: "rings" }));
      const wrong = await gmc(["train", "tiny.gm"], { cwd: folder });
      expect(wrong.code).toBe(1);
      expect(wrong.stderr).toContain("gmc.config.json:1:");
    } finally {
      rmSync(at("gmc.config.json"));
    }
  });

  it("says that it measures the training rows where there are no others", async () => {
    writeFileSync(at("points.csv"), `a,b\n${Array.from({ length: 40 }, (_, i) => `${Math.sin(i)},${Math.cos(i)}`).join("\n")}\n`);
    const ran = await gmc(["train", "tiny.gm", "--data", "points.csv", "--steps", "1", "--out", "own"], { cwd: folder });
    expect(ran.stderr).toContain("note: there are no test rows");
    expect(ran.stderr).toContain("trained 1 step in");
    expect(ran.stdout).toContain("train, 40 rows");
    const cut = await gmc(["train", "tiny.gm", "--data", "points.csv:test=10", "--steps", "1", "--out", "cut"], { cwd: folder });
    expect(cut.stderr).not.toContain("note:");
    writeFileSync(at("pair.gm"), tinyModel.replace("data x : real[2]", "data x : real[2], y : real").replace("model Tiny", "model Pair"));
    const pair = await gmc(["train", "pair.gm", "--data", "points.csv"], { cwd: folder });
    expect(pair.stderr).toContain("columns of a table are named after #: y=points.csv#b (it has a, b)");
    writeFileSync(
      at("kinds.csv"),
      `y,a,b,kind\n${Array.from({ length: 40 }, (_, i) => `${i / 7},${Math.sin(i)},${i},${i % 3}`).join("\n")}\n`,
    );
    const kinds = await gmc(["train", "pair.gm", "--data", "kinds.csv"], { cwd: folder });
    expect(kinds.stderr).toContain("columns of a table are named after #: y=kinds.csv#y (it has y, a, b, kind)");
    expect((await gmc(["train", "pair", "--data", "points.csv"], { cwd: folder })).stderr).toContain("did you mean pair.gm?");
  });

  it("never writes into another run", async () => {
    expect((await gmc(["train", "tiny.gm", ...data, "--steps", "1", "--out", "json-run"], { cwd: folder })).stderr).toContain(
      "error[GM5207]",
    );
    await gmc(["train", "tiny.gm", ...data, "--steps", "1", "--no-eval"], { cwd: folder });
    expect(existsSync(at("runs/tiny-2/results.json"))).toBe(true);
  });
});

describe("a trained run", () => {
  it("is measured, drawn from, and compared by its files alone", async () => {
    cpSync(at("runs/tiny"), at("elsewhere"), { recursive: true });
    const k = await gmc(["eval", "elsewhere", "--k", "120", "--json", "--rows", "10", "--split", "train"], { cwd: folder });
    expect(JSON.parse(k.stdout)).toMatchObject({ metrics: { nll: { k: 120 } }, protocol: { split: "train", rows: 10, step: 40 } });
    expect((await gmc(["eval", "elsewhere", "--rows", "10"], { cwd: folder })).stderr).toMatch(/^run .*elsewhere\n/u);
    const whole = JSON.parse((await gmc(["eval", "elsewhere", "--json"], { cwd: folder })).stdout) as { metrics: unknown };
    expect(whole.metrics).toEqual((JSON.parse(read("runs/tiny/results.json")) as { metrics: unknown }).metrics);
    expect((await gmc(["sample", "elsewhere", "--count", "9", "--out", "points.svg"], { cwd: folder })).stdout.trim()).toBe("points.svg");
    expect(read("points.svg")).toContain("<svg");
    expect((await gmc(["sample", "elsewhere", "--out", "points.png"], { cwd: folder })).stderr).toContain("error[GM5311]");
    const samples = JSON.parse((await gmc(["sample", "elsewhere", "--count", "3", "--json"], { cwd: folder })).stdout) as {
      values: { x: { shape: number[] } };
    };
    expect(samples.values.x.shape).toEqual([3, 2]);
    expect((await gmc(["reconstruct", "elsewhere", "--count", "5"], { cwd: folder })).code).toBe(0);
    const between = JSON.parse(
      (await gmc(["interpolate", "elsewhere", "--count", "2", "--points", "4", "--path", "spherical", "--json"], { cwd: folder })).stdout,
    ) as {
      shown: { x: { shape: number[] } };
    };
    expect(between.shown.x.shape).toEqual([8, 2]);
  });

  it("is drawn into folders that are made for it, and says what it cannot draw or measure", async () => {
    for (const [out, path] of [
      ["pictures/", "pictures/samples.svg"],
      ["pictures", "pictures/samples.svg"],
      ["some/where/points.svg", "some/where/points.svg"],
    ] as const) {
      rmSync(at(path), { force: true });
      expect((await gmc(["sample", "elsewhere", "--count", "4", "--out", out], { cwd: folder })).stdout.trim()).toBe(path);
      expect(read(path)).toContain("<svg");
    }
    const many = await gmc(["reconstruct", "elsewhere", "--count", "1000"], { cwd: folder });
    expect(many).toMatchObject({ code: 1, stdout: "" });
    expect(many.stderr).toContain("error[GM4004]: pinwheel has 20 test rows, and 1000 are asked for");
    const none = await gmc(["eval", "elsewhere", "--data", "x=nowhere.npy"], { cwd: folder });
    expect(none.stderr).toContain("error[GM5001]: nowhere.npy: there is no such file");
    const split = await gmc(["eval", "elsewhere", "--data", "x=points.csv", "--split", "validation"], {
      cwd: folder,
    });
    expect(split.stderr).toMatch(/error\[GM4004\]: .+ has no validation rows to evaluate on\n.*it has 40 train rows/);
  });

  it("is named by its folder, which is whole", async () => {
    expect((await gmc(["eval", "tiny"], { cwd: folder })).stderr).toContain("did you mean runs/tiny?");
    cpSync(at("runs/tiny"), at("part"), { recursive: true });
    rmSync(at("part/model.gm.js"));
    const part = await gmc(["sample", "part"], { cwd: folder });
    expect(part.stderr).toContain("error[GM5209]: part is not a whole run folder: model.gm.js");
  });

  it("resumes with more epochs, and has nothing to do without", async () => {
    const idle = await gmc(["resume", "elsewhere"], { cwd: folder });
    expect(idle).toMatchObject({ code: 0 });
    expect(idle.stderr).toContain("is finished");
    const other = await gmc(["resume", "elsewhere", "--epochs", "5", "--batch", "7"], { cwd: folder });
    expect(other.code).toBe(1);
    expect(other.stderr).toContain("error[GM4008]: a run goes on with batches of ");
    const more = await gmc(["resume", "elsewhere", "--epochs", "5", "--json", "--no-eval"], { cwd: folder });
    expect(JSON.parse(lines(more.stdout).at(-1) ?? "")).toMatchObject({ outcome: "finished", training: { steps: 50 } });
    expect(more.stderr).toContain("trained 10 steps (50 in all)");
  });

  it("refuses a length that it is past, in steps and in epochs, and leaves the run as it is", async () => {
    const config = (): string => readFileSync(at("elsewhere/config.json"), "utf8");
    const before = config();
    const epochs = await gmc(["resume", "elsewhere", "--epochs", "2"], { cwd: folder });
    expect(epochs.code).toBe(1);
    expect(epochs.stderr).toContain("error[GM4008]: the run is at epoch 5, and --epochs 2 lies behind it");
    expect(epochs.stderr).toContain("--epochs 15 trains it further");
    const steps = await gmc(["resume", "elsewhere", "--steps", "20"], { cwd: folder });
    expect(steps.code).toBe(1);
    expect(steps.stderr).toContain("error[GM4008]: the run is at step 50, and --steps 20 lies behind it");
    expect(config()).toBe(before);
  });

  it("keeps its last states where it was stopped in its closing evaluation", async () => {
    cpSync(at("runs/tiny"), at("measured"), { recursive: true });
    rmSync(at("measured/results.json"));
    expect((await gmc(["resume", "measured"], { cwd: folder })).code).toBe(0);
    expect(results("measured")).toEqual(results("runs/tiny"));
    expect(results("measured")).toHaveProperty(["training", "last", "ELBO(p, q)"]);
    expect(states("measured").equals(states("runs/tiny"))).toBe(true);
    expect(await gmc(["resume", "measured", "--epochs", "5", "--no-eval"], { cwd: folder })).toMatchObject({ code: 0 });
    expect(states("measured").equals(states("elsewhere"))).toBe(true);
  });

  it("trained further and stopped again goes on with the same options", async () => {
    cpSync(at("runs/tiny"), at("further"), { recursive: true });
    expect((await gmc(["resume", "further", "--epochs", "5", "--no-eval"], { cwd: folder })).code).toBe(0);
    // as if killed before its first checkpoint
    ["checkpoints", "metrics.jsonl", "metrics.csv", "results.json"].forEach((n) => {
      rmSync(at("further", n), { recursive: true });
      cpSync(at("runs/tiny", n), at("further", n), { recursive: true });
    });
    expect((await gmc(["resume", "further", "--no-eval"], { cwd: folder })).stderr).toContain("(50 in all)");
    expect(states("further").equals(states("elsewhere"))).toBe(true);
    expect((await gmc(["resume", "further"], { cwd: folder })).stderr).toContain("further is finished (step 50)");
  });

  it("takes epochs in place of steps", async () => {
    await gmc(["train", "tiny.gm", ...data, "--steps", "3", "--no-eval", "--out", "short"], { cwd: folder });
    const ran = await gmc(["resume", "short", "--epochs", "2", "--no-eval"], { cwd: folder });
    expect(ran.stderr).toContain("(20 in all)");
  });

  it("falls back to the checkpoint before a damaged one and says so", async () => {
    cpSync(at("runs/tiny"), at("damaged"), { recursive: true });
    const path = at("damaged/checkpoints", newest("damaged"));
    const bytes = readFileSync(path);
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const steps = readdirSync(at("damaged/checkpoints")).flatMap((n) => /step-(\d+)\.json$/.exec(n)?.[1] ?? []);
    const ran = await gmc(["eval", "damaged", "--json"], { cwd: folder });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain("damaged checkpoint was passed over");
    expect(JSON.parse(ran.stdout)).toMatchObject({ protocol: { step: Math.min(...steps.map(Number)) } });
  });
});

describe("a run without a checkpoint", () => {
  const without = (name: string, change: () => void): Promise<Ran> => {
    cpSync(at("runs/tiny"), at(name), { recursive: true });
    change();
    return gmc(["resume", name, "--no-eval"], { cwd: folder });
  };

  it.each([
    ["emptied", () => readdirSync(at("emptied/checkpoints")).forEach((n) => rmSync(at("emptied/checkpoints", n)))],
    ["removed", () => rmSync(at("removed/checkpoints"), { recursive: true })],
    ["unfinished", () => ["checkpoints", "results.json"].forEach((n) => rmSync(at("unfinished", n), { recursive: true }))],
  ])("that had some is an error and stays as it is: %s", async (name, change) => {
    const ran = await without(name, change);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`error[GM5201]: ${name}/checkpoints holds no checkpoint any more, and the run came to step 40`);
    expect(ran.stderr).toContain("gmc train tiny.gm");
    expect(read(name, "metrics.jsonl")).toBe(read("runs/tiny/metrics.jsonl"));
    expect(existsSync(at(name, ".lock"))).toBe(false);
  });

  it("because it was stopped before its first one starts again, says so, and comes to the same", async () => {
    const ran = await without("early", () => {
      ["checkpoints", "results.json"].forEach((n) => rmSync(at("early", n), { recursive: true }));
      writeFileSync(at("early/metrics.jsonl"), `${lines(read("early/metrics.jsonl")).slice(0, 4).join("\n")}\n`);
    });
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain("early was stopped before its first checkpoint (at step 4); it starts again from step 0\n");
    expect(states("early").equals(states("runs/tiny"))).toBe(true);
    expect(read("early/metrics.jsonl")).toBe(read("runs/tiny/metrics.jsonl"));
  });
});

const onnxIsHere = (await onnxEngine.probe()).available;

describe.each([
  ["reference", 1, "SIGTERM"],
  ["onnx", 3, "SIGINT"],
] as const)("stopping and going on with %s", (engine, trials, signal) => {
  const possible = it.skipIf(engine === "onnx" && !onnxIsHere);
  const args = [...data, "--engine", engine, "--epochs", "30", "--seed", "5"];
  const whole = `whole-${engine}`;

  possible(
    "is bitwise the run that never stopped, after SIGKILL at any moment",
    async () => {
      expect((await gmc(["train", "tiny.gm", ...args, "--out", whole], { cwd: folder })).code).toBe(0);
      let kills = 0;
      for (let trial = 0; trial < trials; trial++) {
        const out = `killed-${engine}-${trial}`;
        // the first kill falls after the first checkpoint, which is what there is to go on from
        const kill = async (command: string[], wait: number) =>
          gmc(command, {
            cwd: folder,
            during: (child) => {
              child.stderr?.once("data", () => {
                const timer = setInterval(() => {
                  if (!existsSync(at(out, "checkpoints")) || readdirSync(at(out, "checkpoints")).every((n) => !n.endsWith(".json"))) return;
                  clearInterval(timer);
                  setTimeout(() => child.kill("SIGKILL"), wait);
                }, 5);
                child.once("close", () => clearInterval(timer));
              });
            },
          });
        let ran = await kill(["train", "tiny.gm", ...args, "--out", out], 20 + 97 * trial);
        for (let i = 0; i < 3 && ran.signal === "SIGKILL"; i++) {
          kills++;
          ran = i === 2 ? await gmc(["resume", out], { cwd: folder }) : await kill(["resume", out], 150 + 61 * trial);
        }
        expect(ran.code).toBe(0);
        expect(states(out).equals(states(whole))).toBe(true);
        expect(read(out, "metrics.jsonl")).toBe(read(whole, "metrics.jsonl"));
        expect(read(out, "metrics.csv")).toBe(read(whole, "metrics.csv"));
        expect(results(out)).toEqual(results(whole));
      }
      expect(kills).toBeGreaterThan(0);
    },
    240_000,
  );

  possible(
    `saves on ${signal} and ends with 130`,
    async () => {
      const out = `${signal}-${engine}`;
      const ran = await gmc(["train", "tiny.gm", ...args, "--epochs", "100000", "--out", out], {
        cwd: folder,
        during: (child) => {
          let text = "";
          let sent = false;
          child.stderr?.on("data", (chunk: string) => {
            text += chunk;
            if (!sent && text.includes("step")) {
              sent = true;
              child.kill(signal);
            }
          });
        },
      });
      expect(ran.code).toBe(130);
      expect(ran.stderr).toContain(`gmc resume ${out}`);
      expect(existsSync(at(out, ".lock"))).toBe(false);
      // of the last two that are kept
      const saved = Math.max(...readdirSync(at(out, "checkpoints")).map((n) => Number(/step-(\d+)\.json/.exec(n)?.[1] ?? 0)));
      expect(saved).toBeGreaterThan(0);
      const resumed = await gmc(["resume", out, "--steps", String(saved + 5), "--json", "--no-eval"], { cwd: folder });
      expect(resumed.code).toBe(0);
    },
    120_000,
  );
});

describe("a run that is stopped and cannot be saved", () => {
  it("ends with what is wrong, and does not say that it is saved", async () => {
    const out = "unsaved";
    const ran = await gmc(["train", "tiny.gm", ...data, "--engine", "reference", "--epochs", "100000", "--out", out], {
      cwd: folder,
      during: (child) => {
        let sent = false;
        child.stderr?.on("data", () => {
          if (sent || !existsSync(at(out, "checkpoints"))) return;
          sent = true;
          rmSync(at(out, "checkpoints"), { recursive: true });
          writeFileSync(at(out, "checkpoints"), "");
          child.kill("SIGINT");
        });
      },
    });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("error[GM5");
    expect(ran.stderr).not.toContain("is saved");
  });
});

describe("a loss that is not finite", () => {
  it("ends the run with the term and its line, and speaks of the checkpoint that there is", async () => {
    writeFileSync(at("boom.gm"), tinyModel.replace("adam(lr = 1e-2)", "sgd(lr = step_decay(1e-3, 1e12, epochs = 2))"));
    const ran = await gmc(["train", "boom.gm", ...data, "--engine", "reference"], { cwd: folder });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/error\[GM4003\]: log [pq]\(.+\), boom\.gm:\d+: |error\[GM4003\]: KL\(.+\), boom\.gm:\d+: /);
    const saved = /the checkpoint of step (\d+) holds finite weights/.exec(ran.stderr)?.[1];
    expect(readdirSync(at("runs/boom/checkpoints"))).toContain(`step-${(saved ?? "").padStart(9, "0")}.json`);
    expect(ran.stderr).not.toContain("bug of gmc");
  });

  it("in the first step speaks of no checkpoint and leaves no folder", async () => {
    writeFileSync(at("still.gm"), tinyModel.replace("decoder(z), 0.5", "decoder(z), exp(-200)"));
    const ran = await gmc(["train", "still.gm", ...data, "--engine", "reference"], { cwd: folder });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("error[GM4003]: log p(x | z), still.gm:12: is minus infinity at step 1 of train");
    expect(ran.stderr).not.toContain("checkpoint");
    expect(existsSync(at("runs/still"))).toBe(false);
  });
});
