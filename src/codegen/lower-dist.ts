/** Distributions at their parameters -> the runtime's object and a record of parameters. */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { stableParams } from "../ir/derive/stability.js";
import { distributions } from "../ir/distributions.js";
import type { DistCall, Variable } from "../ir/types.js";
import { call, type Js, type JsField, name, num, object, str } from "./js.js";
import { lowerExpr, type Scope } from "./lower-expr.js";
import { BATCH, hasLead, joinLeads, type Lead, tensorValue, type TensorValue } from "./values.js";

/** A distribution at its parameters, as JavaScript. */
export interface LoweredDist {
  /** The runtime's object: `normal`, `mixture("Mixture", normal)`. */
  readonly object: Js;
  readonly params: Js;
  readonly values: Readonly<Record<string, TensorValue>>;
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

/** A mixture's parameters stand beside those of what it mixes, which have the components as one more axis; `of` keeps equal names apart. */
function lowerDistParts(scope: Scope, dist: DistCall, eventRank: number, more: number): LoweredDist {
  const info = distributions.get(dist.dist);
  if (!info) throw new InternalError(`no distribution ${dist.dist}`);
  const params = stableParams(scope.context, dist.dist, dist.params);
  const own = Object.entries(params).map(([p, e]) => [p, tensorValue(lowerExpr(scope, e))] as const);
  const ranks = new Map(info.parameters.flat().map((p) => [p.runtime ?? p.name, p.rank + more]));
  const fields = own.map(([p, v]): JsField => ({
    name: p,
    value: scope.writer.shared(alignParameter(v, eventRank - info.eventRank + (ranks.get(p) ?? 0))),
  }));
  const ownLead = joinLeads(own.map(([, v]) => v.lead));
  if (!dist.of)
    return {
      object: name(info.runtime),
      params: object(fields),
      values: Object.fromEntries(own),
      lead: ownLead,
      eventRank: info.eventRank,
    };
  const inner = lowerDistParts(scope, dist.of, eventRank, 1);
  const innerFields = inner.params.kind === "object" ? inner.params.fields : [];
  const collide = innerFields.some((f) => fields.some((g) => g.name === f.name));
  return {
    object: call("mixture", str(dist.dist), inner.object),
    params: object(collide ? [...fields, { name: "of", value: inner.params }] : [...fields, ...innerFields]),
    values: { ...inner.values, ...Object.fromEntries(own) },
    lead: joinLeads([ownLead, inner.lead]),
    eventRank: info.eventRank,
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
