/** `gmc` on a folder of recordings: from wave files by a variable's name to samples that are seen and heard, under the names that --out gives. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeWav, parseWav } from "../../src/runtime/data/index.js";
import { ensureBuilt, gmc, type Ran } from "../support/cli.js";

/** As many samples as a picture of 8 x 8 has pixels. */
const T = 64;
const model = `model Wav(T = ${T}) {
  data x : category[16][T]
  net next(x) = x |> embedding(4) |> causal_conv(4, 2, strict = true) |> relu |> dense(16)
  density p(x) { x ~ Categorical(logits = next(x)) }
  train {
    maximize log p(x)
    optimizer = adam(lr = 1e-3), batch = 4, epochs = 1
  }
}
`;
const RATE = 8000;

let folder = "";
const at = (...path: string[]): string => join(folder, ...path);
const sample = (...args: string[]): Promise<Ran> => gmc(["sample", "wav", "--count", "3", ...args], { cwd: folder });

beforeAll(async () => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-sound-"));
  writeFileSync(at("wav.gm"), model);
  mkdirSync(at("tones"));
  for (let i = 0; i < 4; i++) {
    const samples = Array.from({ length: 2 * T }, (_, t) => 0.8 * Math.sin((2 * Math.PI * (200 + 100 * i) * t) / RATE));
    writeFileSync(at("tones", `${i}.wav`), encodeWav({ rate: RATE, samples }));
  }
  const ran = await gmc(["train", "wav.gm", "--data", "x=tones", "--no-eval", "--out", "wav", "--engine", "reference"], { cwd: folder });
  expect(ran.stderr).not.toContain("error");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Samples of a wave file: rows of T, a fifth of a second after each. */
const heard = (name: string): number => parseWav({ path: name, bytes: readFileSync(at(name)) }).samples.length / (T + RATE / 5);
const isPng = (name: string): boolean => readFileSync(at(name)).subarray(1, 4).toString() === "PNG";

describe("samples of sound", () => {
  it("are the picture or the wave file that --out ends in", async () => {
    expect((await sample("--out", "a.wav")).stdout.trim()).toBe("a.wav");
    expect(heard("a.wav")).toBe(3);
    expect((await sample("--out", "a.png")).stdout.trim()).toBe("a.png");
    expect(isPng("a.png")).toBe(true);
    expect((await sample("--out", "known.wav", "--known", "left", "--split", "train")).stdout.trim()).toBe("known.wav");
    expect(heard("known.wav")).toBe(6);
  });

  it("follow a known first half, whatever the length", async () => {
    type Drawn = { readonly values: { readonly x: { readonly data: readonly number[] } } };
    const draw = async (seed: string): Promise<readonly number[]> =>
      (JSON.parse((await sample("--known", "left", "--split", "train", "--json", "--seed", seed)).stdout) as Drawn).values.x.data;
    const [one, other] = [await draw("1"), await draw("2")];
    const alike = Array.from({ length: T }, (_, t) => [0, 1, 2].every((row) => one[row * T + t] === other[row * T + t]));
    expect(alike.slice(0, T / 2)).toEqual(Array.from({ length: T / 2 }, () => true));
    // of three rows of 16 levels each, hardly ever
    expect(alike.slice(T / 2).filter(Boolean).length).toBeLessThan(8);
  });

  it("are both in a folder, or under a name without an ending", async () => {
    expect((await sample("--out", "both")).stdout.trim().split("\n")).toEqual(["both.png", "both.wav"]);
    expect((await sample("--out", "there/")).stdout.trim().split("\n")).toEqual([
      join("there", "samples.png"),
      join("there", "samples.wav"),
    ]);
    expect([isPng("both.png"), heard("both.wav"), heard("there/samples.wav")]).toEqual([true, 3, 3]);
  });

  it("are refused under another ending, and then none is written", async () => {
    const { stderr, code } = await sample("--out", "s.svg");
    expect(code).not.toBe(0);
    expect(stderr).toContain("error[GM5311]: s.svg: this is drawn as .png and .wav");
    expect(stderr).toContain("--out s.png or --out s.wav");
    for (const name of ["s.svg", "s.png", "s.wav", "s-samples.png"]) expect(existsSync(at(name))).toBe(false);
  });
});

it("sound of another rate than a model was trained on is refused, until it is brought to that rate", async () => {
  mkdirSync(at("twice"));
  for (let i = 0; i < 4; i++)
    writeFileSync(
      at("twice", `${i}.wav`),
      encodeWav({ rate: 2 * RATE, samples: Array.from({ length: 4 * T }, (_, t) => Math.sin(t / 9)) }),
    );
  const on = (command: string, data: string): Promise<Ran> => gmc([command, "wav", "--data", data], { cwd: folder });
  for (const command of ["eval", "sample", "resume"]) {
    const { stderr, code } = await on(command, "x=twice/");
    expect(code).not.toBe(0);
    expect(stderr).toContain(
      `error[GM5213]: the model was trained on sound of ${RATE} samples a second, and the rows of x that it is given have ${2 * RATE}`,
    );
    expect(stderr).toContain(`add :rate=${RATE} to the data of x`);
  }
  expect((await on("eval", `x=twice/:rate=${RATE}`)).code).toBe(0);
  expect((await on("eval", "x=tones")).code).toBe(0);
});

it("a folder of recordings for a label tells how its labels are asked for", async () => {
  writeFileSync(
    at("labelled.gm"),
    `model Labelled(T = ${2 * T}) { data x : real[T], y : category[2]  density p(x | y) { x ~ Normal(onehot(y) |> dense(T), 1) }  train { maximize log p(x | y) } }`,
  );
  const { stderr } = await gmc(["train", "labelled.gm", "--data", "x=tones/,y=tones/", "--no-eval", "--engine", "reference"], {
    cwd: folder,
  });
  expect(stderr).toContain("error[GM5021]");
  expect(stderr).toContain("`y=tones/#labels`");
});
