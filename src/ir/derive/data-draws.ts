/**
 * `E[x ~ data](…)`: what is drawn is a row of the batch, over which the loop averages. Draws of one stream that stand within one another must
 * be independent: the n-th is the batch moved on by n rows, which the shuffled order makes another draw without replacement.
 */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { DrawStep } from "../quantity.js";
import type { ObjectiveDraw } from "../types.js";
import type { DeriveContext } from "./context.js";

/** How many rows of each stream have been taken by what stands around: by the `E`s, and by free data variables. */
export type Taken = ReadonlyMap<number, number>;

/** Each stream whose variables are free has its row taken. */
export function takenBy(context: DeriveContext, free: Iterable<string>): Taken {
  const names = new Set(free);
  return new Map(context.model.streams.flatMap((s, i) => (s.some((v) => names.has(v)) ? [[i, 1] as const] : [])));
}

/** One step for each variable of the draw; undefined after an error has been reported. */
export function dataSteps(
  context: DeriveContext,
  draw: ObjectiveDraw,
  stream: number,
  taken: Taken,
  evaluated: Span | undefined,
): readonly DrawStep[] | undefined {
  const shift = taken.get(stream) ?? 0;
  if (draw.samples) {
    report(
      context.diagnostics,
      "GM3741",
      draw.span,
      {},
      { help: ["draw as many names as are needed, each in its place: `E[x ~ data, y ~ data(x)](…)`"] },
    );
    return undefined;
  }
  if (shift > 0 && evaluated) {
    report(context.diagnostics, "GM3742", evaluated, { what: "a second, independent row of a stream" }, { labels: [{ span: draw.span, text: "the second draw" }] });
    return undefined;
  }
  return draw.names.map((target): DrawStep => {
    const variable = target.kind === "variable" ? target.variable : (target.of ?? target.local.name);
    return { kind: "data", variable, local: target.kind === "local" ? target.local : undefined, shift, span: draw.span };
  });
}
