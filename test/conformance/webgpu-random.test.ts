/**
 * Random graphs, on the webgpu engine and on the reference: whatever fuses with whatever. Set GMC_RANDOM_GRAPHS for more of them; several go
 * into one program, since a kernel costs more to compile than to run.
 */
import fc from "fast-check";
import { describe, it } from "vitest";
import { webgpuEngine } from "../../src/runtime/engines/webgpu/index.js";
import * as g from "../../src/runtime/graph/index.js";
import { expectSame, tensor } from "./compare.js";

const RUNS = Number(process.env["GMC_RANDOM_GRAPHS"] ?? 8);
/** Graphs of one program. */
const TOGETHER = 25;

const extents = [1, 2, 3, 5, 7];
type Step = readonly [kind: number, first: number, second: number, how: number];

/** Operations that give moderate values for moderate values, and do not jump. */
const unary: readonly ((x: g.Tensor) => g.Tensor)[] = [
  g.tanh,
  g.sigmoid,
  g.softplus,
  g.sin,
  g.neg,
  (x) => g.exp(g.neg(g.square(x))),
  g.erf,
];
const binary: readonly ((a: g.Tensor, b: g.Tensor) => g.Tensor)[] = [g.add, g.sub, (a, b) => g.tanh(g.mul(a, b)), g.maximum, g.minimum];

function apply(pool: readonly g.Tensor[], [kind, first, second, how]: Step, site: string): g.Tensor {
  const x = pool[first % pool.length]!;
  const axis = how % x.shape.length;
  const [n] = x.shape;
  const alike = pool.filter((t) => t.shape.length === x.shape.length && t.shape.every((extent, i) => extent === x.shape[i]));
  switch (kind % 14) {
    case 0:
    case 1:
      return unary[how % unary.length]!(x);
    case 2:
    case 3:
      return binary[how % binary.length]!(x, alike[second % alike.length]!);
    case 4:
      return g.transpose(x, how % 2 === 0 ? [1, 0] : [0, 1]);
    case 5:
      return g.reshape(x, how % 2 === 0 ? [-1, 1] : [x.shape[1]!, n!]);
    case 6:
      return g.pad(x, [how % 3, 1], [1, how % 2], [0, how % 2]);
    case 7:
      return g.reverse(x, axis);
    case 8:
      return g.concat([x, alike[second % alike.length]!], axis);
    case 9:
      return g.broadcastTo(g.keepDims(g.sum(x, axis), x.shape, [axis]), x.shape);
    case 10:
      return g.sub(x, g.keepDims(g.reduceMax(x, axis), x.shape, [axis]));
    case 11:
      return g.tanh(g.matmul(x, x, how % 2 === 0 ? { transposeB: true } : { transposeA: true }));
    case 12:
      return g.mul(x, g.randomUniform(g.rootKey().at(site), [g.rowsOf(x), x.shape[1]!]));
    default:
      return g.slice(x, [0, how % x.shape[1]!], [n!, x.shape[1]!]);
  }
}

const steps = fc.array(fc.tuple(fc.nat(13), fc.nat(20), fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 14 });
const shape = fc.tuple(fc.constantFrom(...extents), fc.constantFrom(...extents));
const programs = fc.array(fc.record({ shape, steps, differentiated: fc.boolean() }), { minLength: TOGETHER, maxLength: TOGETHER });

describe("random graphs", () => {
  it(`${RUNS * TOGETHER} of them agree with the reference`, async (context) => {
    const info = await webgpuEngine.probe();
    if (!info.available) return context.skip(`webgpu is not available: ${info.detail}`);
    await fc.assert(
      fc.asyncProperty(programs, async (list) => {
        const inputs = Object.fromEntries(list.map((c, i) => [`x${i}`, { shape: c.shape }]));
        const graph = g.stage({ ...inputs }, (all) => {
          const outputs: Record<string, g.Tensor> = {};
          list.forEach((c, i) => {
            const x = all[`x${i}`]!;
            const pool = [x];
            for (const [j, step] of c.steps.entries()) {
              const next = apply(pool, step, `u${i}.${j}`);
              if (g.sizeOf(next.shape) > 0 && g.sizeOf(next.shape) <= 3000) pool.push(next);
            }
            const last = pool.at(-1)!;
            outputs[`y${i}`] = last;
            outputs[`s${i}`] = g.mean(last);
            if (c.differentiated && c.steps.every(([kind]) => kind % 14 !== 2 && kind % 14 !== 3 && kind % 14 !== 10))
              outputs[`d${i}`] = g.grad(g.mean(last), [x])[0]!;
          });
          return outputs;
        });
        const feeds = Object.fromEntries(
          list.map((c, i) => [
            `x${i}`,
            tensor(
              c.shape,
              Array.from({ length: g.sizeOf(c.shape) }, (_, j) => Math.sin(1 + i + 1.7 * j)),
            ),
          ]),
        );
        await expectSame(webgpuEngine, {
          programs: [{ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: Object.keys(graph.outputs) }],
          runs: [{ program: "p", feeds: { ...feeds, rng: tensor([4], [1, 2, 3, 4], "u32") } }],
          tolerance: 3e-4,
        });
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
  }, 600_000);
});
