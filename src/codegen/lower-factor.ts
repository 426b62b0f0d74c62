/** Factors of densities, log-determinants and divergences in closed form -> statements, each a term under a name of its own. */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { densityOf, inHeader, parentsOf } from "../ir/derive/context.js";
import { flowChain } from "../ir/derive/flow-change.js";
import { type Factor, type LogDet, type Quantity } from "../ir/quantity.js";
import type { DistCall, Expr, FlowCallExpr } from "../ir/types.js";
import { ordersIn } from "../ir/autoregressive/several.js";
import { distributions } from "../ir/distributions.js";
import { distExprs } from "../ir/walk.js";
import { call, type Js, method, num, numbers, str } from "./js.js";
import { lowerDist, type LoweredDist, variableOf } from "./lower-dist.js";
import { flowImage, type Scope } from "./lower-expr.js";
import { capital } from "./names.js";
import { boundText } from "./mathtext.js";
import { place } from "./place.js";
import { reducePlate } from "./reduce-plate.js";
import { densityScope, type QuantityScope, termOf } from "./quantity-scope.js";
import { joinLeads, leadOf, type TensorValue, type Value } from "./values.js";

/** `latents`: variables of the density that the quantity itself gives a value. */
export function lowerFactor(scope: QuantityScope, factor: Factor, latents: ReadonlyMap<string, Value> = new Map()): TensorValue {
  const { shape } = variableOf(scope.context, factor.variable).domain;
  const masks = masksFor(scope, factor);
  const own = `${factor.density}.${factor.variable}`;
  const held = scope.fixed?.get(own);
  const outer = densityScope(held?.(scope) ?? scope, factor.at, undefined, factor.through);
  const inner = { ...outer, variable: (v: string) => latents.get(v) ?? outer.variable(v), ...(masks ? { masks } : {}) };
  const x = inner.variable(factor.variable);
  if (!x) throw new InternalError(`\`${factor.variable}\` is not in scope`);
  const dist = lowerDist(inner, factor.dist, shape.length);
  const fixed = held === undefined && scope.fixed?.has(own) === true;
  const params = fixed ? call("holdFixed", dist.params) : dist.params;
  const rank = shape.length - dist.eventRank;
  const { apart = [] } = factor;
  const summed = Array.from({ length: Math.max(0, rank) }, (_, i) => i - rank).filter((axis) => !apart.includes(axis));
  const logProbs = method(dist.object, "logProb", x.js, params);
  const each: TensorValue = {
    kind: "tensor",
    js: summed.length === 0 ? logProbs : call("sum", logProbs, numbers(summed)),
    shape: apart.flatMap((axis) => shape[rank + axis] ?? []),
    lead: joinLeads([leadOf(x), dist.lead]),
  };
  // p over several orders is the mean of what it is in each
  const ensemble = masks?.plate === undefined ? each : reducePlate(scope, each, masks.plate, "logMeanExp");
  if (masks?.plate !== undefined) scope.writer.dropPlate(masks.plate);
  const label = factorLabel(scope.context, factor);
  const key = `${label}|${place(factor.span)}|${x.js.kind === "name" ? x.js.name : ""}|${JSON.stringify(ensemble.js)}`;
  const bindAs = (value: TensorValue) => (): Value =>
    scope.writer.bind(factorName(factor), { ...value, js: termOf(scope, label, factor.span, value) });
  // what has weighed states and is a term of the objective too is evaluated once, and named then
  const { memo } = scope.writer;
  const logProb = (
    scope.enumerating
      ? (memo.get(`term|${key}`) ?? scope.writer.remember(key, bindAs(ensemble)))
      : scope.writer.remember(`term|${key}`, bindAs((memo.get(key) as TensorValue | undefined) ?? ensemble))
  ) as TensorValue;
  scope.onFactor?.(factor, { x, logProb, dist, inner });
  return logProb;
}

/** Which of several orders a factor's masked layers take: where a gradient is taken, one for all of a function; else all, along an axis. */
function masksFor(scope: QuantityScope, factor: Factor): Scope["masks"] {
  const orders = ordersIn(scope.context, distExprs(factor.dist));
  if (orders === 1) return undefined;
  if (!scope.training) {
    const { position, id } = scope.writer.addPlate(`orders#${scope.writer.statements.length}`, num(orders), String(orders));
    return { js: call("allMasks", num(orders), ...(position > 1 ? [num(position - 1)] : [])), plate: id };
  }
  if (!scope.key) throw new InternalError("an order is drawn where there is no key");
  const key = call("key.at", str("order of the step"));
  const choice: Value = { kind: "record", js: call("drawnMask", key, num(orders)), fields: new Map() };
  return { js: scope.writer.remember(`masks|${orders}`, () => scope.writer.bind("masks", choice, `one of ${orders} orders`)).js };
}

