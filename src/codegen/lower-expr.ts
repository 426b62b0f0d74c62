/** Deterministic expressions of the model IR -> JavaScript over runtime tensors. */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { flowOf, netOf } from "../ir/derive/context.js";
import { inOrder } from "../ir/derive/walk-bindings.js";
import type { Binding, BuiltinExpr, Expr, Flow, FlowCallExpr, GradExpr, LayerInstance, LocalExpr, Net, NetCallExpr } from "../ir/types.js";
import type { Degrees } from "../ir/autoregressive/order.js";
import { ordersIn, ordersOfNet } from "../ir/autoregressive/several.js";
import { builtins } from "../ir/builtins.js";
import { bijectionsOf, flowsIn, netsIn } from "../ir/flows.js";
import type { Layer } from "../ir/layer-entry.js";
import { layers } from "../ir/layers.js";
import { childrenOf } from "../ir/walk.js";
import { leafOf } from "./leaves.js";
import { lowerBuiltin } from "./lower-builtin.js";
import { alignedArguments, repeatedResults } from "./mapped-calls.js";
import { isTaken } from "./reserved.js";
import { sampleOf, type SamplePlate } from "./sample-of.js";
import { paramsReadBy } from "./net-reads.js";
import { sharedNet } from "./shared-nets.js";
import { capital } from "./names.js";
import { array, call, type Js, type JsField, member, method, name, num, numbers, object, path, str } from "./js.js";
import {
  type FunctionWriter,
  joinLeads,
  type Lead,
  leadOf,
  memoKey,
  NO_LEAD,
  type RecordValue,
  tensorValue,
  type TensorValue,
  type Value,
  valueOfType,
} from "./values.js";

/** What names mean where an expression stands. */
export interface Scope {
  readonly context: DeriveContext;
  readonly writer: FunctionWriter;
  /** A variable's value; undefined where it is not in scope. */
  readonly variable: (variable: string) => Value | undefined;
  /** Within a sum over states of a density: the scope around it, in which `mu[c]` of `log p(x = mu[c])` was written, with another `c`. */
  readonly outside?: Scope;
  /** A local's value where it is known (net parameters, names bound by `E`); others are bindings, evaluated on demand. */
  readonly local: (id: string) => Value | undefined;
  /** Its weights are held fixed: what it binds is another value than elsewhere. */
  readonly held?: true;
  /** JavaScript of the weights at a path. */
  readonly weights: (path: string) => Js;
  /** The key for layers that draw (dropout), where the function has one. */
  readonly key: Js | undefined;
  /** Which of several orders masked layers take; without it, the first. `plate`: the leading axis that all of them side by side have. */
  readonly masks?: { readonly js: Js; readonly plate?: string };
  /** Indices of samples that run over a plate of their own, beside another index of the same family. */
  readonly samplePlates?: ReadonlyMap<string, SamplePlate>;
  /** The parameter that a schedule's scalar is, where the function has one. */
  readonly schedule?: (name: string) => Js | undefined;
}

export function lowerExpr(scope: Scope, expr: Expr): Value {
  switch (expr.kind) {
    case "number":
      return { kind: "tensor", js: num(expr.value), shape: [], lead: NO_LEAD };
    case "schedule":
      return { kind: "tensor", js: scope.schedule?.(expr.name) ?? name(expr.name), shape: [], lead: NO_LEAD };
    case "param":
      return valueOfType(scope.weights(expr.path), expr.type, NO_LEAD);
    case "variable": {
      const value = scope.variable(expr.variable);
      if (!value) throw new InternalError(`\`${expr.variable}\` is not in scope`);
      return sampleOf(scope, expr, value);
    }
    case "local":
      return sampleOf(scope, expr, lowerLocal(scope, expr));
    case "record": {
      const fields = expr.fields.map((f) => [f.name, tensorValue(lowerExpr(scope, f.value))] as const);
      return { kind: "record", js: object(Object.fromEntries(fields.map(([f, v]) => [f, v.js]))), fields: new Map(fields) };
    }
    case "field": {
      const target = lowerExpr(scope, expr.target);
      const field = target.kind === "record" ? target.fields.get(expr.field) : undefined;
      if (!field) throw new InternalError(`no field ${expr.field}`);
      return field;
    }
    case "builtin":
      return lowerBuiltinExpr(scope, expr);
    case "layer":
      return lowerLayer(
        scope,
        expr.instance,
        expr.args.map((a) => stepOf(scope, a)),
        expr,
      );
    case "netCall":
      return lowerNetCall(
        scope,
        netOf(scope.context, expr.net),
        expr.args.map((a) => lowerExpr(scope, a)),
        expr,
      );
    case "flowCall":
      return lowerFlowCall(scope, expr);
    case "grad":
      return lowerGrad(scope, expr, (inner) => tensorValue(lowerExpr(inner, expr.body)));
    case "logDensity":
    case "expectation":
    case "reduce":
    case "optimum":
      throw new InternalError(`${expr.kind} reached codegen underived`);
  }
}

