/**
 * Samples over training: the same noise at the end of each epoch, for a picture with a row an epoch. Models whose samples take many steps (chains, entries
 * drawn one after another) have none; a density that turns out to be slow stops it. Holds a bounded number of rows, evenly spread over the run.
 */
import { generativeOf } from "../../runtime/eval/draw.js";
import { openSession, type Samples } from "../../runtime/eval/session.js";
import { leavesOf } from "../../runtime/nn/spec.js";
import { emaName } from "../../runtime/train/context.js";
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
}

/** Samples a row. */
export const STRIP_COLUMNS = 10;
/** Rows at most: of more, every other one goes, and from then on one of two epochs is drawn, and so on. */
const MOST = 20;
/** Milliseconds that a row may take. */
const SLOW = 5000;

export function collectStrip({ session, model, dataset }: Pick<Opened, "session" | "model" | "dataset">, seed: number): Strip {
  let rows: StripRow[] = [];
  let on = canDraw(model);
  let epoch = 0;
  let every = 1;
  return {
    add: async (step) => {
      if (!on || rows.at(-1)?.step === step || epoch++ % every !== 0) return;
      const averaged = new Set(leavesOf(model.weights).flatMap(({ path }) => (session.has(emaName(path)) ? [path] : [])));
      const began = performance.now();
      try {
        rows.push({ step, samples: await openSession({ session, model, dataset, seed, averaged, step }).sample(STRIP_COLUMNS) });
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
  };
}

/** A density that draws all at once, given data or nothing. */
function canDraw(model: Opened["model"]): boolean {
  if (model.generative === undefined) return false;
  const { chain, sequential, given } = generativeOf(model);
  return chain === undefined && sequential === undefined && given.every((name) => !Object.hasOwn(model.latents, name));
}
