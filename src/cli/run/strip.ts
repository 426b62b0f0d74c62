/**
 * Samples over training: the same noise at the end of each epoch, or at a few steps where epochs are long, for a picture with a row each. Models whose samples take many steps (chains, entries
 * drawn one after another) have none; a density that turns out to be slow stops it. Holds a bounded number of rows, evenly spread over the run.
 */
import { generativeOf } from "../../runtime/eval/draw.js";
import { openSession, type Samples } from "../../runtime/eval/session.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { leavesOf } from "../../runtime/nn/spec.js";
import { emaName } from "../../runtime/train/context.js";
import { decodeSafetensors, encodeSafetensors } from "../../runtime/data/safetensors.js";
import type { HostTensor } from "../../runtime/engines/engine.js";
import type { Opened } from "./open.js";

export interface StripRow {
  /** Steps done in all. */
  readonly step: number;
  readonly samples: Samples;
}

export interface Strip {
  /** Draws a row from the weights as they are; a draw that fails or is slow ends the strip, not the training. */
  add(step: number): Promise<void>;
  rows(): readonly StripRow[];
  /** All that a resumed run goes on with, as a file. */
  encode(): Uint8Array;
}

/** Its file in the run folder. */
export const STRIP_FILE = "strip.safetensors";

interface StripState {
  readonly rows: readonly StripRow[];
  /** Looks so far, and of how many one is drawn. */
  readonly epoch: number;
  readonly every: number;
}

function encodeStrip({ rows, epoch, every }: StripState): Uint8Array {
  const tensors = rows.flatMap(({ step, samples }) =>
    Object.entries({ value: samples.values, mean: samples.means }).flatMap(([kind, all]) =>
      Object.entries(all).map(([name, { shape, data }]): readonly [string, HostTensor] => {
        const whole = data instanceof Int32Array;
        return [`${step}:${kind}:${name}`, { dtype: whole ? "i32" : "f32", shape, data: whole ? data : Float32Array.from(data) }];
      }),
    ),
  );
  return encodeSafetensors(Object.fromEntries(tensors), { epoch: String(epoch), every: String(every) });
}

/** What was saved, up to a step of training. */
function decodeStrip(bytes: Uint8Array, last: number): StripState {
  const { tensors, metadata } = decodeSafetensors({ path: STRIP_FILE, bytes });
  const rows = new Map<number, { values: Record<string, HostTensor>; means: Record<string, HostTensor> }>();
  for (const [key, tensor] of Object.entries(tensors)) {
    const [, step = "", kind = "", name = ""] = /^(\d+):(\w+):(.*)$/.exec(key) ?? [];
    if (Number(step) > last) continue;
    const row = rows.get(Number(step)) ?? { values: {}, means: {} };
    (kind === "mean" ? row.means : row.values)[name] = tensor;
    rows.set(Number(step), row);
  }
  return {
    rows: [...rows].sort(([a], [b]) => a - b).map(([step, samples]) => ({ step, samples })),
    epoch: Number(metadata["epoch"] ?? 0),
    every: Number(metadata["every"] ?? 1),
  };
}

/** Samples a row. */
export const STRIP_COLUMNS = 10;
/** Rows at most: of more, every other one goes, and from then on one of two looks is drawn, and so on. */
const MOST = 20;
/** Milliseconds that a row may take. */
const SLOW = 5000;

/** `saved`: what a run had drawn by the step at which it goes on; what is damaged of it is left, and the strip begins anew. */
export function collectStrip(
  { session, model, dataset }: Pick<Opened, "session" | "model" | "dataset">,
  seed: number,
  saved?: { readonly bytes: Uint8Array; readonly step: number },
): Strip {
  let { rows, epoch, every } = soundState(model, saved);
  let on = canDraw(model);
  return {
    add: async (step) => {
      if (!on || rows.at(-1)?.step === step || epoch++ % every !== 0) return;
      const averaged = new Set(leavesOf(model.weights).flatMap(({ path }) => (session.has(emaName(path)) ? [path] : [])));
      const began = performance.now();
      try {
        rows = [...rows, { step, samples: await openSession({ session, model, dataset, seed, averaged, step }).sample(STRIP_COLUMNS) }];
      } catch {
        // the closing samples say what is wrong with it
        on = false;
      }
      on &&= performance.now() - began < SLOW;
      if (rows.length > MOST) {
        rows = rows.filter((_, i) => i % 2 === 0);
        every *= 2;
      }
    },
    rows: () => rows,
    encode: () => encodeStrip({ rows, epoch, every }),
  };
}

function soundState(model: Opened["model"], saved: { readonly bytes: Uint8Array; readonly step: number } | undefined): StripState {
  const none = { rows: [], epoch: 0, every: 1 };
  if (saved === undefined) return none;
  try {
    const state = decodeStrip(saved.bytes, saved.step);
    const counts = Number.isInteger(state.epoch) && state.epoch >= 0 && Number.isInteger(state.every) && state.every >= 1;
    return counts && state.rows.every((row) => isOf(model, row)) && areAlike(state.rows) ? state : none;
  } catch (error) {
    if (error instanceof GmcError) return none;
    throw error;
  }
}

/** Has it as many samples as a row of the picture, of the model's shapes? A file of another model, or of another version, may have none or others. */
function isOf({ streams, latents }: Opened["model"], { samples: { values, means } }: StripRow): boolean {
  const variables = Object.assign({}, latents, ...streams) as typeof latents;
  return [...Object.entries(values), ...Object.entries(means)].every(([name, { shape, data }]) => {
    const expected = Object.hasOwn(variables, name) ? [STRIP_COLUMNS, ...variables[name]!.shape] : undefined;
    return expected !== undefined && expected.join() === shape.join() && data.length === expected.reduce((a, b) => a * b, 1);
  });
}

/** A row that lacks a variable would be missing from its picture alone. */
function areAlike(rows: readonly StripRow[]): boolean {
  const names = ({ samples: { values, means } }: StripRow): string =>
    JSON.stringify([Object.keys(values).sort(), Object.keys(means).sort()]);
  return new Set(rows.map(names)).size <= 1;
}

/** A density that draws all at once, given data or nothing. */
function canDraw(model: Opened["model"]): boolean {
  if (model.generative === undefined) return false;
  const { chain, sequential, given } = generativeOf(model);
  return chain === undefined && sequential === undefined && given.every((name) => !Object.hasOwn(model.latents, name));
}
