/**
 * `observed-share=0.3`: so much of every training batch are rows that have what other rows miss. A few labels among many rows are else seen seldom:
 * 100 of 60,000, one batch in six. The mean over a batch then weighs both kinds of rows as the batch holds them, not as the data do.
 */
import { GmcError } from "../graph/errors.js";
import { permutation } from "../graph/random.js";
import type { Column } from "./dataset.js";
import { hasRow } from "./observed.js";

export interface ObservedShare {
  /** Of a batch, above 0 and below 1. */
  readonly share: number;
  /** Rows that have the variable, and those that miss it. */
  readonly observed: Uint32Array;
  readonly missing: Uint32Array;
}

/** GM5434 where no row has the variable, or none misses it. */
export function shareOf(name: string, column: Column, rows: number, share: number): ObservedShare {
  const all = Array.from({ length: rows }, (_, row) => row);
  const [observed, missing] = [all.filter((row) => hasRow(column, row)), all.filter((row) => !hasRow(column, row))];
  if (observed.length === 0 || missing.length === 0)
    throw new GmcError("GM5434", `observed-share=${share}: ${observed.length === 0 ? "no" : "every"} training row has ${name}`, [
      observed.length === 0 ? "give some rows that have it" : "leave observed-share out, or keep it in some rows alone: observed=1000",
    ]);
  return { share, observed: Uint32Array.from(observed), missing: Uint32Array.from(missing) };
}

/** Rows of a batch that have the variable; GM5434 where that is none or all of them. */
function observedPerBatch({ share }: ObservedShare, batch: number): number {
  const each = Math.round(share * batch);
  if (each > 0 && each < batch) return each;
  throw new GmcError("GM5434", `observed-share=${share} of a batch of ${batch} is ${each === 0 ? "no row" : "all of it"}`, [
    each === 0 ? `a larger batch (--batch), or at least observed-share=${1 / batch}` : "a smaller share",
  ]);
}

/** The rows of an epoch's batches, one after another: each kind in turn, in an order of its own for each time that it is gone through. */
export function mixedOrder(mixed: ObservedShare, batch: number, steps: number, seed: number, site: string, epoch: number): Uint32Array {
  const each = observedPerBatch(mixed, batch);
  const inTurn = (rows: Uint32Array, count: number, kind: string): Uint32Array => {
    const passes = Math.ceil(count / rows.length);
    const taken = new Uint32Array(passes * rows.length);
    for (let pass = 0; pass < passes; pass++)
      permutation(rows.length, seed, `${site}.${kind}`, epoch * passes + pass).forEach(
        (at, i) => (taken[pass * rows.length + i] = rows[at]!),
      );
    return taken;
  };
  const [observed, missing] = [inTurn(mixed.observed, steps * each, "observed"), inTurn(mixed.missing, steps * (batch - each), "missing")];
  const order = new Uint32Array(steps * batch);
  for (let step = 0; step < steps; step++) {
    order.set(observed.subarray(step * each, (step + 1) * each), step * batch);
    order.set(missing.subarray(step * (batch - each), (step + 1) * (batch - each)), step * batch + each);
  }
  return order;
}
