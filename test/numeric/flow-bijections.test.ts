/**
 * Bijections in float64: the log-determinant against the dense Jacobian by autodiff, the way there and back, gradients against finite
 * differences; in float32 on the onnx engine against float64.
 */
import { describe, expect, test } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import * as flow from "../../src/runtime/flow/index.js";
import type { Tensor } from "../../src/runtime/index.js";
import { cases, feedsOf, noise } from "./flow-cases.js";
import type { FlowCase } from "./flow-cases.js";

/** log |det A| by elimination with pivots. */
function logAbsDet(entries: readonly (readonly number[])[]): number {
  const a = entries.map((row) => [...row]);
  let total = 0;
  for (let k = 0; k < a.length; k++) {
    let pivot = k;
    for (let i = k + 1; i < a.length; i++) if (Math.abs(a[i]![k]!) > Math.abs(a[pivot]![k]!)) pivot = i;
    [a[k], a[pivot]] = [a[pivot]!, a[k]!];
    total += Math.log(Math.abs(a[k]![k]!));
    for (let i = k + 1; i < a.length; i++) {
      const f = a[i]![k]! / a[k]![k]!;
      for (let j = k; j < a.length; j++) a[i]![j]! -= f * a[k]![j]!;
    }
  }
  return total;
}

/** Row j of every example's Jacobian: examples do not meet, so the gradient of a sum over them is that of each. */
function jacobianRows(y: Tensor, x: Tensor, rank: number): Tensor[] {
  const lead = y.shape.slice(0, y.shape.length - rank);
  const flat = gmc.reshape(y, [gmc.sizeOf(lead), -1]);
  return Array.from({ length: flat.shape[1]! }, (_, j) => gmc.grad(gmc.sum(gmc.sliceAxis(flat, 1, j, j + 1)), [x])[0]!);
}

function close(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number, what: string): void {
  expect(a.length, what).toBe(b.length);
  for (let i = 0; i < a.length; i++) {
    const off = Math.abs(a[i]! - b[i]!) / Math.max(1, Math.abs(b[i]!));
    expect(off <= tolerance, `${what}, entry ${i}: ${a[i]} and ${b[i]}`).toBe(true);
  }
}

/** Batch normalisation by running statistics. */
const evaluation = { mode: "eval" } as const;

const hasInverse = (b: gmc.Bijector): boolean => b.directions.inverse !== "none";

function outputs(c: FlowCase, { z, ...w }: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const made = c.make(w);
  const { value, logDet } = made.forward(z!);
  const back = hasInverse(made) ? made.inverse(value) : undefined;
  return { x: value, logDet, ...(back ? { back: back.value, backLogDet: back.logDet } : {}) };
}

describe("float64", () => {
  for (const c of cases) {
    test(c.name, () => {
      const feeds = feedsOf(c);
      const rank = (c.outEvent ?? c.event).length;
      const out = compute(
        (inputs) => {
          const made = outputs(c, inputs);
          expect(made["x"]!.shape).toEqual([2, 3, ...(c.outEvent ?? c.event)]);
          expect(made["logDet"]!.shape).toEqual([2, 3]);
          const rows = jacobianRows(made["x"]!, inputs["z"]!, rank);
          return { ...made, ...Object.fromEntries(rows.map((row, j) => [`row${j}`, row])) };
        },
        feeds,
        evaluation,
      );
      const size = gmc.sizeOf(c.event);
      const dense = Array.from({ length: 6 }, (_, n) =>
        logAbsDet(Array.from({ length: size }, (_, j) => [...out[`row${j}`]!.data.slice(n * size, (n + 1) * size)])),
      );
      close(out["logDet"]!.data, dense, 1e-8, "log-determinant");
      if (out["back"]) {
        close(out["back"].data, feeds["z"]!.data, 1e-8, "round trip");
        close(
          out["backLogDet"]!.data,
          dense.map((v) => -v),
          1e-8,
          "log-determinant of the inverse",
        );
      }
    });
  }
});

test("every bijection of the runtime has its cases", () => {
  const exported = Object.entries(flow).flatMap(([name, value]) => (typeof value === "function" ? [name] : []));
  // a draw stands in dequantisation (flow-properties.test.ts); what wraps a bijection that a model brings is tested with models
  const elsewhere = new Set(["dequantizeFlow", "conditioned", "ownFlow"]);
  const tried = (name: string): boolean => elsewhere.has(name) || cases.some((c) => new RegExp(`\\b${name}\\b`, "u").test(c.name));
  expect(exported.filter((name) => !tried(name))).toEqual([]);
});

describe("gradients against central differences", () => {
  for (const c of cases) {
    test(c.name, () => {
      const feeds = feedsOf(c, 2);
      const trained = Object.keys(feeds).filter((name) => c.spec?.leaves[name]?.trained !== false);
      const value = (inputs: Readonly<Record<string, Tensor>>): Tensor => {
        const parts = Object.values(outputs(c, inputs)).filter((_, i) => i !== 2);
        return parts
          .map((t, i) => gmc.sum(gmc.mul(t, gmc.constant([...noise(gmc.sizeOf(t.shape), 50 + i)], t.shape))))
          .reduce((a, b) => gmc.add(a, b));
      };
      const gradients = compute(
        (inputs) => {
          const list = gmc.grad(
            value(inputs),
            trained.map((name) => inputs[name]!),
          );
          return Object.fromEntries(trained.map((name, i) => [name, list[i]!]));
        },
        feeds,
        evaluation,
      );
      trained.forEach((name, i) => {
        const along = noise(feeds[name]!.data.length, 30 + i);
        const h = 1e-6;
        const at = (step: number): number =>
          compute(value, { ...feeds, [name]: { ...feeds[name]!, data: feeds[name]!.data.map((v, j) => v + step * along[j]!) } }, evaluation)
            .data[0]!;
        const slope = (at(h) - at(-h)) / (2 * h);
        const own = Array.from(gradients[name]!.data).reduce((s, g, j) => s + g * along[j]!, 0);
        close([own], [slope], 1e-6, name);
      });
    });
  }
});

const available = (await onnxEngine.probe()).available;
if (!available) console.log("flow-bijections: onnxruntime-node is not installed, float32 tests skipped");

describe.skipIf(!available)("float32", () => {
  for (const c of cases) {
    test(c.name, async () => {
      const feeds = feedsOf(c, 3);
      const exact = compute((inputs) => outputs(c, inputs), feeds, evaluation);
      const specs = Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, { shape: feed.shape }]));
      const graph = gmc.stage(specs, (inputs) => outputs(c, inputs), evaluation);
      const session = await onnxEngine.open({ threads: 1 });
      try {
        const stages = [{ kind: "call", name: "flow", graph } as const];
        const program = await session.compile({ name: "flow", stages, fetch: Object.keys(graph.outputs) });
        const own = await program.run(
          Object.fromEntries(
            Object.entries(feeds).map(([name, { shape, data }]) => [name, { dtype: "f32" as const, shape, data: Float32Array.from(data) }]),
          ),
        );
        for (const name of Object.keys(exact)) close(own[name]!.data, exact[name]!.data, 1e-4, name);
      } finally {
        session.dispose();
      }
    });
  }
});
