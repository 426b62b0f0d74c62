/** Flows -> functions: each gives the bijector of its steps, in the direction from base to data. */
import type { DeriveContext } from "../ir/derive/context.js";
import { netOf } from "../ir/derive/context.js";
import { bijections, showSide } from "../ir/flows.js";
import type { BijectionStep, Conditioner, Flow, FlowStep, OwnStep } from "../ir/types.js";
import { InternalError } from "../base/internal-error.js";
import { array, arrow, call, type Js, type JsField, type JsFunction, type JsParam, name, num, numbers, object, str } from "./js.js";
import { flowFunction, flowJs, flowNeeds, literal, lowerExpr, netFunction, netNeeds, type Scope, weightsAt } from "./lower-expr.js";
import { typeText, weightsType } from "./lower-density.js";
import { place } from "./place.js";
import { BATCH, FunctionWriter, type Names, type Value, valueOfType } from "./values.js";

export function lowerFlow(context: DeriveContext, flow: Flow, file: Names): JsFunction {
  const needs = flowNeeds(context, flow);
  const writer = new FunctionWriter(file, ["w", "key"], undefined);
  const params: JsParam[] = needs === "none" ? [] : [{ name: "w", type: needs === "own" ? weightsType(flow.path) : "Weights" }];
  const locals = new Map<string, Value>();
  for (const p of flow.given) {
    const id = writer.fresh(p.name);
    params.push({ name: id, type: typeText(p.type) });
    locals.set(p.id, valueOfType(name(id), p.type, BATCH));
  }
  const scope: Scope = {
    context,
    writer,
    variable: () => undefined,
    local: (id) => locals.get(id),
    weights: weightsAt(needs === "own" ? flow.path : ""),
    key: flow.random ? name("key") : undefined,
  };
  if (flow.random) params.push({ name: "key", type: "Key" });
  const steps = flow.steps.map((step) => lowerStep(scope, step));
  const [only] = steps;
  const whole = steps.length === 1 && only ? only : call("chain", array(steps));
  const { forward, inverse } = flow.directions;
  const direction = { closed: "in closed form", sequential: "one pass for each entry", none: "not available" };
  const given = flow.given.length > 0 ? ` | ${flow.given.map((g) => g.name).join(", ")}` : "";
  return {
    name: flowFunction(context, flow),
    doc: [
      ...(flow.doc === undefined ? [] : [...flow.doc.split("\n"), ""]),
      `${flow.name}(z${given}) : ${showSide(flow.from)} -> ${showSide(flow.to)}  ${place(flow.span)}`,
      `From base to data: ${direction[forward]}; back: ${direction[inverse]}.`,
    ],
    params,
    returns: "Bijector",
    body: writer.finish(flow.given.length > 0 ? conditioned(flow, whole, locals) : whole, undefined),
  };
}

/** What the flow is given may have leading axes that the values lack. */
function conditioned(flow: Flow, whole: Js, locals: ReadonlyMap<string, Value>): Js {
  const on = flow.given.flatMap((g) => {
    const value = locals.get(g.id);
    const tensors = value?.kind === "record" ? [...value.fields.values()] : value ? [value] : [];
    return tensors.map((t) => array([t.js, num(t.shape.length)]));
  });
  const axes = numbers([flow.from.shape.length, flow.to.shape.length]);
  return call("conditioned", whole, object({ axes, on: array(on) }));
}

