/**
 * Change of variables in a density: which variables follow from those that have a value, and the log-determinants that this costs.
 *
 * For `x = f(z)` with x known and z not, z is f⁻¹(x), and log |det ∂z/∂x| is a term of the density. Where an `E` has drawn both, z is the
 * one that was drawn, and the term is -log |det ∂x/∂z|: only the direction that was taken is needed. With z known and x not asked for, x is
 * a name for f(z), and so is a variable that a net makes of others. With both given by the asker there is no density: a Dirac.
 */
import { report } from "../../base/report.js";
import { textOf, type Span } from "../../base/source.js";
import type { Direction, Expr, Flow, FlowCallExpr } from "../types.js";
import { type Definition, type DeriveContext, type DensityIndex, flowOf, parentsOf, variablesIn } from "./context.js";
import { reportCurve } from "../curves.js";
import { bijections } from "../flows.js";

/** Variables of a density that an `E` has drawn, with the names that they are bound to. */
export interface DrawnTogether {
  readonly density: string;
  readonly values: ReadonlyMap<string, Expr>;
  /** What it was drawn given. */
  readonly given: readonly { readonly variable: string; readonly value: Expr }[];
}

/** The log-determinant of a definition by flows: of each of its calls, times `scale`. */
export interface LogDetTerm {
  readonly calls: readonly FlowCallExpr[];
  readonly scale: 1 | -1;
}

export interface Change {
  /** Values that follow from known ones, in the names of the density. */
  readonly through: ReadonlyMap<string, Expr>;
  /** By the variable that is defined. */
  readonly terms: ReadonlyMap<string, LogDetTerm>;
  /** Variables that stand for what an `E` has drawn. */
  readonly reused: ReadonlySet<string>;
  /** What a variable's conditional reads, and what its own value follows from; names of others spelled out. */
  readonly reads: (definition: Definition) => ReadonlySet<string>;
}

interface Asked {
  readonly text: string;
  readonly span: Span;
}

/** A definition `x = g(f(z))`: the calls from the inside out, and the variable at its heart. */
interface FlowChain {
  readonly calls: readonly FlowCallExpr[];
  readonly source: string;
}

/** The flows that a definition is made of; undefined where it is not made of flows of one variable alone. */
export function flowChain(context: DeriveContext, value: Expr): FlowChain | undefined {
  const calls: FlowCallExpr[] = [];
  let at = value;
  for (;;) {
    const bound = at.kind === "local" ? context.bindings.get(at.local.id)?.value : undefined;
    if (bound) at = bound;
    else if (at.kind === "flowCall") {
      calls.unshift(at);
      at = at.arg;
    } else break;
  }
  return at.kind === "variable" && calls.length > 0 ? { calls, source: at.variable } : undefined;
}

/**
 * What follows from `known`, for the factors of `needed`; `asked` are the variables that the asker gives a value, `drawn` those that an `E` has
 * drawn with them. Undefined after an error has been reported.
 */
export function changeOfVariables(
  context: DeriveContext,
  index: DensityIndex,
  needed: ReadonlySet<string>,
  known: ReadonlySet<string>,
  drawn: ReadonlySet<string>,
  asked: Asked,
): Change | undefined {
  const defines = [...index.definitions.values()].flatMap((d) => (d.kind === "define" && needed.has(d.variable) ? [d] : []));
  const through = new Map<string, Expr>();
  const terms = new Map<string, LogDetTerm>();
  const reused = new Set<string>();
  const settled = new Set(known);
  for (const definition of [...defines].reverse()) {
    if (!settled.has(definition.variable)) continue;
    const { variable, value } = definition;
    const chain = flowChain(context, value);
    if (!chain) return implicit(context, definition, asked);
    const { calls, source } = chain;
    const conditions = variablesIn(
      context,
      calls.flatMap((c) => c.given),
    );
    // with hidden conditions, what was drawn is one of many values that lead to x
    if (drawn.has(source) && !settled.has(source) && [...conditions].every((v) => settled.has(v))) {
      terms.set(variable, { calls, scale: -1 });
      reused.add(source);
      settled.add(source);
      continue;
    }
    if (settled.has(source)) return dirac(context, index, variable, source, asked);
    const missing = calls.find((c) => directionOf(flowOf(context, c.flow), c.direction, true) === "none");
    if (missing) return noDirection(context, missing, definition, asked);
    const back = inverted(chain, variable);
    through.set(source, back.value);
    terms.set(variable, { calls: back.calls, scale: 1 });
    settled.add(source);
  }
  for (const definition of defines)
    if (!settled.has(definition.variable)) {
      through.set(definition.variable, definition.value);
      settled.add(definition.variable);
    }
  return { through, terms, reused, reads: readsOf(context, through, terms) };
}

/** The other way round: z as a function of x, and the calls whose log-determinants add up. */
export function inverted({ calls }: FlowChain, variable: string): { readonly value: Expr; readonly calls: readonly FlowCallExpr[] } {
  const outer = calls[calls.length - 1] as FlowCallExpr;
  let value: Expr = { kind: "variable", variable, sample: undefined, type: outer.type, span: outer.span };
  const back: FlowCallExpr[] = [];
  for (const call of [...calls].reverse()) {
    const direction = call.direction === "forward" ? "inverse" : "forward";
    const made: FlowCallExpr = { ...call, direction, arg: value, type: call.arg.type };
    back.push(made);
    value = made;
  }
  return { value, calls: back };
}

