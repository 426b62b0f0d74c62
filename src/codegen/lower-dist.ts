/** Distributions at their parameters -> the runtime's object and a record of parameters. */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { stableParams } from "../ir/derive/stability.js";
import { distributions } from "../ir/distributions.js";
import type { DistCall, Variable } from "../ir/types.js";
import { call, type Js, type JsField, name, num, object, str } from "./js.js";
import { lowerExpr, type Scope } from "./lower-expr.js";
import { BATCH, hasLead, joinLeads, type Lead, tensorValue, type TensorValue } from "./values.js";

export interface LoweredParameter {
  readonly name: string;
  readonly js: Js;
  /** The same before it was aligned with the others. */
  readonly value: TensorValue;
}

/** A distribution at its parameters, as JavaScript. */
export interface LoweredDist {
  /** The runtime's object: `normal`, `mixture("Mixture", normal)`. */
  readonly object: Js;
  readonly params: Js;
  /** Each parameter that the object takes, with its value: those that were written, or what they are rewritten to. Without those of `of`. */
  readonly own: readonly LoweredParameter[];
  readonly lead: Lead;
  readonly eventRank: number;
  /** What a mixture mixes. */
  readonly of?: LoweredDist;
}

export function lowerDist(scope: Scope, dist: DistCall, eventRank: number): LoweredDist {
  const parts = lowerDistParts(scope, dist, eventRank, 0);
  return { ...parts, params: wholeRecord(parts.params) };
}

/** The same with its parameters as a record of their own, one field each. */
export function lowerDistRecord(scope: Scope, dist: DistCall, eventRank: number): LoweredDist {
  return lowerDistParts(scope, dist, eventRank, 0);
}

/** A mixture's weights stand beside `of`, the parameters of what it mixes, which have the components as one more axis. */
function lowerDistParts(scope: Scope, dist: DistCall, eventRank: number, more: number): LoweredDist {
  const info = distributions.get(dist.dist);
  if (!info) throw new InternalError(`no distribution ${dist.dist}`);
  const params = stableParams(scope.context, dist.dist, dist.params);
  const values = Object.entries(params).map(([p, e]) => [p, tensorValue(lowerExpr(scope, e))] as const);
  const ranks = new Map(info.parameters.flat().map((p) => [p.runtime ?? p.name, p.rank + more]));
  const own = values.map(([p, value]): LoweredParameter => ({
    name: p,
    js: scope.writer.shared(alignParameter(value, eventRank - info.eventRank + (ranks.get(p) ?? 0))),
    value,
  }));
  const fields = own.map(({ name: p, js }): JsField => ({ name: p, value: js }));
  const ownLead = joinLeads(own.map(({ value }) => value.lead));
  const { eventRank: rank } = info;
  if (!dist.of) return { object: name(info.runtime), params: object(fields), own, lead: ownLead, eventRank: rank };
  const inner = lowerDistParts(scope, dist.of, eventRank, 1);
  return {
    object: call("mixture", str(dist.dist), inner.object),
    params: object([...fields, { name: "of", value: inner.params }]),
    own,
    lead: joinLeads([ownLead, inner.lead]),
    eventRank: rank,
    of: inner,
  };
}

/** `{ loc: e.loc, scale: e.scale }` is `e`. */
function wholeRecord(params: Js): Js {
  if (params.kind !== "object" || params.fields.length < 2) return params;
  const targets = params.fields.map((f) =>
    f.value.kind === "member" && f.value.name === f.name && f.value.target.kind === "name" ? f.value.target.name : undefined,
  );
  const [first] = targets;
  return first !== undefined && targets.every((t) => t === first) ? name(first) : params;
}

/** A batched scalar parameter meets an event of higher rank. */
function alignParameter(value: TensorValue, rank: number): Js {
  let js = value.js;
  if (!hasLead(value.lead)) return js;
  for (let r = value.shape.length; r < rank; r++) js = call("expandDims", js, num(-(r + 1)));
  return js;
}

export function variableOf(context: DeriveContext, variable: string): Variable {
  const found = context.model.variables.get(variable);
  if (!found) throw new InternalError(`no variable ${variable}`);
  return found;
}

/** The value of a variable among those that a function takes as `given`: a row for each of the batch. */
export function givenValue(context: DeriveContext, variable: string): TensorValue {
  return {
    kind: "tensor",
    js: call("required", name("given"), str(variable)),
    shape: variableOf(context, variable).domain.shape,
    lead: BATCH,
  };
}