/**
 * The gradient of a body in values that are given leaves of their own, so that what else reads them is not counted. Examples do not meet, so
 * the gradient of the sum over all rows and samples holds each one's own; a value that lacks axes of what the body reads is repeated along them
 * first.
 */
export function lowerGrad(scope: Scope, expr: GradExpr, bodyIn: (inner: Scope) => TensorValue): Value {
  const leaves = new Map<string, TensorValue>();
  for (const { local, value } of expr.locals) {
    const at = tensorValue(lowerExpr(scope, value));
    leaves.set(local.id, scope.writer.bind(local.name, leafOf(scope, expr, at)) as TensorValue);
  }
  const inner: Scope = { ...scope, local: (id) => leaves.get(id) ?? scope.local(id) };
  const body = bodyIn(inner);
  const value = body.js.kind === "name" ? body : (scope.writer.bind("value", body) as TensorValue);
  const gradients = expr.locals.map(({ local }): [string, TensorValue] => {
    const leaf = leaves.get(local.id);
    if (!leaf) throw new InternalError(`no leaf for ${local.name}`);
    return [local.name, { ...leaf, js: call("gradientIn", value.js, leaf.js) }];
  });
  const [only, ...more] = gradients;
  if (only && more.length === 0) return scope.writer.bind(`grad${capital(only[0])}`, only[1]);
  return { kind: "record", js: object(Object.fromEntries(gradients.map(([f, v]) => [f, v.js]))), fields: new Map(gradients) };
}

/** What goes into a layer: an earlier layer's output gets a name of its own, so that a chain reads one step a line. */
function stepOf(scope: Scope, expr: Expr): Value {
  const value = lowerExpr(scope, expr);
  return value.kind === "tensor" && containsLayer(expr) ? scope.writer.bind("h", value) : value;
}

function containsLayer(expr: Expr): boolean {
  return expr.kind === "layer" || (expr.kind === "builtin" && expr.args.some(containsLayer));
}

function lowerBuiltinExpr(scope: Scope, expr: BuiltinExpr): Value {
  const args = expr.args.map((a) => lowerExpr(scope, a));
  if (expr.type.kind !== "tensor") throw new InternalError(`builtin ${expr.fn} gives a record`);
  const js = lowerBuiltin(expr, args.map(tensorValue));
  const lead = builtins.get(expr.fn)?.wholeBatch ? NO_LEAD : joinLeads(args.map(leadOf));
  return { kind: "tensor", js, shape: expr.type.shape, lead };
}

function lowerLocal(scope: Scope, { local }: LocalExpr): Value {
  const known = scope.local(local.id);
  if (known) return known;
  const binding = scope.context.bindings.get(local.id);
  if (!binding) throw new InternalError(`no binding for ${local.name}`);
  return lowerBinding(scope, binding);
}

/** A binding is evaluated where it is first needed, under its own name, once for the values that it reads. */
function lowerBinding(scope: Scope, binding: Binding): Value {
  const { writer } = scope;
  return writer.remember(bindingKey(scope, binding), () =>
    writer.nested("binding", (deep) => {
      // What a long chain reads is evaluated from its far end.
      if (deep) for (const earlier of inOrder(scope.context, binding, (b) => isKnown(scope, b)).slice(0, -1)) lowerBinding(scope, earlier);
      const value = lowerExpr(scope, binding.value);
      const isName = value.js.kind === "name" || value.js.kind === "number" || value.js.kind === "member";
      return isName ? value : writer.bind(binding.local.name, value);
    }),
  );
}

