/** Pictures of runs over tables and flows: what they say, where they go, and which there are. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, gmc, type Ran } from "../support/cli.js";

/** Nothing infers z: it enters by a net, and the objective compares samples. */
const factors = `model Factors {
  data x : real[4]
  latent z : real[2]
  net G(z) = z |> dense(3) |> tanh |> dense(4)
  density p(x, z) {
    z ~ Normal(0, 1)
    x = G(z)
  }
  train { minimize MMD(p) over G   batch = 10, steps = 1 }
}
`;
const flow = `model Flow {
  data x : real[4]
  latent z : real[4]
  flow f on real[4] = coupling(mlp([4])) |> reverse
  density p(x, z) {
    z ~ Normal(0, 1)
    x = f(z)
  }
  train { maximize log p(x)   batch = 10, steps = 1 }
}
`;
const chain = `model Chain(T = 3) {
  data x[t in 1..T] : real
  latent z[t in 1..T] : category[2]
  param A : real[2, 2] init Normal(0, 1), mu : real[2] init Normal(0, 1)
  density p(x, z) {
    z[1] ~ Categorical(logits = zeros(2))
    for t in 2..T { z[t] ~ Categorical(logits = A[z[t-1]]) }
    for t in 1..T { x[t] ~ Normal(mu[z[t]], 1) }
  }
  train { maximize log p(x)   batch = 10, steps = 1 }
}
`;

const labelled = `model Labelled {
  data x : real[4], c : category[3]
  latent z : real[4]
  net cn(t, c) = concat(t, onehot(c)) |> mlp([4])
  flow f(z | c) on real[4] = coupling(cn(c)) |> reverse
  density p(x, z | c) {
    z ~ Normal(0, 1)
    x = f(z | c)
  }
  train { maximize log p(x | c)   batch = 10, steps = 1 }
}
`;

let folder = "";
const at = (...path: string[]): string => join(folder, ...path);
const run = (...args: string[]): Promise<Ran> => gmc([...args, "--engine", "reference"], { cwd: folder });
const titles = (path: string): readonly string[] =>
  [...readFileSync(at(path), "utf8").matchAll(/<text[^>]*>([^<]*)</g)].map(([, t]) => t ?? "");
let trained: Ran;

beforeAll(async () => {
  ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "gmc-pictures-"));
  const rows = Array.from({ length: 100 }, (_, i) => [0, 1, 2, 3].map((j) => Math.sin(i * (j + 1)).toFixed(3)).join(","));
  writeFileSync(at("x.csv"), `alcohol,ash,hue,proline\n${rows.join("\n")}\n`);
  writeFileSync(at("factors.gm"), factors);
  writeFileSync(at("flow.gm"), flow);
  writeFileSync(at("chain.gm"), chain);
  writeFileSync(at("steps.csv"), `${rows.map((row) => row.split(",").slice(1).join(",")).join("\n")}\n`);
  await run("train", "chain.gm", "--data", "x=steps.csv:test=20", "--out", "chain");
  for (const name of ["factors", "flow"]) {
    trained = await run("train", `${name}.gm`, "--data", "x.csv:test=20", "--out", name);
    expect(trained.stderr).not.toContain("error");
  }
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("conditions of rows that are held are those of the rows", async () => {
  writeFileSync(at("labelled.gm"), labelled);
  const labels = Array.from({ length: 100 }, (_, i) => Math.floor(i / 2) % 3);
  writeFileSync(at("c.csv"), `c\n${labels.join("\n")}\n`);
  const ran = await run("train", "labelled.gm", "--data", "x=x.csv,c=c.csv", "--out", "labelled");
  expect(ran.stderr).not.toContain("error");
  const values = async (...held: string[]): Promise<unknown> =>
    (JSON.parse((await run("sample", "labelled", "--count", "6", ...held, "--json")).stdout) as { values: unknown }).values;
  const alone = await values("--given", "x=data");
  expect(alone).toEqual(await values("--given", "x=data", "--given", "c=data"));
  expect(alone).not.toEqual(await values("--given", "x=data", "--given", "c=1"));
}, 60_000);

it("what rows are given is not drawn as if it were made", async () => {
  writeFileSync(
    at("aged.gm"),
    `model Aged {
  data x : real, age : real
  param w : real = 1
  density p(x | age) { x ~ Normal(w * age, 1) }
  train { maximize log p(x | age)   batch = 10, steps = 1 }
}
`,
  );
  const ran = await run("train", "aged.gm", "--data", "x=x.csv#ash,age=x.csv#hue", "--out", "aged");
  expect(ran.stderr).not.toContain("error");
  expect(existsSync(at("aged/samples-age.svg"))).toBe(false);
  expect(titles("aged/samples-x.svg")).toContain("samples");
}, 60_000);