/** The log-determinants of a definition's flows. */
export function lowerLogDet(scope: QuantityScope, q: LogDet): TensorValue {
  const inner = densityScope(scope, q.at, undefined, q.through);
  const values = q.calls.map((c) => flowImage(inner, c, imageName(q, c)).logDet);
  const [first, ...rest] = values;
  if (!first) throw new InternalError("a log-determinant of no flow");
  const js = rest.reduce<Js>((total, v) => call("add", total, v.js), first.js);
  const label = logDetLabel(scope.context, q);
  const lead = joinLeads(values.map((v) => v.lead));
  return { ...first, js: termOf(scope, label, q.span, { js, lead }), lead };
}

/** What a flow gives is called after the variable that it gives. */
function imageName({ variable, through, calls }: LogDet, at: FlowCallExpr): string {
  const follows = [...(through ?? [])].find(([, value]) => value === at);
  if (follows) return follows[0];
  return calls.at(-1) === at && at.direction === "forward" ? variable : at.flow;
}

/** `log |det dz/dx|` */
function logDetLabel(context: DeriveContext, { density, variable, calls }: LogDet): string {
  const definition = densityOf(context, density).definitions.get(variable);
  const source = definition?.kind === "define" ? flowChain(context, definition.value)?.source : undefined;
  const forth = definition?.kind === "define" && calls[0]?.direction === lastDirection(context, definition.value);
  const [above, under] = forth ? [variable, source] : [source, variable];
  return `log |det d${above ?? "z"}/d${under ?? "x"}|`;
}

function lastDirection(context: DeriveContext, value: Expr): string | undefined {
  return flowChain(context, value)?.calls[0]?.direction;
}

export function lowerKl(scope: QuantityScope, q: Extract<Quantity, { kind: "kl" }>): TensorValue {
  const { shape } = variableOf(scope.context, q.q.variable).domain;
  const a = lowerDist(densityScope(scope, q.q.at), q.q.dist, shape.length);
  const b = lowerDist(densityScope(scope, q.p.at), q.p.dist, shape.length);
  // a function of vectors reduces them itself; of the axes before, it has those that a parameter has
  const entries = shape.length - Math.max(a.eventRank, b.eventRank);
  const seen = Math.min(entries, Math.max(axesOf(q.q.dist, a, shape.length - entries), axesOf(q.p.dist, b, shape.length - entries)));
  const repeated = shape.slice(0, entries - seen).reduce((n, d) => n * d.size, 1);
  const each = sumEvent(call(q.fn, a.params, b.params), seen);
  const js = repeated === 1 ? each : call("mul", each, num(repeated));
  const label = `KL(${conditionalText(scope.context, q.q)}, ${conditionalText(scope.context, q.p)})`;
  const lead = joinLeads([a.lead, b.lead]);
  const value: TensorValue = { kind: "tensor", js: termOf(scope, label, q.p.span, { js, lead }), shape: [], lead };
  return scope.writer.bind(`kl${capital(q.q.variable)}`, value) as TensorValue;
}

/** Axes of a distribution's parameters before those of one draw of `rank` axes. */
function axesOf({ dist }: DistCall, { own, eventRank }: LoweredDist, rank: number): number {
  const ranks = new Map(distributions.get(dist)?.parameters.flatMap((list) => list.map((p) => [p.runtime ?? p.name, p.rank])));
  const outer = own.map(({ name, value }) => value.shape.length - (ranks.get(name) ?? 0));
  return Math.max(0, ...outer.map((axes) => axes - (rank - eventRank)));
}

const sumEvent = (js: Js, rank: number): Js =>
  rank <= 0 ? js : call("sum", js, numbers(Array.from({ length: rank }, (_, i) => i - rank)));

/** `p(x | z)`, with the values that stand in place of its variables: `c(y | x = xf)` */
export function conditionalText(context: DeriveContext, factor: Factor): string {
  const parents = directParents(context, factor);
  return `${factor.density}(${slotText(context, factor, factor.variable)}${parents.length > 0 ? ` | ${parents.join(", ")}` : ""})`;
}

function directParents(context: DeriveContext, factor: Factor): readonly string[] {
  const index = densityOf(context, factor.density);
  const definition = index.definitions.get(factor.variable);
  if (!definition) return [];
  return inHeader(index, parentsOf(context, definition)).map((v) => (v === factor.variable ? `sum(${v})` : slotText(context, factor, v)));
}

function slotText(context: DeriveContext, { at }: Factor, variable: string): string {
  const value = at.get(variable);
  return value === undefined ? variable : boundText(context, variable, value);
}

function factorLabel(context: DeriveContext, factor: Factor): string {
  return `log ${conditionalText(context, factor)}`;
}

function factorName(factor: Factor): string {
  return `log${capital(factor.density)}${factor.variable}`;
}
