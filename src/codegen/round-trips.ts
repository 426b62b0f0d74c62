/**
 * Bijections that a model writes out in both directions, as the runtime tries them at the start of a training: each by itself, wherever in a flow
 * it stands, so that what else the flow is made of (noise, a step with one direction, statistics of a batch) has no part in it.
 */
import type { DeriveContext } from "../ir/derive/context.js";
import type { Dim, Flow, FlowStep, Local, ModelIr, OwnStep, TensorType } from "../ir/types.js";
import { array, arrow, call, type Js, name, num, numbers, object, str } from "./js.js";
import { type Scope, weightsAt } from "./lower-expr.js";
import { lowerOwn } from "./lower-flow.js";
import { place } from "./place.js";
import { BATCH, FunctionWriter, Names, type Value, valueOfType } from "./values.js";

/** The field `roundTrips` of the definition; undefined where there is nothing to try. */
export function roundTrips(context: DeriveContext, model: ModelIr): Js | undefined {
  const trips = model.flows.flatMap((flow) => ownSteps(flow.steps).map((step) => tripOf(context, flow, step)));
  // a step without weights that is repeated is tried once
  const distinct = new Map(trips.map((trip) => [JSON.stringify(trip), trip]));
  return distinct.size === 0 ? undefined : array([...distinct.values()]);
}

/** Those with an inverse, also where they act on a part of an image. */
function ownSteps(steps: readonly FlowStep[]): readonly OwnStep[] {
  return steps.flatMap((s) => {
    if (s.kind === "own") return s.inverse ? [s] : [];
    return s.kind === "bijection" ? ownSteps(s.inner?.steps ?? []) : [];
  });
}

function tripOf(context: DeriveContext, flow: Flow, step: OwnStep): Js {
  const conditions = flow.given.flatMap((p) => conditionsOf(p));
  const scope: Scope = {
    context,
    writer: new FunctionWriter(new Names([]), ["w", "given"], undefined),
    variable: () => undefined,
    local: (id) => valueOf(flow.given.find((p) => p.id === id)),
    weights: weightsAt(""),
    key: undefined,
  };
  return object({
    flow: str(flow.name),
    place: str(place(step.span)),
    from: sideOf(step.from),
    to: sideOf(step.to),
    given: conditions.length > 0 ? object(Object.fromEntries(conditions)) : undefined,
    bijector: arrow(conditions.length > 0 ? "({ w, given })" : "({ w })", lowerOwn(scope, step)),
  });
}

const sideOf = ({ shape, domain }: OwnStep["from"]): Js => object({ event: numbers(shape.map((d) => d.size)), domain: str(domain) });

/** The names and shapes of a condition: one, or one for each field of a record. */
function conditionsOf({ name: own, type }: Local): readonly (readonly [string, Js])[] {
  const sizes = (shape: readonly Dim[]): Js => numbers(shape.map((d) => d.size));
  return type.kind === "tensor" ? [[own, sizes(type.shape)]] : type.fields.map((f) => [`${own}.${f.name}`, sizes(f.type.shape)]);
}

function valueOf(condition: Local | undefined): Value | undefined {
  if (!condition) return undefined;
  const { name: own, type } = condition;
  const drawn = (label: string, { element }: TensorType): Js => {
    const real = call("required", name("given"), str(label));
    // labels 0 and 1, which every category but that of one class has
    return element === "real"
      ? real
      : element === "int"
        ? call("cast", call("mul", real, num(2)), str("i32"))
        : call("less", real, num(0.5));
  };
  const js =
    type.kind === "tensor"
      ? drawn(own, type)
      : object(Object.fromEntries(type.fields.map((f) => [f.name, drawn(`${own}.${f.name}`, f.type)])));
  return valueOfType(js, type, BATCH);
}