describe("pictures of a table", () => {
  it("say which of the rows they show, and what the columns are called", () => {
    expect(titles("factors/samples.svg")).toEqual(
      expect.arrayContaining(["x: the first 12 of 64 samples", "alcohol", "ash", "hue", "proline"]),
    );
  });

  it("do not replace those of the training", async () => {
    const own = readFileSync(at("factors/samples.svg"), "utf8");
    for (const number of [2, 3]) {
      const ran = await run("sample", "factors", "--seed", "5", "--count", "12");
      expect(ran.stdout.trim()).toBe(join("factors", `samples-${number}.svg`));
      expect(titles(`factors/samples-${number}.svg`)).toContain("x");
    }
    expect(readFileSync(at("factors/samples.svg"), "utf8")).toBe(own);
    // a name of the user's is the user's to write over
    for (const out of ["mine.svg", "mine.svg"]) expect((await run("sample", "factors", "--out", out)).stdout.trim()).toBe("mine.svg");
  });

  it("take rows of the split that is named, and refuse one where no rows are read", async () => {
    const split = async (...args: string[]): Promise<unknown> => {
      const ran = await run("sample", "flow", "--count", "5", "--given", "x=data", "--json", ...args);
      return (JSON.parse(ran.stdout) as { values: { x: { data: number[] } } }).values.x.data;
    };
    expect(await split("--split", "test")).toEqual(await split());
    expect(await split("--split", "train")).not.toEqual(await split());
    const idle = await run("sample", "factors", "--split", "train");
    expect(idle.code).toBe(2);
    expect(idle.stderr).toContain("--split chooses rows of the data, and these samples read none");
  });

  it("of a walk say that its ends are draws where nothing infers latents", async () => {
    const draws = await run("interpolate", "factors", "--count", "2", "--points", "5");
    expect(draws.stderr).toContain("note: between draws of z: no density of Factors infers latents from data");
    expect(titles("factors/interpolations.svg")).toContain("x, between draws of z");
    const rows = await run("interpolate", "flow", "--count", "2", "--points", "5");
    expect(rows.stderr).not.toContain("note");
    expect(titles("flow/interpolations.svg")).toContain("x, between rows of the data");
  });
});

describe("a split of few rows", () => {
  it("is shown whole unless more are asked for", async () => {
    const shapes = async (...args: string[]): Promise<unknown> =>
      (JSON.parse((await run(...args, "--json")).stdout) as { shown: { x: { shape: number[] } } }).shown.x.shape;
    expect(await shapes("reconstruct", "flow")).toEqual([20, 4]);
    expect(await shapes("reconstruct", "flow", "--split", "train")).toEqual([32, 4]);
    const few = ["--data", "x=x.csv:test=5"];
    expect(await shapes("interpolate", "flow", "--points", "3", ...few)).toEqual([2 * 3, 4]);
    expect((await run("reconstruct", "flow", "--split", "validation")).stderr).toContain(
      "error[GM5024]: x.csv has no validation rows, it has 80 train and 20 test rows",
    );
  });

  it.each([
    ["reconstruct", "flow", 21, 21],
    ["interpolate", "flow", 11, 22],
    ["sample", "factors", 21, 21],
  ] as const)("is not filled up by %s with rows that it does not hold", async (command, name, count, asked) => {
    const more = command === "sample" ? ["--given", "x=data"] : [];
    const ran = await run(command, name, "--count", String(count), ...more, "--json");
    expect(ran.code).toBe(1);
    const { error } = JSON.parse(ran.stdout) as { error: { code: string; message: string } };
    expect(error).toMatchObject({ code: "GM4004", message: `x.csv has 20 test rows, and ${asked} are asked for` });
    const walk = command === "interpolate" ? "; an interpolation takes two rows a pair" : "";
    expect(error).toMatchObject({ help: [`ask for fewer, or name another split${walk}`] });
  });
});

describe("a flow", () => {
  it("has no picture of reconstructions, which are the rows, and names the error of its inverse", async () => {
    expect(existsSync(at("flow/samples.svg"))).toBe(true);
    expect(existsSync(at("flow/reconstructions.svg"))).toBe(false);
    const { reconstruction } = JSON.parse(readFileSync(at("flow/results.json"), "utf8")) as {
      reconstruction: Record<string, { label: string; value: number }>;
    };
    expect(reconstruction["x"]?.label).toBe("squared error of the flow's inverse of x, summed over its entries");
    expect(reconstruction["x"]?.value).toBeLessThan(1e-8);
    const asked = await run("reconstruct", "flow");
    expect(asked.stderr).toContain("note: Flow has the exact inverse of its flow: what it makes of rows are the rows");
    expect(asked.code).toBe(0);
  });
});

describe("families are held", () => {
  interface Drawn {
    readonly values: Record<string, { readonly data: readonly number[] }>;
  }
  const drawn = async (...given: string[]): Promise<Drawn["values"]> => {
    const ran = await run("sample", "chain", "--count", "4", "--json", ...given.flatMap((each) => ["--given", each]));
    expect(ran.stderr).not.toContain("error");
    return (JSON.parse(ran.stdout) as Drawn).values;
  };

  it("by one of their variables, at a number or at rows of the data", async () => {
    expect((await drawn("z[1]=1"))["z[1]"]!.data).toEqual([1, 1, 1, 1]);
    const one = (await drawn("x[2]=data"))["x[2]"]!.data;
    expect((await drawn("x=data"))["x[2]"]!.data).toEqual(one);
    expect(new Set(one).size).toBe(4);
  }, 60_000);

  it("whole, where one may differ", async () => {
    const values = await drawn("z=1", "z[3]=0");
    expect(["z[1]", "z[2]", "z[3]"].map((name) => values[name]!.data[0])).toEqual([1, 1, 0]);
    // whichever is given first
    expect(await drawn("z[3]=0", "z=1")).toEqual(values);
  }, 60_000);

  it("once each", async () => {
    const ran = await run("sample", "chain", "--given", "z=1", "--given", "z=0");
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("`z` is held at `1` already");
  });
});