function isKnown(scope: Scope, binding: Binding): boolean {
  return scope.local(binding.local.id) !== undefined || scope.writer.memo.has(bindingKey(scope, binding));
}

function bindingKey({ context, variable, masks, held }: Scope, { local, value }: Binding): string {
  const reads = [...(context.reads.get(local.id) ?? [])].map((v) => {
    const known = variable(v);
    return known ? memoKey(known) : v;
  });
  const masked = masks !== undefined && ordersIn(context, [value]) > 1 ? `|${JSON.stringify(masks)}` : "";
  return `${local.id}(${reads.join(",")})${masked}${held ? "|held" : ""}`;
}

/** The argument that says which of several orders is taken, and the leading axis that comes of it. */
function masksOf(scope: Scope, orders: number): { readonly args: readonly Js[]; readonly leads: readonly Lead[] } {
  const { masks } = scope;
  if (orders === 1 || !masks) return { args: [], leads: [] };
  return { args: [masks.js], leads: masks.plate === undefined ? [] : [{ plates: new Set([masks.plate]), batch: false }] };
}

function lowerLayer(scope: Scope, instance: LayerInstance, args: readonly Value[], expr: Expr): Value {
  const layer = layers.get(instance.layer);
  if (!layer) throw new InternalError(`no layer ${instance.layer}`);
  const inputs = args.map((a) => a.js);
  const key = layer.keyed ? [keyOf(scope, instance.path.split(".").at(-1) ?? layer.name, joinLeads(args.map(leadOf)))] : [];
  const first = layer.weightless ? key : [...key, scope.weights(instance.path)];
  const masks = masksOf(scope, instance.masking?.orders ?? 1);
  const js = call(
    layer.runtime,
    ...first,
    ...inputs,
    ...(layer.weightless ? instance.spec.map(literal) : []),
    ...layerOptions(scope.context, instance, "apply"),
    ...masks.args,
  );
  return valueOfType(js, expr.type, joinLeads([...args.map(leadOf), ...masks.leads]));
}

/** The value alone; where its log-determinant is wanted too, both come from one image. */
function lowerFlowCall(scope: Scope, expr: FlowCallExpr): Value {
  const { js, lead } = imageOf(scope, expr);
  const known = scope.writer.memo.get(imageKey(js));
  return valueOfType(member(known ? known.js : js, "value"), expr.type, lead);
}

/** `const z = f(w.f).inverse(x)`, bound once: its value and its log-determinant, which has the leading axes alone. */
export function flowImage(scope: Scope, expr: FlowCallExpr, wanted: string): { readonly value: TensorValue; readonly logDet: TensorValue } {
  const { js, lead } = imageOf(scope, expr);
  const shape = expr.type.kind === "tensor" ? expr.type.shape : [];
  const fields = (image: Js): RecordValue["fields"] =>
    new Map([
      ["value", { kind: "tensor", js: member(image, "value"), shape, lead }],
      ["logDet", { kind: "tensor", js: member(image, "logDet"), shape: [], lead }],
    ]);
  const image = scope.writer.remember(imageKey(js), () => {
    const text = scope.writer.shapeText({ kind: "tensor", js, shape, lead });
    return scope.writer.bind(
      wanted,
      { kind: "record", js, fields: fields(js) },
      `value ${text}, logDet ${scope.writer.shapeText({ kind: "tensor", js, shape: [], lead })}`,
    );
  });
  const [value, logDet] = image.kind === "record" ? [image.fields.get("value"), image.fields.get("logDet")] : [];
  if (!value || !logDet) throw new InternalError("the image of a flow is a record");
  return { value, logDet };
}

const imageKey = (js: Js): string => `image|${JSON.stringify(js)}`;

