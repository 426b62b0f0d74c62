/**
 * Objective IR -> the statements of one function. Samples are drawn where they are first needed, what two terms share stands once,
 * every term is named with its `.gm` line so that metrics and faults can name it.
 */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { densityOf, inHeader, parentsOf, variablesIn } from "../ir/derive/context.js";
import { flowChain } from "../ir/derive/flow-change.js";
import { type DrawStep, exprsOfPosterior, type Factor, type LogDet, type Quantity, type Term } from "../ir/quantity.js";
import type { Dim, DistCall, Expr, FlowCallExpr } from "../ir/types.js";
import { ordersIn } from "../ir/autoregressive/several.js";
import { builtins } from "../ir/builtins.js";
import { distributions } from "../ir/distributions.js";
import { distExprs } from "../ir/walk.js";
import { below } from "../base/below.js";
import { textOf } from "../base/source.js";
import { call, type Js, method, num, numbers, str } from "./js.js";
import { lowerBuiltin } from "./lower-builtin.js";
import { lowerDist, type LoweredDist, lowerDistRecord, variableOf } from "./lower-dist.js";
import { energyDraws, lowerLogPartition, lowerMatching, lowerStart, lowerUnnormalised } from "./lower-energy.js";
import { flowImage, lowerExpr, lowerGrad, type Scope } from "./lower-expr.js";
import { gaussianDraws, lowerGaussianMarginal } from "./lower-gaussian.js";
import { quantityText } from "./mathtext.js";
import { fillIn, lowerByRow, weighKnown } from "./lower-missing.js";
import { type SampledRate, sampledRates } from "./sampled-rates.js";
import { learnsFromParameters, lowerSurrogate, replacedDraw } from "./lower-surrogate.js";
import { capital } from "./names.js";
import { place } from "./place.js";
import { bound, densityScope, type QuantityScope, termOf, siteOf } from "./quantity-scope.js";
import { variableSpec } from "./specs.js";
import { type FunctionWriter, joinLeads, type Lead, leadOf, NO_LEAD, tensorValue, type TensorValue, type Value } from "./values.js";

export function lowerQuantity(scope: QuantityScope, q: Quantity): TensorValue {
  switch (q.kind) {
    case "value":
      return namedValue(scope, q.expr);
    case "factor":
      return lowerFactor(scope, q);
    case "logDet":
      return lowerLogDet(scope, q);
    case "sum":
      return lowerSum(scope, q.terms);
    case "apply": {
      const args = q.args.map((a) => lowerQuantity(scope, a));
      return {
        kind: "tensor",
        js: lowerBuiltin(q.expr, args),
        shape: q.expr.type.kind === "tensor" ? q.expr.type.shape : [],
        lead: builtins.get(q.expr.fn)?.wholeBatch ? NO_LEAD : joinLeads(args.map((a) => a.lead)),
      };
    }
    case "grad":
      return tensorValue(lowerGrad(scope, q.expr, (inner) => lowerQuantity({ ...scope, ...inner, enumerating: true }, q.body)));
    case "kl":
      return lowerKl(scope, q);
    case "byRow":
      return lowerByRow(scope, q, lowerQuantity);
    case "expect":
      return lowerExpect(scope, q);
    case "enumerate":
      return lowerEnumerate(scope, q);
    case "gaussianMarginal":
      return lowerGaussianMarginal(scope, q, lowerFactor);
    case "unnormalised":
      return lowerUnnormalised(scope, q);
    case "logPartition":
      return lowerLogPartition(scope, q);
    case "matching":
      return lowerMatching(scope, q);
    // the latents are parameters of the function: what finds them stands beside it (emit-optimum.ts)
    case "optimum":
      return lowerQuantity(scope, q.body);
    case "reduce": {
      const body = scope.writer.bind(
        q.op === "logmeanexp" || q.op === "logsumexp" ? "logW" : "terms",
        lowerQuantity(scope, q.body),
      ) as TensorValue;
      const bound = q.op === "logmeanexp" ? scope.bounds?.get(q.plate) : undefined;
      const fn = { sum: "sum", mean: "mean", max: "reduceMax", min: "reduceMin", logsumexp: "logSumExp", logmeanexp: "logMeanExp" }[q.op];
      return reducePlate(scope, body, q.plate, fn, bound);
    }
  }
}

