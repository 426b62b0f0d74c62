/**
 * What a flow does to data before it learns anything: noise under whole numbers, maps of each entry onto another domain. Their Jacobians are part of the
 * log-density, and whoever reports a number says so.
 */
import { BYTE_LEVELS } from "../bijection-forms.js";
import { bijections } from "../flows.js";
import type { Quantity } from "../quantity.js";
import { walkQuantity } from "../quantity-walk.js";
import type { BijectionStep, FlowCallExpr, FlowStep } from "../types.js";
import { type DeriveContext, flowOf } from "./context.js";
import { flowChain, inverted } from "./flow-change.js";

export interface Preparation {
  readonly dequantisation: { readonly noise: "uniform" | "variational"; readonly levels: number; readonly alpha?: number } | undefined;
  /** From the data on. */
  readonly through: readonly string[];
}

/** Of the variables whose log-density a measure is; of one that no flow makes, or whose flow learns at once, there is none. */
export function preparations(context: DeriveContext, quantity: Quantity, variables: Iterable<string>): ReadonlyMap<string, Preparation> {
  const found = new Map<string, Preparation>();
  const wanted = new Set(variables);
  walkQuantity(quantity, (q) => {
    if (q.kind !== "logDet" || !wanted.has(q.variable) || found.has(q.variable)) return;
    const own = preparationOf(context, q.calls);
    if (own.dequantisation || own.through.length > 0) found.set(q.variable, own);
  });
  return found;
}

/** Whether a flow takes the variable from the unit interval to the line, where its ends are infinitely far. */
export function leavesOutEnds(context: DeriveContext, variable: string): boolean {
  if (context.model.variables.get(variable)?.domain.name !== "unit") return false;
  return preparationsOf(context, variable).some(({ through }) => through[0] === bijections.get("sigmoid")?.back);
}

/** How many whole numbers the flows that end in a variable tell apart; undefined where that is all of the bytes. */
export function levelsOf(context: DeriveContext, variable: string): number | undefined {
  const least = Math.min(...preparationsOf(context, variable).flatMap(({ dequantisation }) => dequantisation?.levels ?? []));
  return least < BYTE_LEVELS ? least : undefined;
}

/** Of each density that makes the variable by flows. */
function preparationsOf(context: DeriveContext, variable: string): readonly Preparation[] {
  return [...context.densities.values()].flatMap(({ definitions }) => {
    const definition = definitions.get(variable);
    const chain = definition?.kind === "define" ? flowChain(context, definition.value) : undefined;
    return chain ? [preparationOf(context, inverted(chain, variable).calls)] : [];
  });
}

/** Of calls in the order in which data go back through them. */
function preparationOf(context: DeriveContext, calls: readonly FlowCallExpr[]): Preparation {
  let dequantisation: Preparation["dequantisation"];
  const through: string[] = [];
  // what is given a sample takes the flow forwards, from base to data
  for (const step of calls.flatMap((c) => (c.direction === "inverse" ? [...stepsOf(context, c.flow)].reverse() : []))) {
    const entry = step.kind === "bijection" ? bijections.get(step.instance.bijection) : undefined;
    if (step.kind !== "bijection" || entry === undefined) break;
    // what keeps any domain moves entries about
    if (entry.takes === undefined) continue;
    if (entry.noisy) {
      const { alpha } = step.instance.options;
      const noise = step.noise === undefined ? "uniform" : "variational";
      dequantisation = { noise, levels: levelsIn(step), ...(typeof alpha === "number" ? { alpha } : {}) };
    } else if (entry.back !== undefined) through.push(entry.back);
    else break;
  }
  return { dequantisation, through };
}

function levelsIn(step: BijectionStep): number {
  const { levels } = step.instance.options;
  return typeof levels === "number" ? levels : BYTE_LEVELS;
}

/** The steps of a flow from base to data, those of the flows that it is made of in their place. */
function stepsOf(context: DeriveContext, name: string): readonly FlowStep[] {
  return flowOf(context, name).steps.flatMap((s) => (s.kind === "flow" ? stepsOf(context, s.flow) : [s]));
}
