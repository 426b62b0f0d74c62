/** The WebAssembly kernels of kernels.wat as functions over addresses in one memory. Arrays are padded and aligned as regions are (memory.ts). */
import { kernelsBase64 } from "./kernels-wasm.js";

type Address = number;

export interface Kernels {
  readonly words: (out: Address, rows: number, count: number, key0: number, key1: number, row: number) => void;
  readonly bernoulliRows: (out: Address, p: Address, rows: number, count: number, key0: number, key1: number, row: number) => void;
  readonly uniform: (x: Address, n: number) => void;
  readonly normal: (x: Address, n: number) => void;
  readonly bernoulli: (x: Address, p: Address, n: number) => void;
  readonly prepare: (out: Address, g: Address, w: Address, n: number, scale: number, limit: number, decay: number) => void;
  readonly sgd: (w: Address, g: Address, n: number, scale: number, rate: number) => void;
  readonly momentum: (
    w: Address,
    g: Address,
    m: Address,
    n: number,
    scale: number,
    rate: number,
    momentum: number,
    nesterov: number,
  ) => void;
  readonly adam: (
    ...args: [
      w: Address,
      g: Address,
      m: Address,
      v: Address,
      n: number,
      scale: number,
      rate: number,
      keep: number,
      epsilon: number,
      b1: number,
      c1: number,
      b2: number,
      c2: number,
    ]
  ) => void;
  readonly adamax: (
    ...args: [
      w: Address,
      g: Address,
      m: Address,
      u: Address,
      n: number,
      scale: number,
      rate: number,
      epsilon: number,
      b1: number,
      c1: number,
      b2: number,
    ]
  ) => void;
  readonly rmsprop: (
    w: Address,
    g: Address,
    v: Address,
    n: number,
    scale: number,
    rate: number,
    epsilon: number,
    decay: number,
    rest: number,
  ) => void;
  readonly rmspropMomentum: (
    ...args: [
      w: Address,
      g: Address,
      v: Address,
      m: Address,
      n: number,
      scale: number,
      rate: number,
      epsilon: number,
      decay: number,
      rest: number,
      momentum: number,
    ]
  ) => void;
  readonly dot: (a: Address, b: Address, n: number) => number;
  readonly axpy: (y: Address, x: Address, n: number, scale: number) => void;
  readonly logistic: (out: Address, x: Address, n: number) => void;
  readonly throughLogistic: (sum: Address, g: Address, h: Address, n: number) => void;
  readonly outerStep: (g: Address, v: Address, dv: Address, h: Address, n: number, scale: number) => void;
  readonly average: (e: Address, w: Address, n: number, decay: number, rest: number) => void;
  readonly clamp: (x: Address, n: number, low: number, high: number) => void;
  readonly finite: (x: Address, n: number) => number;
  readonly squares: (x: Address, n: number, limit: number) => number;
}

/** The part of WebAssembly's JavaScript interface used here, which is in browsers and Node but not in TypeScript's ES library. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface WebAssemblyNamespace {
  readonly Memory: new (descriptor: { readonly initial: number; readonly maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: unknown };
}

const webAssembly = (globalThis as unknown as { readonly WebAssembly: WebAssemblyNamespace }).WebAssembly;

export const pageBytes = 65_536;
/** 4 GiB, all that 32-bit addresses reach. */
const maxPages = 65_536;

export function createMemory(): WasmMemory {
  return new webAssembly.Memory({ initial: 16, maximum: maxPages });
}

let compiled: object | undefined;

export function loadKernels(memory: WasmMemory): Kernels {
  compiled ??= new webAssembly.Module(Uint8Array.from(atob(kernelsBase64), (char) => char.charCodeAt(0)));
  return new webAssembly.Instance(compiled, { env: { memory } }).exports as Kernels;
}