/** Reduces one plate; inner plates keep their places. */
function reducePlate(
  scope: QuantityScope,
  value: TensorValue,
  plate: string,
  fn: string,
  bound?: (logW: TensorValue, axis: number) => Js,
): TensorValue {
  if (!value.lead.plates.has(plate)) {
    if (fn === "sum") return { ...value, js: call("mul", value.js, scope.writer.plate(plate).size) };
    return value;
  }
  const axis = scope.writer.plateAxis(value.lead, plate);
  const plates = new Set([...value.lead.plates].filter((p) => p !== plate));
  const reduced = bound ? bound(value, axis) : call(fn, value.js, numbers([axis]));
  // An outer plate stays above the one that goes: its place becomes an axis of size 1.
  const outer = [...plates].some((p) => scope.writer.plate(p).position > scope.writer.plate(plate).position);
  return {
    ...value,
    js: outer ? call("expandDims", reduced, num(axis)) : reduced,
    lead: { batch: value.lead.batch || bound !== undefined, plates },
  };
}

// ---- sums of terms ------------------------------------------------------------------------------

function lowerSum(scope: QuantityScope, terms: readonly Term[]): TensorValue {
  if (terms.length === 0) return { kind: "tensor", js: num(0), shape: [], lead: NO_LEAD };
  const rates = sampledRates(scope.drawn, terms);
  const values = terms.flatMap((t) => {
    if (rates.some(({ own }) => own === t)) return [];
    const rate = rates.find(({ prior }) => prior === t);
    return [rate ? { term: rate.own, value: lowerRate(scope, rate) } : { term: t, value: lowerTerm(scope, t, terms.length === 1) }];
  });
  let total: TensorValue = { kind: "tensor", js: num(0), shape: [], lead: NO_LEAD };
  values.forEach(({ term, value }, i) => {
    const js =
      i === 0 ? scaled(value.js, term.scale) : call(term.scale < 0 ? "sub" : "add", total.js, scaled(value.js, Math.abs(term.scale)));
    total = { ...total, js, lead: joinLeads([total.lead, value.lead]) };
    // A long sum is written in several statements.
    if (i % TERMS === TERMS - 1 && i < values.length - 1) total = scope.writer.bind("total", total) as TensorValue;
  });
  return total;
}

/** Terms of one statement. */
const TERMS = 16;

/** log q - log p of a layer, with a name: a sample of its KL. */
function lowerRate(scope: QuantityScope, { prior, own }: SampledRate): TensorValue {
  const logP = lowerFactor(scope, prior.quantity);
  const logQ = lowerFactor(scope, own.quantity);
  const lead = joinLeads([logP.lead, logQ.lead]);
  const difference = call("sub", logQ.js, logP.js);
  const label = `KL(${conditionalText(scope.context, own.quantity)}, ${conditionalText(scope.context, prior.quantity)}), sampled`;
  const js = termOf(scope, label, prior.quantity.span, { js: difference, lead });
  const rate = scope.writer.bind(`kl${capital(own.quantity.variable)}`, { kind: "tensor", js, shape: [], lead }) as TensorValue;
  const factors = own.factors.map((f) => tensorValue(lowerExpr(scope, f)));
  return {
    ...rate,
    js: factors.reduceRight<Js>((inner, f) => call("mul", f.js, inner), rate.js),
    lead: joinLeads([lead, ...factors.map((f) => f.lead)]),
  };
}

/** A term's quantity times its non-constant factors. An expression beside other terms is a term of its own, with a metric. */
function lowerTerm(scope: QuantityScope, term: Term, alone: boolean): TensorValue {
  const { quantity } = term;
  const value = alone ? lowerQuantity(scope, quantity) : lowerPart(scope, quantity);
  const factors = term.factors.map((f) => tensorValue(lowerExpr(scope, f)));
  return {
    ...value,
    js: factors.reduceRight<Js>((js, f) => call("mul", f.js, js), value.js),
    lead: joinLeads([value.lead, ...factors.map((f) => f.lead)]),
  };
}

/**
 * One of several terms. An expectation of an expression, such as a critic's mean over the data, is measured by what it is after templates and names have
 * been put in: the two sides of a game. Log-densities in it have names of their own.
 */
