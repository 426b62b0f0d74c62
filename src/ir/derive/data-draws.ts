/**
 * `E[x ~ data](…)`: what is drawn is a row of the batch, over which the loop averages. Draws of one stream that stand within one another must
 * be independent: the n-th is the batch moved on by n rows, which the shuffled order makes another draw without replacement.
 */
import { remembered } from "../../base/remembered.js";
import { report } from "../../base/report.js";
import type { DrawStep } from "../quantity.js";
import type { Expr, ObjectiveDraw } from "../types.js";
import { childrenOf, freeVariables } from "../walk.js";
import type { DeriveContext } from "./context.js";

/** How many rows of each stream have been taken by what stands around a draw. */
export type Taken = ReadonlyMap<number, number>;

/**
 * What is taken, beside what is so already, by the data variables that expressions read and do not bind: those that an `E` itself reads, and those
 * that it meets otherwise than as a plain term, in a product say.
 */
export function takenBeside(context: DeriveContext, around: Taken, others: readonly Expr[]): Taken {
  const free = new Set(others.flatMap((e) => [...freeVariables(e)]));
  return new Map(
    context.model.streams.flatMap((names, stream) => {
      const taken = Math.max(around.get(stream) ?? 0, names.some((v) => free.has(v)) ? 1 : 0);
      return taken > 0 ? [[stream, taken] as const] : [];
    }),
  );
}

/** Whether an `E` in it draws from the data: whether it matters what stands beside it. */
export const drawsData = remembered(
  (expr: Expr): boolean =>
    (expr.kind === "expectation" && expr.draws.some((d) => d.source.kind === "data")) || childrenOf(expr).some(drawsData),
);

/** Rows taken once a draw has been made. */
export function takenAfter(taken: Taken, { source, samples }: ObjectiveDraw): Taken {
  return source.kind === "data" ? new Map([...taken, [source.stream, (taken.get(source.stream) ?? 0) + (samples?.size ?? 1)]]) : taken;
}

/** Most rows of a family: each is a copy of the batch. */
const MOST_ROWS = 1000;

/** One step for each variable of the draw; undefined after an error has been reported. */
export function dataSteps(context: DeriveContext, draw: ObjectiveDraw, stream: number, taken: Taken): readonly DrawStep[] | undefined {
  const shift = taken.get(stream) ?? 0;
  if (draw.samples && draw.samples.size > MOST_ROWS) {
    report(
      context.diagnostics,
      "GM3741",
      draw.span,
      { rows: draw.samples.size, most: MOST_ROWS },
      { help: ["`E[x ~ data](…)` alone is the mean over all rows of a batch"] },
    );
    return undefined;
  }
  return draw.names.map((target): DrawStep => {
    const variable = target.kind === "variable" ? target.variable : (target.of ?? target.local.name);
    return {
      kind: "data",
      variable,
      local: target.kind === "local" ? target.local : undefined,
      shift,
      family: draw.samples,
      span: draw.span,
    };
  });
}