function lowerStep(scope: Scope, step: FlowStep): Js {
  if (step.kind === "flow") {
    const given = step.given.map((e) => lowerExpr(scope, e).js);
    return flowJs(scope, step.flow, given);
  }
  if (step.kind === "own") return lowerOwn(scope, step);
  const { instance, conditioner } = step;
  const entry = bijections.get(instance.bijection);
  if (!entry) throw new InternalError(`no bijection ${instance.bijection}`);
  const fields: JsField[] = [{ name: "event", value: numbers(step.from.shape.map((d) => d.size)) }];
  for (const [key, value] of Object.entries(instance.options)) fields.push({ name: key, value: literal(value) });
  if (entry.keyed) fields.push({ name: "key", value: call("key.at", str(instance.path.split(".").at(-1) ?? instance.bijection)) });
  if (step.noise !== undefined) {
    const x = scope.writer.parameter("x");
    fields.push({ name: "noise", value: arrow(`(${x})`, flowJs(scope, step.noise.flow, [name(x)])) });
    if (step.noise.base === "unit") fields.push({ name: "noiseFrom", value: str("uniform") });
  }
  if (step.inner) fields.push(...innerFields(scope, step, step.inner));
  const order = conditioner && scope.context.orders.get(conditioner.net)?.order;
  if (order !== undefined && order !== "natural") fields.push({ name: "order", value: literal(order) });
  if (conditioner) fields.push({ name: "net", value: conditionerJs(scope, conditioner) });
  const weights = instance.parameterCount > 0 ? [scope.weights(instance.path)] : [];
  return call(entry.runtime, ...weights, object(fields));
}

/** What a part of the input goes through, at the resolution of `inner`: its steps, then channels become space. */
function innerFields(scope: Scope, step: BijectionStep, inner: NonNullable<BijectionStep["inner"]>): readonly JsField[] {
  const below = inner.from.shape.map((d) => d.size);
  const factor = (step.from.shape[0]?.size ?? 1) / (below[0] ?? 1);
  const event: JsField = { name: "event", value: numbers(below) };
  const grows =
    factor === 1 ? [] : [call("squeezeFlow", object([event, ...(factor === 2 ? [] : [{ name: "factor", value: num(factor) }])]))];
  const parts = [...inner.steps.map((s) => lowerStep(scope, s)), ...grows];
  return [
    { name: "inner", value: call("chain", array(parts)) },
    { name: "innerEvent", value: numbers(below) },
  ];
}

/** A bijection that the model writes out: its functions, and the structure of its Jacobian. */
export function lowerOwn(scope: Scope, step: OwnStep): Js {
  const { jacobian } = step;
  const places = (list: readonly number[]): Js => numbers(list);
  const structure: Js = (() => {
    switch (jacobian.kind) {
      case "triangular":
        return object({
          kind: str("triangular"),
          levels: array(jacobian.levels.map((l) => object({ outputs: places(l.outputs), inputs: places(l.inputs) }))),
        });
      case "rankOne":
        return object({
          kind: str("rankOne"),
          scalar: conditionerJs(scope, jacobian.scalar, "z"),
          rest: conditionerJs(scope, jacobian.rest, "z", "s"),
        });
      case "linear":
        // conditions come row by row
        return object({
          kind: str("linear"),
          perRow: step.forward.given.length > 0 ? { kind: "boolean", value: true } : undefined,
        });
      default:
        return object({ kind: str(jacobian.kind) });
    }
  })();
  return call(
    "ownFlow",
    object({
      event: numbers(step.from.shape.map((d) => d.size)),
      forward: conditionerJs(scope, step.forward, "z"),
      inverse: step.inverse && conditionerJs(scope, step.inverse, "x"),
      jacobian: structure,
    }),
  );
}

/** `(t) => fCoupling1(w.coupling1, t, e)` */
function conditionerJs(scope: Scope, conditioner: Conditioner, ...inputs: readonly string[]): Js {
  const net = netOf(scope.context, conditioner.net);
  const needs = netNeeds(scope.context, net);
  const weights: Js[] = needs === "none" ? [] : [needs === "own" ? scope.weights(net.path) : scope.weights("")];
  const given = conditioner.given.map((e) => lowerExpr(scope, e).js);
  // a condition may be called as the input is
  const names = (inputs.length > 0 ? inputs : ["t"]).map((wanted) => scope.writer.parameter(wanted));
  return arrow(`(${names.join(", ")})`, call(netFunction(scope.context, net), ...weights, ...names.map(name), ...given));
}