/** What expressions read once names that follow from others are spelled out. */
function readsOf(context: DeriveContext, through: ReadonlyMap<string, Expr>, terms: ReadonlyMap<string, LogDetTerm>): Change["reads"] {
  const spelled = (variables: Iterable<string>, open: ReadonlySet<string>): Set<string> => {
    const found = new Set<string>();
    for (const v of variables) {
      const value = open.has(v) ? undefined : through.get(v);
      if (!value) found.add(v);
      else for (const inner of spelled(variablesIn(context, [value]), new Set([...open, v]))) found.add(inner);
    }
    return found;
  };
  return (definition) => {
    const { variable } = definition;
    const term = terms.get(variable);
    const read = new Set(term ? variablesIn(context, term.calls) : parentsOf(context, definition));
    const own = definition.kind === "draw" && through.has(variable) ? [variable] : [];
    const all = spelled([...read, ...own], new Set());
    all.delete(variable);
    return all;
  };
}

export function directionOf(flow: Flow, direction: FlowCallExpr["direction"], other: boolean): Direction {
  return flow.directions[other ? (direction === "forward" ? "inverse" : "forward") : direction];
}

// ---- what there is no density of ---------------------------------------------------------------------

/** The step of a flow that lacks a direction. */
function stepWithout(
  context: DeriveContext,
  flow: Flow,
  direction: FlowCallExpr["direction"],
): { readonly name: string; readonly span: Span; readonly own?: true } {
  for (const step of flow.steps) {
    if (step.kind === "flow") {
      const inner = flowOf(context, step.flow);
      if (inner.directions[direction] === "none") return stepWithout(context, inner, direction);
    } else if (step.kind === "own") {
      if (direction === "inverse" && !step.inverse) return { name: flow.name, span: step.span, own: true };
    } else if (step.inner) {
      const found = stepWithout(context, { ...flow, steps: step.inner.steps }, direction);
      if (found.name !== flow.name) return found;
    } else if (bijections.get(step.instance.bijection)?.directions[direction] === "none")
      return { name: step.instance.bijection, span: step.span };
  }
  return { name: flow.name, span: flow.span };
}

function noDirection(
  context: DeriveContext,
  call: FlowCallExpr,
  definition: Extract<Definition, { kind: "define" }>,
  asked: Asked,
): undefined {
  const wanted = call.direction === "forward" ? "inverse" : "forward";
  const step = stepWithout(context, flowOf(context, call.flow), wanted);
  const taken = wanted === "inverse" ? "from base to data" : "from data to base";
  report(
    context.diagnostics,
    "GM3701",
    asked.span,
    { quantity: asked.text, flow: call.flow, direction: wanted === "inverse" ? "the inverse" : "the forward direction", step: step.name },
    {
      label: "asked for here",
      labels: [
        { span: step.span, text: step.own ? "gives no `inverse`" : `has a closed form ${taken} alone` },
        { span: definition.span, text: `\`${definition.variable}\` is defined here` },
      ],
      help: [
        ...(step.own ? [`write the other direction beside \`forward\`: \`inverse(x) = …\``] : []),
        `where \`${definition.variable}\` is drawn inside the same \`E\`, only the direction that was taken is needed: a posterior in an \`ELBO(p, q)\`, or \`E[${definition.variable} ~ …](…)\``,
        "flows with both directions are made of `coupling`, `spline_coupling`, `masked_autoregressive`, `invertible_linear`",
      ],
    },
  );
  return undefined;
}

function dirac(context: DeriveContext, index: DensityIndex, variable: string, source: string, { text, span }: Asked): undefined {
  const definition = index.definitions.get(variable);
  reportCurve(context.diagnostics, { quantity: text, density: index.density.name, variable, source, span, definition });
  return undefined;
}

function implicit(context: DeriveContext, definition: Extract<Definition, { kind: "define" }>, asked: Asked): undefined {
  const { variable, value } = definition;
  const flow = value.kind === "flowCall" ? value.flow : undefined;
  const labels = [{ span: definition.span, text: `\`${variable}\` is defined here, not drawn` }];
  if (flow !== undefined) {
    const problem = `the flow \`${flow}\` is applied to an expression, not to a variable that is drawn`;
    const help = ["draw what the flow maps: `z ~ Normal(…)`, then `x = f(z)`; what it depends on besides stands after `|`, `f(z | h)`"];
    report(context.diagnostics, "GM3706", asked.span, { quantity: asked.text, variable, problem }, { labels, help });
    return undefined;
  }
  report(
    context.diagnostics,
    "GM3506",
    asked.span,
    { quantity: asked.text, variable, net: textOf(value.span) },
    {
      labels,
      help: [
        `draw it: \`${variable} ~ Normal(…)\`, or compare samples instead of likelihoods (a minimax objective, a moment-matching one)`,
      ],
    },
  );
  return undefined;
}
