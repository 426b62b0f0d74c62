/** `init data(e)`: rows of a parameter are values of an expression at the first batch, against the same values in plain arithmetic. */
import { describe, expect, it } from "vitest";
import { hostStream, referenceEngine, train, trainOn, type Cursor, type HostTensor } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { spreadRows } from "../../src/runtime/train/spread-rows.js";
import { loadModel } from "../support/model.js";

const B = 40;
const stream = hostStream(3, "rows");
const x = Float32Array.from({ length: 2 * B }, () => Math.fround(stream.normal()));

const model = (members: string, phases: string): ReturnType<typeof loadModel>["model"] =>
  loadModel(`model M {
    data x : real[2]
    param a : real[2] = 3
    ${members}
    train { ${phases} }
  }`).model;

const STILL = `optimizer = sgd(lr = 1e-12), batch = ${B}, steps = 1`;
const list = (t: HostTensor | undefined): number[] => Array.from(t?.data ?? [], Number);
const pairs = (v: ArrayLike<number>): number[][] => Array.from({ length: v.length / 2 }, (_, i) => [v[2 * i]!, v[2 * i + 1]!]);

/** Every row is one of `among`, and no two are the same one. */
function expectRows(got: readonly number[], among: readonly (readonly number[])[], digits = 4): void {
  const at = pairs(got).map((row) => among.findIndex((c) => row.every((v, d) => Math.abs(v - c[d]!) < 10 ** -digits)));
  expect(at).not.toContain(-1);
  expect(new Set(at).size).toBe(at.length);
}

const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  const run = async (members: string, phases: string, data = x): Promise<Readonly<Record<string, HostTensor>>> => {
    const trained = await train(model(members, phases), { data: { x: data }, engine });
    const read = await trained.weights();
    trained.close();
    return read;
  };

  it("takes whole values, or the vectors of their last axis", async () => {
    const whole = await run("param codes : real[8, 2] init data(a * x)", `maximize -sum((codes - 1)^2) - sum(a * x) ${STILL}`);
    expectRows(
      list(whole["codes"]),
      pairs(x).map(([p, q]) => [3 * p!, 3 * q!]),
    );
    const vectors = await run(
      "net both(x) = reshape(concat(x, a * x), [2, 2])   param codes : real[8, 2] init data(both(x))",
      `maximize -sum((codes - 1)^2) - sum(a * x) ${STILL}`,
    );
    expectRows(
      list(vectors["codes"]),
      pairs(x).flatMap(([p, q]) => [
        [p!, q!],
        [3 * p!, 3 * q!],
      ]),
    );
  });

  it("starts after what it reads, in whatever order they are declared", async () => {
    const read = await run(
      "param rest : real[4, 2] init data(x - codes[1])   param codes : real[3, 2] init data(a * x)",
      `maximize -sum((rest - 1)^2) - sum(a * x) ${STILL}`,
    );
    const [first] = pairs(list(read["codes"]));
    expectRows(
      list(read["rest"]),
      pairs(x).map(([p, q]) => [p! - first![0]!, q! - first![1]!]),
    );
  });

  it("starts before the phase that reads it, from what is trained by then, and once", async () => {
    const phases = `
      phase "first" { maximize -sum((a - 5)^2) - 0 * sum(x) optimizer = sgd(lr = 0.5), batch = ${B}, steps = 1 }
      phase "second" { maximize -sum((codes - x)^2) over codes optimizer = sgd(lr = 1e-12), batch = ${B}, steps = 2 }
      phase "third" { maximize -sum((a - 7)^2) - 0 * sum(codes) - 0 * sum(x) over a optimizer = sgd(lr = 0.5), batch = ${B}, steps = 1 }
      phase "fourth" { maximize -sum((codes - x)^2) over codes optimizer = sgd(lr = 1e-12), batch = ${B}, steps = 1 }`;
    const m = model("param codes : real[4, 2] init data(a * x)", phases);
    const session = await engine.open();
    const cursors: Cursor[] = [];
    await trainOn(session, m, datasetOf(m, { train: { x } }), {
      seed: 1,
      onCheckpoint: (_reason, cursor) => void cursors.push(cursor),
    });
    const got = list(await session.read("codes"));
    session.dispose();
    expectRows(
      got,
      pairs(x).map(([p, q]) => [5 * p!, 5 * q!]),
    );
    expect(cursors.map((c) => c.started ?? [])).toEqual([[], ["codes"], ["codes"], ["codes"], ["codes"]]);
  });

  it("comes after layers that start from their input", async () => {
    const read = await run(
      `flow f on real[2] = actnorm
       param codes : real[6, 2] init data(f.inverse(x))`,
      `maximize -sum((codes - f.inverse(x))^2) ${STILL}`,
    );
    const moments = [0, 1].map((d) => {
      const v = pairs(x).map((p) => p[d]!);
      const mean = v.reduce((s, u) => s + u, 0) / B;
      return [mean, Math.sqrt(v.reduce((s, u) => s + (u - mean) ** 2, 0) / B)];
    });
    expectRows(
      list(read["codes"]),
      pairs(x).map((p) => p.map((v, d) => (v - moments[d]![0]!) / moments[d]![1]!)),
      3,
    );
  });

  it("gives a moving average the same start", async () => {
    const read = await run("param codes : real[4, 2] init data(x)", `maximize -sum((codes - x)^2) ema = 0.999, ${STILL}`);
    expectRows(list(read["codes"]), pairs(x));
  });

  it("says where a batch has too few", async () => {
    const text = `maximize -sum((codes - 1)^2) optimizer = sgd(lr = 1), batch = 5, steps = 1`;
    await expect(run("param codes : real[6, 2] init data(x)", text)).rejects.toThrow(
      /`codes` \(test.gm:4\) starts from 6 rows of the first batch, which has 5/u,
    );
  });
});

describe("rows that are spread", () => {
  const taken = (values: readonly number[], count: number, seed: number): number[] =>
    Array.from(spreadRows(values, 1, count, hostStream(seed, "taken")), (v) => Math.round(1000 * v) / 1000).sort((p, q) => p - q);
  const seeds = Array.from({ length: 50 }, (_, i) => i);

  it("takes alike rows once as long as there are others", () => {
    const values = [...Array<number>(90).fill(0), 1, 2, 3];
    for (const seed of seeds) expect(taken(values, 4, seed)).toEqual([0, 1, 2, 3]);
    expect(taken(values, 6, 1).filter((v) => v === 0)).toHaveLength(3);
  });

  it("draws the second in proportion to its squared distance", () => {
    // from 0, where nearly all are: 1 and 3 at odds of 1 to 9
    const values = [...Array<number>(5_000).fill(0), 1, 3];
    const far = Array.from({ length: 400 }, (_, seed) => taken(values, 2, seed)).filter(([p, q]) => p === 0 && q === 3).length;
    expect(Math.abs(far / 400 - 0.9)).toBeLessThan(4 * Math.sqrt(0.09 / 400));
  });
});
