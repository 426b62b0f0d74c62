/**
 * The log-density that a density stands for by itself: of all its variables, or, where flows make some of others, of what they lead to: there
 * is no density of both (flow-change.ts). Undefined where it has none: an energy, an implicit density, a flow without that direction.
 */
import { Diagnostics } from "../../base/report.js";
import type { DerivedDensity } from "../derived-model.js";
import { scalarType, typeOfDomain } from "../shapes.js";
import type { Expr, Slot } from "../types.js";
import { NO_CHOICES } from "./choices.js";
import { type DeriveContext, densityOf, flowOf } from "./context.js";
import { directionOf, flowChain, inverted } from "./flow-change.js";
import { deriveLogDensity } from "./marginal.js";

export function deriveDensity(context: DeriveContext, name: string): DerivedDensity {
  const index = densityOf(context, name);
  const { density } = index;
  const inverses = inversesOf(context, name);
  const made = new Set(
    [...index.definitions.values()].flatMap((d) => {
      const chain = d.kind === "define" ? flowChain(context, d.value) : undefined;
      return chain ? [chain.source] : [];
    }),
  );
  const head = density.head.filter((v) => !made.has(v));
  if (index.energy) return { name, head, quantity: undefined, inverses };
  const slot = (variable: string): Slot => {
    const declared = context.model.variables.get(variable);
    const type = declared ? typeOfDomain(declared.domain) : scalarType;
    return { variable, value: { kind: "variable", variable, sample: undefined, type, span: density.span } };
  };
  const quantity = deriveLogDensity(
    { ...context, diagnostics: new Diagnostics() },
    {
      kind: "logDensity",
      density: name,
      head: head.map(slot),
      given: density.given.map(slot),
      type: scalarType,
      span: density.span,
    },
    { choices: NO_CHOICES, training: false, estimated: new Map(), isFreeData: () => false, span: density.span, notes: [] },
  );
  return { name, head, quantity, inverses };
}

/** Variables of the header that flows map to others of it, as functions of these. */
function inversesOf(context: DeriveContext, name: string): ReadonlyMap<string, Expr> {
  const { density, definitions } = densityOf(context, name);
  const found = new Map<string, Expr>();
  for (const definition of [...definitions.values()].reverse()) {
    const chain = definition.kind === "define" ? flowChain(context, definition.value) : undefined;
    if (!chain || chain.calls.some((c) => directionOf(flowOf(context, c.flow), c.direction, true) === "none")) continue;
    if (density.head.includes(chain.source)) found.set(chain.source, inverted(chain, definition.variable).value);
  }
  return found;
}
