/** The manifest of a checkpoint: what the weights belong to and how far the run was. Validated on every read. */
import type { DType } from "../graph/types.js";

export interface Manifest {
  readonly format: "gmc-checkpoint";
  readonly version: 1;
  readonly model: {
    readonly name: string;
    /** SHA-256 of the `.gm` text. */
    readonly source: string;
    readonly compiler: string;
    readonly hyperparameters: Readonly<Record<string, number | boolean | readonly number[]>>;
  };
  /** Steps done in all. */
  readonly step: number;
  readonly epoch: number;
  readonly seed: number;
  readonly engine: { readonly name: string; readonly detail: string; readonly threads: number | null };
  /** gmc, node and whatever the engine adds. Resume is bitwise among equal ones. */
  readonly versions: Readonly<Record<string, string>>;
  /** The specification that the data were loaded by, and its protocol. */
  readonly data: {
    readonly spec: string;
    readonly provenance: readonly string[];
    /** Of sound: samples a second by variable. */
    readonly rates?: Readonly<Record<string, number>>;
  };
  /** The training loop's own: phase, counters of the random state, data cursor, windows of metrics. */
  readonly cursor: Readonly<Record<string, unknown>>;
  readonly tensors: {
    readonly file: string;
    readonly bytes: number;
    readonly sha256: string;
    readonly entries: Readonly<Record<string, { readonly dtype: DType; readonly shape: readonly number[] }>>;
  };
}

const text = { type: "string" } as const;
const count = { type: "integer", minimum: 0 } as const;

/** Of a run; that of saved weights is empty. A wrong number here would go on with other draws and rows, and nobody would see it. */
const cursor = {
  type: "object",
  properties: {
    phase: count,
    step: count,
    total: count,
    draws: count,
    data: { type: ["object", "null"] },
    window: {
      type: "object",
      required: ["count", "sums"],
      properties: { count, sums: { type: "array", items: { type: ["number", "null"] } } },
    },
    stopping: { type: ["object", "null"] },
    fresh: { type: "boolean" },
    done: { type: "boolean" },
  },
  dependencies: { phase: ["step", "total", "draws", "data", "window", "stopping", "fresh", "done"] },
} as const;

export const manifestSchema = {
  type: "object",
  additionalProperties: false,
  required: ["format", "version", "model", "step", "epoch", "seed", "engine", "versions", "data", "cursor", "tensors"],
  properties: {
    format: { const: "gmc-checkpoint" },
    version: { const: 1 },
    model: {
      type: "object",
      additionalProperties: false,
      required: ["name", "source", "compiler", "hyperparameters"],
      properties: { name: text, source: text, compiler: text, hyperparameters: { type: "object" } },
    },
    step: count,
    epoch: { type: "number", minimum: 0 },
    seed: count,
    engine: {
      type: "object",
      additionalProperties: false,
      required: ["name", "detail", "threads"],
      properties: { name: text, detail: text, threads: { type: ["integer", "null"], minimum: 1 } },
    },
    versions: { type: "object", additionalProperties: text },
    data: {
      type: "object",
      additionalProperties: false,
      required: ["spec", "provenance"],
      properties: {
        spec: text,
        provenance: { type: "array", items: text },
        rates: { type: "object", additionalProperties: { type: "number", exclusiveMinimum: 0 } },
      },
    },
    cursor,
    tensors: {
      type: "object",
      additionalProperties: false,
      required: ["file", "bytes", "sha256", "entries"],
      properties: {
        // A name without folders: a manifest points nowhere but beside itself.
        file: { type: "string", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*\\.safetensors$" },
        bytes: count,
        sha256: { type: "string", pattern: "^[0-9a-f]{64}$" },
        entries: {
          type: "object",
          additionalProperties: {
            type: "object",
            additionalProperties: false,
            required: ["dtype", "shape"],
            properties: { dtype: { enum: ["f32", "i32", "u32", "bool"] }, shape: { type: "array", items: count } },
          },
        },
      },
    },
  },
} as const;
