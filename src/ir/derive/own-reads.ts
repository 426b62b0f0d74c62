/** Variables that stand in the parameters of their own distribution. */
import { distributions } from "../distributions.js";
import type { DistCall } from "../types.js";
import { distExprs } from "../walk.js";
import { type DeriveContext, type DensityIndex, variablesIn } from "./context.js";

interface Drawn {
  readonly variable: string;
  readonly dist: DistCall;
}

/** Is the variable drawn given its own sum, `x ~ Multinomial(sum(x), …)`? To draw it takes a value whose sum is kept. */
export function readsOwnSum(context: DeriveContext, { variable, dist }: Drawn): boolean {
  return ownReads(context, { variable, dist }, true);
}

/** Is the variable drawn entry after entry, each given those before it: does it stand in its own parameters otherwise than by its sum? */
export function readsItself(context: DeriveContext, { variable, dist }: Drawn): boolean {
  return ownReads(context, { variable, dist }, false);
}

function ownReads(context: DeriveContext, { variable, dist }: Drawn, bySum: boolean): boolean {
  const sums = new Set(
    distributions.get(dist.dist)?.parameters.flatMap((list) => list.flatMap((p) => (p.ownSum ? [p.runtime ?? p.name] : []))),
  );
  const own = Object.entries(dist.params).flatMap(([name, expr]) => (sums.has(name) === bySum ? [expr] : []));
  const inner = dist.of && !bySum ? distExprs(dist.of) : [];
  return variablesIn(context, [...own, ...inner]).has(variable);
}

/** Variables of a density that are drawn given their own sum. */
export function givenTheirSum(context: DeriveContext, index: DensityIndex): readonly string[] {
  return [...index.definitions.values()].flatMap((d) => (d.kind === "draw" && readsOwnSum(context, d) ? [d.variable] : []));
}