function imageOf(scope: Scope, expr: FlowCallExpr): { readonly js: Js; readonly lead: Lead } {
  const arg = lowerExpr(scope, expr.arg);
  const given = expr.given.map((e) => lowerExpr(scope, e));
  const bijector = flowJs(
    scope,
    expr.flow,
    given.map((v) => v.js),
  );
  return { js: method(bijector, expr.direction, arg.js), lead: joinLeads([leadOf(arg), ...given.map(leadOf)]) };
}

/** `f(w.f, e)`: the bijector, as the function of that name makes it. */
export function flowJs(scope: Pick<Scope, "context" | "weights"> & Partial<Pick<Scope, "key">>, flow: string, given: readonly Js[]): Js {
  const found = flowOf(scope.context, flow);
  const needs = flowNeeds(scope.context, found);
  const first: Js[] = needs === "none" ? [] : [needs === "own" ? scope.weights(found.path) : scope.weights("")];
  const key = found.random ? [call(`${keyText(scope)}.at`, { kind: "string", value: found.name })] : [];
  return call(flowFunction(scope.context, found), ...first, ...given, ...key);
}

/** The name of a flow's function in the generated file. */
export function flowFunction(context: DeriveContext, flow: Flow): string {
  return isTaken(context.model, flow.name) ? `${flow.name}Flow` : flow.name;
}

/** What weights a flow's function takes, as a net's. */
export function flowNeeds(context: DeriveContext, flow: Flow): NetNeeds {
  let own = false;
  if (flowsIn(flow.steps).some((name) => flowNeeds(context, flowOf(context, name)) !== "none")) return "model";
  own = bijectionsOf(flow.steps).some((step) => step.instance.parameterCount > 0);
  for (const name of netsIn(flow.steps)) {
    const needs = netNeeds(context, netOf(context, name));
    if (needs === "model") return "model";
    own ||= needs === "own";
  }
  return own ? "own" : "none";
}

/** The rule by which a layer is masked, where the analysis of orders has decided one. */
function maskOf(context: DeriveContext, instance: LayerInstance): readonly JsField[] {
  const rule = context.masks.get(instance.path);
  if (!rule) return [];
  return [
    { name: "from", value: degreesJs(rule.from) },
    { name: "to", value: degreesJs(rule.to) },
    { name: "strict", value: { kind: "boolean", value: rule.strict } },
  ];
}

function degreesJs(degrees: Degrees): Js {
  if (degrees.kind === "joined") return object({ kind: str(degrees.kind), parts: array(degrees.parts.map(degreesJs)) });
  return object(
    Object.fromEntries(
      Object.entries(degrees).map(([key, value]) => [key, literal(value as number | boolean | string | readonly number[])]),
    ),
  );
}

const SPEC_OPTIONS = { takes: ["bias", "groups", "start", "spectral"], alone: ["bias", "start", "spectral"] } as const;

/** The start of a layer is the initialiser of that name. */
function optionField([key, value]: readonly [string, LayerInstance["options"][string]]): JsField {
  return key === "start" ? { name: "init", value: member(name("init"), String(value)) } : { name: key, value: literal(value) };
}

/** A bias, a start and a norm are matters of which weights there are; everything else is one of how they are applied, and some of both, as a mask is. */
export function layerOptions(context: DeriveContext, instance: LayerInstance, use: "spec" | "apply"): readonly Js[] {
  const { takes, alone }: NonNullable<Layer["specOptions"]> = layers.get(instance.layer)?.specOptions ?? SPEC_OPTIONS;
  const wanted = Object.entries(instance.options).filter(([o]) => (use === "spec" ? takes.includes(o) : !alone.includes(o)));
  const fields = [...maskOf(context, instance), ...wanted.map(optionField)];
  return fields.length === 0 ? [] : [object(fields)];
}

