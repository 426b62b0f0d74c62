/** What parameters start from: values of expressions at the first batch, in an order in which each reads only what has started. */
import { report } from "../../base/report.js";
import type { DerivedStart } from "../derived-model.js";
import type { ParamStart } from "../types.js";
import type { DeriveContext } from "./context.js";
import { deriveObjective } from "./objective.js";
import { weightsIn } from "./weights.js";

/** Undefined after an error. */
export function deriveStarts(context: DeriveContext): readonly DerivedStart[] | undefined {
  const ordered = inTurn(context, context.model.starts);
  const derived = ordered?.flatMap((start): readonly DerivedStart[] => {
    const { span } = start;
    const found = context.diagnostics.attributing({ span, text: "in this start" }, () =>
      deriveObjective(context, { value: start.value, over: undefined, by: [], span }),
    );
    if (!found) return [];
    if (found.data.length > 0) return [{ start, derived: found }];
    const what = `the start of \`${start.param.name}\``;
    report(context.diagnostics, "GM2003", start.value.span, { what, expected: "a function of the data", found: "one that reads none" });
    return [];
  });
  return derived?.length === context.model.starts.length ? derived : undefined;
}

/** Starts after those whose parameters they read; undefined where some read one another. */
function inTurn(context: DeriveContext, starts: readonly ParamStart[]): readonly ParamStart[] | undefined {
  const reads = new Map(starts.map((s) => [s, weightsIn(context, [s.value])]));
  const ordered: ParamStart[] = [];
  let waiting = starts;
  while (waiting.length > 0) {
    const ready = waiting.filter((s) => !waiting.some((other) => reads.get(s)?.has(other.param.path)));
    const [first] = waiting;
    if (ready.length === 0 && first) {
      const cycle = [...waiting.map((s) => s.param.name), first.param.name].join(" -> ");
      const labels = waiting.slice(1).map((s) => ({ span: s.span, text: "and this" }));
      report(context.diagnostics, "GM2005", first.span, { what: "start", cycle }, { labels });
      return undefined;
    }
    ordered.push(...ready);
    waiting = waiting.filter((s) => !ready.includes(s));
  }
  return ordered;
}