function lowerPart(scope: QuantityScope, quantity: Quantity): TensorValue {
  if (quantity.kind === "value") return namedValue(scope, quantity.expr, true);
  if (quantity.kind !== "expect" || !isOfValues(quantity)) return lowerQuantity(scope, quantity);
  const value = lowerQuantity({ ...scope, unnamed: true }, quantity);
  // within a family of samples it is no quantity of its own
  const within = value.lead.plates.size > 0 ? { ...scope, enumerating: true } : scope;
  return { ...value, js: termOf(within, quantityText(scope.context, quantity), quantity.span, value) };
}

/** Draws and expressions alone. */
function isOfValues(quantity: Quantity): boolean {
  return quantity.kind === "value" || (quantity.kind === "expect" && quantity.plate === undefined && isOfValues(quantity.body));
}

function scaled(js: Js, scale: number): Js {
  return scale === 1 ? js : scale === -1 ? call("neg", js) : call("mul", num(scale), js);
}

// ---- factors ------------------------------------------------------------------------------------

/** `latents`: variables of the density that the quantity itself gives a value. */
export function lowerFactor(scope: QuantityScope, factor: Factor, latents: ReadonlyMap<string, Value> = new Map()): TensorValue {
  const { shape } = variableOf(scope.context, factor.variable).domain;
  const masks = masksFor(scope, factor);
  const outer = densityScope(scope, factor.at, undefined, factor.through);
  const inner = { ...outer, variable: (v: string) => latents.get(v) ?? outer.variable(v), ...(masks ? { masks } : {}) };
  const x = inner.variable(factor.variable);
  if (!x) throw new InternalError(`\`${factor.variable}\` is not in scope`);
  const dist = lowerDist(inner, factor.dist, shape.length);
  const fixed = scope.fixed?.has(`${factor.density}.${factor.variable}`) === true;
  const params = fixed ? call("holdFixed", dist.params) : dist.params;
  const each: TensorValue = {
    kind: "tensor",
    js: sumEvent(method(dist.object, "logProb", x.js, params), shape.length - dist.eventRank),
    shape: [],
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
function lowerLogDet(scope: QuantityScope, q: LogDet): TensorValue {
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

function lowerKl(scope: QuantityScope, q: Extract<Quantity, { kind: "kl" }>): TensorValue {
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
function axesOf({ dist }: DistCall, { values, eventRank }: LoweredDist, rank: number): number {
  const ranks = new Map(distributions.get(dist)?.parameters.flatMap((list) => list.map((p) => [p.runtime ?? p.name, p.rank])));
  const own = Object.entries(values).map(([name, value]) => value.shape.length - (ranks.get(name) ?? 0));
  return Math.max(0, ...own.map((axes) => axes - (rank - eventRank)));
}

// ---- draws --------------------------------------------------------------------------------------

function lowerExpect(outer: QuantityScope, q: Extract<Quantity, { kind: "expect" }>): TensorValue {
  const scope = q.surrogate ? { ...outer, memory: q.surrogate.memory } : outer;
  if (q.plate) scope.writer.addPlate(q.plate.id, scope.plateSize(q.plate), q.plate.count.text);
  const steps: Steps = { variables: new Map(), locals: new Map(), drawn: new Map() };
  q.steps.forEach((step, position) => bindStep(scope, steps, step, position, q.plate?.id));
  const around = new Set([...(scope.around ?? []), ...q.steps.flatMap((step) => sitesOf(scope, step))]);
  const drawn = new Set([...(scope.drawn ?? []), ...(q.plate ? [] : q.steps.flatMap(drawnFactor))]);
  const inner = { ...after(scope, steps, q.steps.length), around, drawn };
  const body = q.surrogate ? lowerSurrogate(inner, scope, q, q.surrogate, steps) : lowerQuantity(inner, q.body);
  if (!q.plate) return body;
  // What is left of the family outside any reduction is averaged: that is the expectation.
  const value = body.lead.plates.has(q.plate.id)
    ? reducePlate(scope, scope.writer.bind("terms", body) as TensorValue, q.plate.id, "mean")
    : body;
  scope.writer.dropPlate(q.plate.id);
  return value;
}

const drawnFactor = (step: DrawStep): readonly string[] =>
  step.kind === "factor" && !step.local ? [`${step.factor.density}.${step.factor.variable}`] : [];

/** The names under which a step draws. */
export function sitesOf(scope: QuantityScope, step: DrawStep): readonly string[] {
  switch (step.kind) {
    case "factor":
      return [siteOf(scope, step.local?.name ?? step.factor.variable)];
    case "distribution":
      return [siteOf(scope, step.local.name)];
    case "energy":
      return [step.density, ...step.variables.map((v) => v.local?.name ?? v.variable)].map((name) => siteOf(scope, name));
    case "gaussian":
      return [siteOf(scope, step.variables.map((v) => v.local?.name ?? v.variable).join(", "))];
    case "bind":
    case "data":
      return [];
  }
}

/** What the rows' chains start at, as a record: the draws around a log Z, without what is made of them. */
export function lowerBegin(scope: QuantityScope, q: Quantity): Js {
  if (q.kind === "logPartition") return lowerStart(scope, q);
  if (q.kind !== "expect") throw new InternalError(`no chain starts in a ${q.kind}`);
  const steps: Steps = { variables: new Map(), locals: new Map(), drawn: new Map() };
  q.steps.forEach((step, position) => bindStep(scope, steps, step, position, undefined));
  return lowerBegin(after(scope, steps, q.steps.length), q.body);
}

/** The draws of an `E`, each evaluated where it is first needed. */
export interface Steps {
  /** By the name of the variable, or the id of the local, that a draw binds. */
  readonly variables: Map<string, BoundStep>;
  readonly locals: Map<string, BoundStep>;
  /** By the name of the density's variable. */
  readonly drawn: Map<string, BoundStep>;
}

interface BoundStep {
  readonly position: number;
  readonly inputs: readonly Expr[];
  readonly isKnown: () => boolean;
  readonly value: () => Value;
}

/** The scope at a step: what the steps before it bind, then what is bound outside. */
export function after<S extends Scope>(scope: S, steps: Steps, position: number): S {
  const lookup =
    (own: ReadonlyMap<string, BoundStep>, outer: Scope["variable"]): Scope["variable"] =>
    (name) => {
      const step = own.get(name);
      return step && step.position < position ? step.value() : outer(name);
    };
  return { ...scope, variable: lookup(steps.variables, scope.variable), local: lookup(steps.locals, scope.local) };
}

function bindStep(scope: QuantityScope, steps: Steps, step: DrawStep, position: number, plate: string | undefined): void {
  const { context, writer } = scope;
  const before = after(scope, steps, position);
  const bind = (inputs: readonly Expr[], make: () => Value): BoundStep => {
    let value: Value | undefined;
    const self: BoundStep = {
      position,
      inputs,
      isKnown: () => value !== undefined,
      value: () =>
        (value ??= writer.nested("draw", (deep) => {
          // What a long chain of draws reads is drawn from its far end.
          if (deep) for (const earlier of below(self, (b) => undrawn(context, steps, b))) earlier.value();
          return make();
        })),
    };
    return self;
  };
  switch (step.kind) {
    case "factor": {
      const { factor, local } = step;
      const { shape } = variableOf(context, factor.variable).domain;
      const bound = bind(distExprs(factor.dist), () => {
        const inner = densityScope(before, factor.at, factor.variable);
        const drawn = drawFrom(before, inner, factor.dist, shape, local?.name ?? factor.variable, plate, step);
        return step.fills ? fillIn(scope, factor.variable, drawn) : drawn;
      });
      steps.drawn.set(factor.variable, bound);
      if (local) steps.locals.set(local.id, bound);
      else steps.variables.set(factor.variable, bound);
      return;
    }
    case "bind": {
      const local = step.at.get(step.variable);
      const wanted = local?.kind === "local" ? local.local.name : step.variable;
      const bound = bind([step.value], () => {
        const inner = densityScope(before, step.at);
        return step.value.kind === "flowCall"
          ? flowImage(inner, step.value, wanted).value
          : named(writer, wanted, lowerExpr(inner, step.value));
      });
      steps.drawn.set(step.variable, bound);
      if (local?.kind === "local") steps.locals.set(local.local.id, bound);
      else steps.variables.set(step.variable, bound);
      return;
    }
    case "data": {
      const bound = bind([], () => lowerRow(scope, step, plate));
      if (step.local) steps.locals.set(step.local.id, bound);
      else steps.variables.set(step.variable, bound);
      return;
    }
    case "energy":
    case "gaussian": {
      const draws = step.kind === "energy" ? energyDraws(before, step, plate) : gaussianDraws(before, step, plate);
      const inputs = step.kind === "energy" ? [...step.at.values()] : exprsOfPosterior(step.posterior);
      for (const { variable, local } of step.variables) {
        const drawn = bind(inputs, draws(variable));
        steps.drawn.set(variable, drawn);
        if (local) steps.locals.set(local.id, drawn);
        else steps.variables.set(variable, drawn);
      }
      return;
    }
    case "distribution":
      steps.locals.set(
        step.local.id,
        bind([], () => drawFrom(before, before, step.dist, step.type.shape, step.local.name, plate)),
      );
      return;
  }
}

/** A value under a name of its own, unless it has one. */
function named(writer: FunctionWriter, wanted: string, value: Value): Value {
  return value.js.kind === "name" || value.js.kind === "number" ? value : writer.bind(wanted, value);
}

/** A row of the data: of the batch, or of the batch moved on; a family of them along its plate. */
function lowerRow(scope: QuantityScope, step: Extract<DrawStep, { kind: "data" }>, plate: string | undefined): Value {
  const row = scope.data(step.variable);
  if (!row) throw new InternalError(`\`${step.variable}\` is no data of the objective`);
  if (step.family && plate !== undefined) {
    const { size, position } = scope.writer.plate(plate);
    const above = position > 1 ? [num(position)] : [];
    const value: Value = {
      ...tensorValue(row),
      lead: { plates: new Set([plate]), batch: true },
      js: call("rowFamily", row.js, num(step.shift), size, ...above),
    };
    return scope.writer.bind(step.local?.name ?? step.variable, value, "rows of the batch, each moved on by one more");
  }
  if (step.shift === 0) return row;
  const moved: Value = { ...tensorValue(row), js: call("rollRows", row.js, num(step.shift)) };
  return scope.writer.bind(step.local?.name ?? step.variable, moved, "other rows of the batch");
}

/** Steps that a step reads and that have no value yet. */
function undrawn(context: DeriveContext, steps: Steps, step: BoundStep): readonly BoundStep[] {
  return [...variablesIn(context, step.inputs)].flatMap((v) => {
    const read = steps.drawn.get(v);
    return read && !read.isKnown() ? [read] : [];
  });
}

function drawFrom(
  scope: QuantityScope,
  inner: Scope,
  dist: DistCall,
  shape: readonly Dim[],
  wanted: string,
  plate: string | undefined,
  step?: Extract<DrawStep, { kind: "factor" }>,
): Value {
  if (step && learnsFromParameters(step)) shareParameters(scope, lowerDistRecord(inner, dist, shape.length), wanted);
  const lowered = lowerDist(inner, dist, shape.length);
  const lead: Lead = { plates: new Set([...lowered.lead.plates, ...(plate === undefined ? [] : [plate])]), batch: true };
  if (!scope.key) throw new InternalError("a draw stands where there is no key");
  const key = call("key.at", str(siteOf(scope, wanted)));
  const whole = scope.writer.drawShape(lead, shape);
  const sample = method(lowered.object, "sample", key, lowered.params, whole);
  const js = (step && replacedDraw(scope, step, { lowered, sample, key, shape: whole })) ?? sample;
  return scope.writer.bind(wanted, { kind: "tensor", js, shape, lead });
}

/** One name for each parameter: the estimator takes gradients in it, of all that reads it. */
function shareParameters({ writer }: QuantityScope, { params, values }: LoweredDist, wanted: string): void {
  if (params.kind !== "object") return;
  for (const { name: parameter, value: js } of params.fields) {
    const value = values[parameter];
    if (value && js.kind !== "name" && js.kind !== "member" && js.kind !== "number")
      writer.share(`${parameter}${capital(wanted)}`, { ...value, js });
  }
}

function lowerEnumerate(scope: QuantityScope, q: Extract<Quantity, { kind: "enumerate" }>): TensorValue {
  const variable = variableOf(scope.context, q.variable);
  const plate = scope.writer.addPlate(`${q.variable}#${scope.writer.statements.length}`, num(q.states.size), q.states.text);
  const lead: Lead = { plates: new Set([plate.id]), batch: false };
  const states = scope.writer.bind(
    q.variable,
    {
      kind: "tensor",
      js: call(
        q.states.oneHot ? "allOneHot" : "allStates",
        variableSpec({ ...variable.domain, optional: false }),
        ...(plate.position > 1 ? [num(plate.position)] : []),
      ),
      shape: variable.domain.shape,
      lead,
    },
    `every value of ${q.variable}`,
  );
  // Bound under another name, the variable itself keeps what it means outside.
  const inner: QuantityScope = {
    ...scope,
    variable: q.local ? scope.variable : bound(scope.variable, q.variable, states),
    local: q.local ? bound(scope.local, q.local.id, states) : scope.local,
    ...(q.op === "logsumexp" && { outside: scope.outside ?? scope }),
  };
  let value: TensorValue;
  if (q.op === "expect") {
    if (!q.weight) throw new InternalError("an enumerated expectation without its weight");
    const lowered = lowerQuantity({ ...inner, enumerating: true }, q.weight);
    const logQ = q.weight.kind === "factor" ? lowered : (scope.writer.bind("logPosterior", lowered) as TensorValue);
    const probability: TensorValue = { ...logQ, js: call("exp", logQ.js) };
    const given = q.fills
      ? weighKnown(scope, q.variable, tensorValue(states), probability)
      : (scope.writer.bind(`weight${capital(q.variable)}`, probability) as TensorValue);
    const around = [...(scope.states ?? []), { plate: plate.id, weight: given }];
    const body = lowerQuantity({ ...inner, states: around }, q.body);
    const weighted: TensorValue = {
      kind: "tensor",
      js: call("mul", given.js, body.js),
      shape: [],
      lead: joinLeads([given.lead, body.lead]),
    };
    value = reducePlate(scope, weighted, plate.id, "sum");
  } else {
    const body = scope.writer.bind("logJoint", lowerQuantity({ ...inner, enumerating: true }, q.body)) as TensorValue;
    value = reducePlate(scope, body, plate.id, { logsumexp: "logSumExp", max: "reduceMax", min: "reduceMin" }[q.op]);
  }
  scope.writer.dropPlate(plate.id);
  return value;
}

// ---- names --------------------------------------------------------------------------------------

const sumEvent = (js: Js, rank: number): Js =>
  rank <= 0 ? js : call("sum", js, numbers(Array.from({ length: rank }, (_, i) => i - rank)));

/** A part of an objective with no density in it, called as it is written; `term` where it is a metric. Constants and bare names say all themselves. */
function namedValue(scope: QuantityScope, expr: Expr, term = false): TensorValue {
  const value = tensorValue(lowerExpr(scope, expr));
  // what a template of the standard library says is not to be found in the model
  if (scope.unnamed || !["builtin", "netCall", "layer"].includes(expr.kind) || expr.span.file.path.startsWith("std/")) return value;
  const text = textOf(expr.span).replace(/\s+/gu, " ");
  const label = text.length > 60 ? `${text.slice(0, 59)}…` : text;
  return { ...value, js: termOf(term ? scope : { ...scope, enumerating: true }, label, expr.span, value) };
}

/** `p(x | z)` */
function conditionalText(context: DeriveContext, factor: Factor): string {
  const parents = directParents(context, factor);
  return `${factor.density}(${factor.variable}${parents.length > 0 ? ` | ${parents.join(", ")}` : ""})`;
}

function directParents(context: DeriveContext, factor: Factor): readonly string[] {
  const index = densityOf(context, factor.density);
  const definition = index.definitions.get(factor.variable);
  if (!definition) return [];
  return inHeader(index, parentsOf(context, definition)).map((v) => (v === factor.variable ? `sum(${v})` : v));
}

function factorLabel(context: DeriveContext, factor: Factor): string {
  return `log ${conditionalText(context, factor)}`;
}

function factorName(factor: Factor): string {
  return `log${capital(factor.density)}${factor.variable}`;
}
