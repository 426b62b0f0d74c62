/**
 * What the engine uses of TensorFlow.js: kernels by name, tensors, the count of both. Its packages are optional, so their types are written out here
 * as far as they are used; every package (tfjs-node-gpu, tfjs-node, tfjs with a backend) has this shape.
 */
import type { TypedArray } from "../engine.js";

export interface TfTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  dataSync(): TypedArray;
  data(): Promise<TypedArray>;
  dispose(): void;
}

export interface TfMemory {
  readonly numTensors: number;
  readonly numDataBuffers: number;
  readonly numBytes: number;
}

export interface TfModule {
  readonly version: Readonly<Record<string, string>>;
  engine(): {
    /** Reads `values` later, or not at all where they are kept: they must not change. */
    makeTensor(values: TypedArray, shape: readonly number[], dtype: string): TfTensor;
    runKernel(name: string, inputs: unknown, attributes: unknown): TfTensor;
  };
  /** Disposes of all tensors made in `job` but the result and those kept. */
  tidy<T>(job: () => T): T;
  keep(tensor: TfTensor): TfTensor;
  getKernel(name: string, backend: string): unknown;
  getBackend(): string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  /** No advice on the console. */
  enableProdMode(): void;
  backend(): unknown;
  memory(): TfMemory;
}
