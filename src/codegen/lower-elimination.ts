/**
 * Variable elimination -> statements: one message for each latent. Every latent has an axis while it is there; two that never stand in one table share
 * theirs, so a chain takes two axes however long it is.
 */
import { InternalError } from "../base/internal-error.js";
import type { Elimination, Term } from "../ir/quantity.js";
import { call, num, numbers } from "./js.js";
import { variableOf } from "./lower-dist.js";
import { capital } from "./names.js";
import { reducePlate } from "./reduce-plate.js";
import type { QuantityScope } from "./quantity-scope.js";
import { variableSpec } from "./specs.js";
import { joinLeads, type PlateAxis, type TensorValue, type Value } from "./values.js";

export function lowerElimination(
  scope: QuantityScope,
  q: Elimination,
  lowerTerm: (scope: QuantityScope, term: Term) => TensorValue,
): TensorValue {
  const { writer } = scope;
  const axes = axesOf(q, writer.freePosition());
  const states = new Map<string, Value>();
  const plates = new Map<string, PlateAxis>();
  const inner: QuantityScope = {
    ...scope,
    variable: (v) => states.get(v) ?? scope.variable(v),
    enumerating: true,
    ...(q.op === "logsumexp" && { outside: scope.outside ?? scope }),
  };
  const statesOf = new Map(q.steps.map((s) => [s.variable, s.states]));
  const enter = (name: string): void => {
    const of = statesOf.get(name);
    if (states.has(name) || !of) return;
    const { domain } = variableOf(scope.context, name);
    const position = axes.get(name) ?? 1;
    const plate = writer.addPlate(`${name}#${writer.statements.length}`, num(of.size), of.text, { position, states: true });
    const js = call(
      of.entries ? "entryStates" : of.oneHot ? "allOneHot" : "allStates",
      variableSpec({ ...domain, optional: false }),
      ...(position > 1 ? [num(position)] : []),
    );
    const lead = { plates: new Set([plate.id]), batch: false };
    plates.set(name, plate);
    states.set(
      name,
      writer.bind(name, { kind: "tensor", js, shape: domain.shape, lead }, `every value of ${of.entries ? `an entry of ${name}` : name}`),
    );
  };
  const reduce = { logsumexp: "logSumExp", expect: "logSumExp", max: "reduceMax", min: "reduceMin" }[q.op];
  const order = new Map(q.steps.map((s, i) => [s.variable, i]));
  /** Messages by the latent that takes them in. */
  const waiting = new Map<string, TensorValue[]>();
  const roots: TensorValue[] = [];
  /** Of an expectation, means of what is averaged, by the latent that takes them in: for each state of what a message is a table over. */
  const means = new Map<string, TensorValue[]>();
  const averages: TensorValue[] = [];
  for (const { variable, terms, values = [], neighbours } of q.steps) {
    for (const name of [variable, ...neighbours]) enter(name);
    const plate = plates.get(variable);
    if (!plate) throw new InternalError(`no states of ${variable}`);
    // what has fewer axes is added first
    const parts = [...(waiting.get(variable) ?? []), ...terms.map((t) => lowerTerm(inner, t))].sort(
      (a, b) => a.lead.plates.size - b.lead.plates.size,
    );
    const joint = writer.bind("logJoint", total(parts)) as TensorValue;
    const [next] = [...neighbours].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
    // entries meet where nothing that is still there has them
    const apart = neighbours.some((n) => statesOf.get(n)?.entries);
    const whole = (value: TensorValue): TensorValue => (apart ? value : sumEntries(value));
    const averaged = [...(means.get(variable) ?? []), ...values.map((t) => lowerTerm(inner, t))];
    const each = reducePlate(scope, joint, plate.id, reduce);
    const sum = averaged.length > 0 ? (writer.bind("logTotal", each) as TensorValue) : each;
    if (averaged.length > 0) {
      const weight = writer.bind(
        `weight${capital(variable)}`,
        { ...joint, js: call("exp", call("sub", joint.js, sum.js)) },
        `of the states of ${variable}${neighbours.length > 0 ? ` given ${neighbours.join(", ")}` : ""}`,
      ) as TensorValue;
      const mean = whole(reducePlate(scope, product(weight, total(averaged)), plate.id, "sum"));
      if (next === undefined) averages.push(mean);
      else means.set(next, [...(means.get(next) ?? []), writer.bind(`mean${capital(variable)}`, mean) as TensorValue]);
    }
    const reduced = whole(sum);
    writer.dropPlate(plate.id);
    if (next === undefined) roots.push(reduced);
    else {
      const value = writer.bind(`message${capital(variable)}`, reduced, `to ${next}`) as TensorValue;
      waiting.set(next, [...(waiting.get(next) ?? []), value]);
    }
  }
  return total(q.op === "expect" ? averages : roots);
}

function total(parts: readonly TensorValue[]): TensorValue {
  return parts.reduce((a, b) => ({ kind: "tensor", js: call("add", a.js, b.js), shape: a.shape, lead: joinLeads([a.lead, b.lead]) }));
}

function product(a: TensorValue, b: TensorValue): TensorValue {
  return { kind: "tensor", js: call("mul", a.js, b.js), shape: a.shape, lead: joinLeads([a.lead, b.lead]) };
}

function sumEntries(value: TensorValue): TensorValue {
  const axes = value.shape.map((_, i) => i - value.shape.length);
  return axes.length === 0 ? value : { ...value, js: call("sum", value.js, numbers(axes)), shape: [] };
}

/** A place for each latent, from `first` on, that none has which stands in a table with it: those that go last choose first. */
function axesOf({ steps }: Elimination, first: number): ReadonlyMap<string, number> {
  const axes = new Map<string, number>();
  for (const { variable, neighbours } of [...steps].reverse()) {
    const taken = new Set(neighbours.map((n) => axes.get(n)));
    let position = first;
    while (taken.has(position)) position++;
    axes.set(variable, position);
  }
  return axes;
}
