/**
 * Kernels that go entry by entry. The operations that graphs consist of have loops of their own for float64: one loop that calls what it is given
 * is compiled once for all of them and takes eight times as long.
 */
import type { Value } from "./value.js";

type ElementKernel = (node: unknown, inputs: readonly Value[], out: Value) => void;

/** out[i] = a[i] (op) b[i]; a step of 0 for a scalar. */
type Loop2 = (out: Float64Array, a: Float64Array, sa: number, b: Float64Array, sb: number) => void;

const step = (value: Value): number => (value.shape.length === 0 ? 0 : 1);

export const unary =
  (f: (x: number) => number): ElementKernel =>
  (_node, [x], out) => {
    const [from, to] = [x!.data, out.data];
    if (from instanceof Float64Array && to instanceof Float64Array) for (let i = 0; i < to.length; i++) to[i] = f(from[i]!);
    else for (let i = 0; i < to.length; i++) to[i] = f(from[i]!);
  };

export const binary =
  (
    f: (a: number, b: number) => number,
    { integer = f, loop }: { integer?: (a: number, b: number) => number; loop?: Loop2 } = {},
  ): ElementKernel =>
  (_node, [a, b], out) => {
    const [sa, sb] = [step(a!), step(b!)];
    const [x, y, to] = [a!.data, b!.data, out.data];
    if (x instanceof Float64Array && y instanceof Float64Array) {
      if (to instanceof Float64Array) {
        if (loop) loop(to, x, sa, y, sb);
        else for (let i = 0; i < to.length; i++) to[i] = f(x[i * sa]!, y[i * sb]!);
      } else for (let i = 0; i < to.length; i++) to[i] = f(x[i * sa]!, y[i * sb]!);
    } else for (let i = 0; i < to.length; i++) to[i] = integer(x[i * sa]!, y[i * sb]!);
  };

export const add = binary((a, b) => a + b, {
  loop: (out, a, sa, b, sb) => {
    for (let i = 0; i < out.length; i++) out[i] = a[i * sa]! + b[i * sb]!;
  },
});

export const sub = binary((a, b) => a - b, {
  loop: (out, a, sa, b, sb) => {
    for (let i = 0; i < out.length; i++) out[i] = a[i * sa]! - b[i * sb]!;
  },
});

export const mul = binary((a, b) => a * b, {
  integer: Math.imul,
  loop: (out, a, sa, b, sb) => {
    for (let i = 0; i < out.length; i++) out[i] = a[i * sa]! * b[i * sb]!;
  },
});

export const div = binary((a, b) => a / b, {
  integer: (a, b) => (b === 0 ? 0 : Math.trunc(a / b)),
  loop: (out, a, sa, b, sb) => {
    for (let i = 0; i < out.length; i++) out[i] = a[i * sa]! / b[i * sb]!;
  },
});

export const select: ElementKernel = (_node, [condition, a, b], out) => {
  const [sc, sa, sb] = [step(condition!), step(a!), step(b!)];
  const [c, x, y, to] = [condition!.data, a!.data, b!.data, out.data];
  if (c instanceof Uint8Array && x instanceof Float64Array && y instanceof Float64Array && to instanceof Float64Array)
    for (let i = 0; i < to.length; i++) to[i] = c[i * sc]! !== 0 ? x[i * sa]! : y[i * sb]!;
  else for (let i = 0; i < to.length; i++) to[i] = c[i * sc]! !== 0 ? x[i * sa]! : y[i * sb]!;
};