function lowerNetCall(scope: Scope, net: Net, given: readonly Value[], expr: NetCallExpr): Value {
  const args = alignedArguments(net, given, expr);
  const masks = masksOf(scope, ordersOfNet(scope.context, net));
  const lead = joinLeads([...args.map(leadOf), ...masks.leads]);
  const weights = netNeeds(scope.context, net);
  const first: Js[] = weights === "none" ? [] : [weights === "own" ? scope.weights(net.path) : scope.weights("")];
  const key = net.random ? [keyOf(scope, net.name, lead)] : [];
  const js = call(netFunction(scope.context, net), ...first, ...args.map((a) => a.js), ...key, ...masks.args);
  const leadOfResult = (field?: string): Lead =>
    joinLeads([...[...paramsReadBy(scope.context, net, field)].flatMap((i) => (args[i] ? [leadOf(args[i])] : [])), ...masks.leads]);
  return repeatedResults(scope, net, valueOfType(js, expr.type, leadOfResult), expr);
}

/** The name of a net's function in the generated file, which it may share. */
export function netFunction(context: DeriveContext, net: Net): string {
  const { name: own } = sharedNet(context, net);
  return isTaken(context.model, own) ? `${own}Net` : own;
}

/** What weights a net's function takes: none, those under its own path, or the model's (where it reads params or weights elsewhere). */
export type NetNeeds = "none" | "own" | "model";

const known = new WeakMap<Net, NetNeeds>();

export function netNeeds(context: DeriveContext, net: Net): NetNeeds {
  const needs = known.get(net) ?? findNeeds(context, net);
  known.set(net, needs);
  return needs;
}

function findNeeds(context: DeriveContext, net: Net): NetNeeds {
  let own = false;
  let model = false;
  const seen = new Set<string>();
  const visit = (n: Net): void => {
    if (model || seen.has(n.name)) return;
    seen.add(n.name);
    const at = (p: string): void => {
      if (p === net.path || p.startsWith(`${net.path}.`)) own = true;
      else model = true;
    };
    const look = (e: Expr): void => {
      if (e.kind === "param") model = true;
      if (e.kind === "layer" && hasWeights(e.instance)) at(e.instance.path);
      if (e.kind === "netCall") visit(netOf(context, e.net));
      if (e.kind === "flowCall") model = true;
      for (const child of childrenOf(e)) look(child);
    };
    for (const b of n.body) look(b.value);
    look(n.result);
  };
  visit(net);
  return model ? "model" : own ? "own" : "none";
}

export function literal(value: number | boolean | string | readonly number[]): Js {
  switch (typeof value) {
    case "number":
      return num(value);
    case "boolean":
      return { kind: "boolean", value };
    case "string":
      return { kind: "string", value };
    default:
      return { kind: "array", items: value.map(num) };
  }
}

/** The key of a part; at the states of a sum, one that all of a row's states share: it is one network that they are put into. */
function keyOf(scope: Scope, site: string, lead: Lead): Js {
  const key = call(`${keyText(scope)}.at`, str(site));
  const positions = scope.writer.statePositions(lead);
  return positions.length === 0 ? key : method(key, "alikeAlong", numbers(positions));
}

function keyText(scope: Partial<Pick<Scope, "key">>): string {
  if (!scope.key) throw new InternalError("random numbers are drawn where there is no key");
  return jsText(scope.key);
}

/** Whether a layer has entries in the weights tree. */
export function hasWeights(instance: LayerInstance): boolean {
  return layers.get(instance.layer)?.weightless !== true;
}

/** Names and members as the text of a callee. */
function jsText(js: Js): string {
  if (js.kind === "name") return js.name;
  if (js.kind === "member") return `${jsText(js.target)}.${js.name}`;
  throw new InternalError("not a callee");
}

/** The scope of a function over the whole model's weights, whose variables are `values`, then or later. */
export function modelScope(context: DeriveContext, writer: FunctionWriter, values: ReadonlyMap<string, Value>, key: Js | undefined): Scope {
  return { context, writer, variable: (v) => values.get(v), local: () => undefined, weights: weightsAt(""), key };
}

/** `w.decoder.dense1`, relative to what the function's `w` stands for. */
export function weightsAt(root: string): (path: string) => Js {
  return (full) => {
    if (root === "") return full === "" ? name("w") : path("w", full);
    if (full === root) return name("w");
    if (full.startsWith(`${root}.`)) return path("w", full.slice(root.length + 1));
    throw new InternalError(`weights ${full} do not lie under ${root}`);
  };
}
