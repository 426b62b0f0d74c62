/** Nets and densities -> functions: one per net; log p(x, z) and an ancestral sampler per density. */
import { ancestorsOf } from "../ir/derive/marginal.js";
import type { Sequential } from "../ir/autoregressive/prove.js";
import type { DerivedDensity, ExactInverse, ExactPosterior } from "../ir/derived-model.js";
import { flowChain } from "../ir/derive/flow-change.js";
import { type Definition, type DensityIndex, type DeriveContext, densityOf, variablesIn } from "../ir/derive/context.js";
import { givenTheirSum } from "../ir/derive/own-reads.js";
import { energyOf } from "../ir/derive/energy.js";
import { drawsNumbers } from "../ir/derive/contents.js";
import { exprsOf } from "../ir/quantity-walk.js";
import { ordersOfNet } from "../ir/autoregressive/several.js";
import { hasMean } from "../ir/derive/has-mean.js";
import { distributions } from "../ir/distributions.js";
import type { Density, Local, Net, Type } from "../ir/types.js";
import { array, arrow, call, type Js, type JsFunction, type JsParam, member, method, name, object, str } from "./js.js";
import { printFlat } from "./print-js.js";
import { orderLine } from "./order-text.js";
import { place } from "./place.js";
import { lowerExpr, netFunction, netNeeds, type Scope, modelScope, weightsAt } from "./lower-expr.js";
import { capital } from "./names.js";
import { sharersOf } from "./shared-nets.js";
import { givenValue, lowerDist, variableOf } from "./lower-dist.js";
import { lowerPosterior } from "./lower-gaussian.js";
import { lowerQuantity } from "./lower-quantity.js";
import type { QuantityScope } from "./quantity-scope.js";
import { variableSpec } from "./specs.js";
import { BATCH, FunctionWriter, type Names, tensorValue, type Value, valueOfType } from "./values.js";

/** TypeScript of the weights below a path: `Weights["decoder"]`. */
export function weightsType(path: string): string {
  return `Weights${
    path === ""
      ? ""
      : path
          .split(".")
          .map((p) => `[${JSON.stringify(p)}]`)
          .join("")
  }`;
}

export function typeText(type: Type): string {
  return type.kind === "tensor" ? "Tensor" : `{ ${type.fields.map((f) => `readonly ${f.name}: Tensor`).join("; ")} }`;
}

function shapeDoc(type: Type): string {
  if (type.kind === "record") return `{ ${type.fields.map((f) => `${f.name} ${shapeDoc(f.type)}`).join(", ")} }`;
  return `[${["...", ...type.shape.map((d) => String(d.size))].join(", ")}]`;
}

export function lowerNet(context: DeriveContext, net: Net, file: Names): JsFunction {
  const needs = netNeeds(context, net);
  const writer = new FunctionWriter(file, ["w", "key", "masks"], undefined);
  const params: JsParam[] = needs === "none" ? [] : [{ name: "w", type: needs === "own" ? weightsType(net.path) : "Weights" }];
  const locals = new Map<string, Value>();
  for (const p of net.params) {
    const id = writer.fresh(p.name);
    params.push({ name: id, type: typeText(p.type) });
    locals.set(p.id, valueOfType(name(id), p.type, BATCH));
  }
  if (net.random) params.push({ name: "key", type: "Key" });
  const orders = ordersOfNet(context, net);
  if (orders > 1) params.push({ name: "masks", type: "MaskChoice", optional: true });
  const scope: Scope = {
    context,
    writer,
    variable: () => undefined,
    local: (id) => locals.get(id),
    weights: weightsAt(needs === "own" ? net.path : ""),
    key: net.random ? name("key") : undefined,
    ...(orders > 1 ? { masks: { js: name("masks") } } : {}),
  };
  for (const b of net.body) locals.set(b.local.id, bindLocal(writer, b.local, lowerExpr(scope, b.value)));
  const result = lowerExpr(scope, net.result);
  const doc = [
    ...(net.doc === undefined ? [] : [...net.doc.split("\n"), ""]),
    `${net.name}(${net.params.map((p) => p.name).join(", ")})  ${place(net.span)}`,
    `${net.params.map((p) => `${p.name} ${shapeDoc(p.type)}`).join(", ")} -> ${shapeDoc(net.result.type)}`,
    ...(needs === "own" ? sharersDoc(net, sharersOf(context, net)) : []),
  ];
  return {
    name: netFunction(context, net),
    doc,
    params,
    returns: typeText(net.result.type),
    body: stripB(writer.finish(result.js, result.kind === "tensor" ? shapeDoc(net.result.type) : undefined)),
  };
}

/** Whose weights a function takes beside those of its own net. */
function sharersDoc(net: Net, sharers: readonly Net[]): readonly string[] {
  if (sharers.length === 0) return [];
  const paths = sharers.map((s) => s.path);
  const last = paths.at(-1) ?? "";
  return [`With the weights of ${net.path}, and of ${sharers.length < 3 ? paths.join(", ") : `${sharers.length} others up to ${last}`}.`];
}

/** Inside a net the leading axes are whatever the caller has. */
function stripB(body: JsFunction["body"]): JsFunction["body"] {
  return body.map((s) =>
    s.comment === undefined
      ? s
      : { ...s, comment: s.comment.replace(/^\[B(, )?/u, (_, comma: string | undefined) => `[...${comma ?? ""}`) },
  );
}

function bindLocal(writer: FunctionWriter, local: Local, value: Value): Value {
  return writer.bind(local.name, value);
}

function variableParams(
  context: DeriveContext,
  writer: FunctionWriter,
  names: readonly string[],
): { readonly params: readonly JsParam[]; readonly values: ReadonlyMap<string, Value> } {
  const values = new Map<string, Value>();
  const params = names.map((variable): JsParam => {
    const id = writer.fresh(variable);
    const { domain } = variableOf(context, variable);
    values.set(variable, { kind: "tensor", js: name(id), shape: domain.shape, lead: BATCH });
    return { name: id, type: "Tensor" };
  });
  return { params, values };
}

function eventDoc(context: DeriveContext, variable: string): string {
  return `${variable} [${["...", ...variableOf(context, variable).domain.shape.map((d) => String(d.size))].join(", ")}]`;
}

/** `logP(w, x, z)`: the log-density at given values; undefined where it has none (implicit, energy). */
export function lowerLogDensity(context: DeriveContext, density: Density, derived: DerivedDensity, file: Names): JsFunction | undefined {
  const { quantity, head } = derived;
  if (!quantity) return undefined;
  const writer = new FunctionWriter(file, ["w", "key"], undefined);
  const { params, values } = variableParams(context, writer, [...head, ...density.given]);
  const random = drawsNumbers(context, exprsOf(quantity));
  const scope: QuantityScope = {
    context,
    writer,
    variable: (v) => values.get(v),
    data: (v) => values.get(v),
    local: () => undefined,
    weights: weightsAt(""),
    key: random ? name("key") : undefined,
    training: false,
    plateSize: (plate) => ({ kind: "number", value: plate.count.size }),
  };
  const value = lowerQuantity(scope, quantity);
  return {
    name: `log${capital(density.name)}`,
    doc: [
      ...(density.doc === undefined ? [] : [...density.doc.split("\n"), ""]),
      `log ${headerText({ ...density, head })}  ${place(density.span)}`,
      ...(context.sequential.get(density.name) ?? []).map(orderLine),
      `${[...head, ...density.given].map((v) => eventDoc(context, v)).join(", ")} -> [...]`,
    ],
    params: [{ name: "w", type: "Weights" }, ...params, ...(random ? [{ name: "key", type: "Key" }] : [])],
    returns: "Tensor",
    body: stripB(writer.finish(value.js, "[...]")),
  };
}

export function headerText(density: Pick<Density, "name" | "head" | "given">): string {
  return `${density.name}(${density.head.join(", ")}${density.given.length > 0 ? ` | ${density.given.join(", ")}` : ""})`;
}

function bindParams(writer: FunctionWriter, variable: string, params: Js): Js {
  const bound = writer.bind(`${variable}Params`, { kind: "record", js: params, fields: new Map() });
  return bound.js;
}

/**
 * `sampleP(w, key, B, given)`: ancestral sampling, given variables clamped. The variables of an energy come in `given`, from a Markov
 * chain, variables that are drawn entry after entry from loops over these; undefined where these are all.
 */
export function lowerSampler(context: DeriveContext, density: Density, file: Names): JsFunction | undefined {
  const { definitions } = densityOf(context, density.name);
  const inOrder = inOrderOf(context, density);
  if ([...definitions.values()].every((d) => d.kind === "energy" || inOrder.includes(d.variable))) return undefined;
  return samplerOf(context, density, file, [...definitions]);
}

/** Variables that are drawn entry after entry. */
function inOrderOf(context: DeriveContext, density: Density): readonly string[] {
  return (context.sequential.get(density.name) ?? []).map((s) => s.variable);
}

/** `sampleBeforeP`: what the energy reads of the variables that are drawn before it; undefined where it reads none. */
export function lowerBeforeEnergy(context: DeriveContext, density: Density, file: Names): JsFunction | undefined {
  const { energy } = densityOf(context, density.name);
  if (!energy) return undefined;
  return samplerBefore(context, density, file, energyOf(context, density.name).reads, { of: `the energy of ${density.name}`, suffix: "" });
}

/** What a variable drawn entry after entry reads of those that are drawn before it; `suffix` ends the name. Undefined where it reads none. */
export function lowerBeforeEntries(
  context: DeriveContext,
  density: Density,
  file: Names,
  { variable, reads }: Sequential,
  suffix: string,
): JsFunction | undefined {
  return samplerBefore(context, density, file, reads, { of: variable, suffix });
}

interface Before {
  /** What is given the variables. */
  readonly of: string;
  readonly suffix: string;
}

function samplerBefore(
  context: DeriveContext,
  density: Density,
  file: Names,
  reads: readonly string[],
  before: Before,
): JsFunction | undefined {
  const index = densityOf(context, density.name);
  const needed = ancestorsOf(context, index, reads);
  const definitions = [...index.definitions].filter(([v]) => needed.has(v));
  const inOrder = inOrderOf(context, density);
  if (definitions.every(([v]) => inOrder.includes(v))) return undefined;
  return samplerOf(context, density, file, definitions, before);
}

function samplerOf(
  context: DeriveContext,
  density: Density,
  file: Names,
  definitions: readonly (readonly [variable: string, definition: Definition])[],
  before?: Before,
): JsFunction {
  const index = densityOf(context, density.name);
  const whole = before === undefined;
  const writer = new FunctionWriter(file, ["w", "key", "B", "given"], name("B"));
  const values = new Map<string, Value>();
  const scope = modelScope(context, writer, values, name("key"));
  const given = name("given");
  const sums = givenTheirSum(context, index);
  const inOrder = inOrderOf(context, density);
  for (const variable of density.given) values.set(variable, writer.bind(variable, givenValue(context, variable)));
  const heat = density.head.some((v) => context.model.variables.get(v)?.role === "data") ? temperatureOf(context, index, inOrder) : "none";
  const base: Record<string, Js> = {};
  const drawn: Record<string, Js> = {};
  const means: Record<string, Js> = {};
  for (const [variable, definition] of definitions) {
    const { shape } = variableOf(context, variable).domain;
    if (definition.kind === "energy" || inOrder.includes(variable)) {
      values.set(variable, writer.bind(variable, givenValue(context, variable)));
      drawn[variable] = jsOf(values, variable);
      continue;
    }
    const clamped = { kind: "member" as const, target: given, name: variable };
    if (definition.kind === "define") {
      const value = tensorValue(lowerExpr(scope, definition.value));
      const bound = writer.bind(variable, { ...value, js: { kind: "otherwise", value: clamped, fallback: value.js }, lead: BATCH });
      values.set(variable, bound);
      drawn[variable] = bound.js;
      continue;
    }
    const info = distributions.get(definition.dist.dist);
    const keepsSum = sums.includes(variable);
    if (keepsSum)
      values.set(variable, writer.bind(`given${capital(variable)}`, givenValue(context, variable), "the draw has the sum of these"));
    const lowered = lowerDist(scope, definition.dist, shape.length);
    const wantsMean = hasMean(definition.dist) && lowered.lead.batch;
    // Parameters that both the sample and the mean read are computed once.
    const tempered = heat === "all" && info?.tempered === true;
    const shared = (wantsMean || tempered) && printFlat(lowered.params).includes("(");
    const dist = shared ? { ...lowered, params: bindParams(writer, variable, lowered.params) } : lowered;
    const sample = method(dist.object, "sample", call("key.at", str(variable)), dist.params, writer.drawShape(BATCH, shape));
    const bound = writer.bind(variable, {
      kind: "tensor",
      js: keepsSum ? sample : { kind: "otherwise", value: clamped, fallback: sample },
      shape,
      lead: BATCH,
    });
    values.set(variable, bound);
    drawn[variable] = bound.js;
    if (wantsMean) means[variable] = method(dist.object, "mean", dist.params);
    if (tempered) base[variable] = method(dist.object, "mean", dist.params);
  }
  return {
    name: whole ? `sample${capital(density.name)}` : `sampleBefore${capital(density.name)}${before.suffix}`,
    doc: [
      whole
        ? `Draws ${headerText(density)}  ${place(density.span)}`
        : `Draws ${definitions.map(([v]) => v).join(", ")}, which ${before.of} is given  ${place(density.span)}`,
      "B rows, from the top of its body down; variables in `given` keep their values.",
      ...definitions.flatMap(([v]) => (inOrder.includes(v) ? [`${v} is drawn entry after entry before, and is among \`given\`.`] : [])),
      ...sums.map((v) => `${v} is drawn given its sum: that of ${v} in \`given\`.`),
    ],
    params: samplerParams,
    returns: "Draw",
    body: writer.finish(
      object({
        values: object(drawn),
        means: object(means),
        base: heat === "refused" || Object.keys(base).length > 0 ? object(base) : undefined,
      }),
      undefined,
    ),
  };
}

/**
 * Whether a temperature reaches the noise of a density: "none" without a flow, "refused" where some of what a flow maps, or is drawn above that, is
 * real and has none. Categories and counts are drawn as they are.
 */
function temperatureOf(context: DeriveContext, index: DensityIndex, inOrder: readonly string[]): "none" | "all" | "refused" {
  const sources = [...index.definitions.values()].flatMap((d) => (d.kind === "define" ? (flowChain(context, d.value)?.source ?? []) : []));
  if (sources.length === 0) return "none";
  const drawn = [...ancestorsOf(context, index, sources)].flatMap((v) => {
    const definition = index.definitions.get(v);
    return definition?.kind === "draw" && !inOrder.includes(v) ? [definition] : [];
  });
  const real = drawn.filter(({ variable }) => ["real", "positive", "unit", "simplex"].includes(variableOf(context, variable).domain.name));
  return real.every(({ dist }) => distributions.get(dist.dist)?.tempered === true) ? "all" : "refused";
}

/**
 * `inverseP(w, key, B, given)`: latents as the flow's inverse gives them from data, in the form of a sampler; classes beside them are drawn first, from
 * their posterior given those among them that are held. `apart`: of one latent, named after it.
 */
export function lowerInverse(
  context: DeriveContext,
  density: Density,
  { values: inverses, classes }: ExactInverse,
  file: Names,
  logDensity?: { readonly name: string; readonly variables: readonly string[] },
  apart = false,
): Inverse {
  const writer = new FunctionWriter(file, ["w", "key", "B", "given"], name("B"));
  const values = new Map<string, Value>();
  const scope = modelScope(context, writer, values, name("key"));
  const inverted = [...inverses.keys()].reverse();
  const head = [...classes, ...inverted];
  const weighed = classes.length === 0 ? [] : (logDensity?.variables ?? []);
  const read = new Set([...variablesIn(context, [...inverses.values()]), ...weighed]);
  const given = [...read].filter((v) => !inverses.has(v) && !classes.includes(v));
  for (const variable of given) values.set(variable, writer.bind(variable, givenValue(context, variable)));
  if (classes.length > 0 && logDensity) {
    const at = call(logDensity.name, name("w"), ...weighed.map((v) => call("required", name("at"), str(v))));
    const states = call(
      "drawStates",
      call("key.at", str(classes.join(", "))),
      object(Object.fromEntries(classes.map((v) => [v, variableSpec(variableOf(context, v).domain)]))),
      object(Object.fromEntries(given.map((v) => [v, jsOf(values, v)]))),
      arrow("(at)", at),
      name("given"),
    );
    const drawn = writer.bind("states", { kind: "record", js: states, fields: new Map() });
    for (const v of classes) {
      const { shape } = variableOf(context, v).domain;
      const js = call("required", drawn.js, str(v));
      values.set(v, writer.bind(v, { kind: "tensor", js, shape, lead: BATCH }));
    }
  }
  for (const [variable, value] of inverses) values.set(variable, writer.bind(variable, lowerExpr(scope, value)));
  const label = `${density.name}(${head.join(", ")} | ${given.join(", ")})`;
  const fn: JsFunction = {
    name: apart ? file.fresh(`inverse${capital(density.name)}Of${inverted.map(capital).join("")}`) : `inverse${capital(density.name)}`,
    doc: [
      ...(classes.length === 0
        ? [`${label}: what ${given.join(", ")} was made of, by the inverse of the flow  ${place(density.span)}`]
        : [
            `${label}: ${classes.join(", ")} by the posterior, over all states; then by the inverse of the flow there  ${place(density.span)}`,
            "Of these, what is in `given` keeps its values.",
          ]),
    ],
    params: samplerParams,
    returns: "Draw",
    body: writer.finish(
      object({ values: object(Object.fromEntries(head.map((v) => [v, jsOf(values, v)]))), means: object({}) }),
      undefined,
    ),
  };
  return { fn, head, given, label, exact: madeBy(context, density, inverses), mayHold: classes };
}

/** Variables of the header that flows make of what the inverses give: from that they come back as they were. */
function madeBy(context: DeriveContext, density: Density, inverses: ExactInverse["values"]): readonly string[] {
  const { definitions } = densityOf(context, density.name);
  return density.head.filter((v) => {
    const definition = definitions.get(v);
    const source = definition?.kind === "define" ? flowChain(context, definition.value)?.source : undefined;
    return source !== undefined && inverses.has(source);
  });
}

export interface Inverse {
  readonly fn: JsFunction;
  readonly head: readonly string[];
  readonly given: readonly string[];
  readonly label: string;
  /** Variables that come back as they were from what is inferred. */
  readonly exact?: readonly string[] | undefined;
  /** Variables of its head that may be among what it is given. */
  readonly mayHold?: readonly string[];
}

/** `posteriorP(w, key, B, given)`: normal latents given data, in the form of a sampler; `means` are those of the posterior. */
export function lowerExactPosterior(context: DeriveContext, { density, latents, given, factors }: ExactPosterior, file: Names): Inverse {
  const writer = new FunctionWriter(file, ["w", "key", "B", "given"], name("B"));
  const values = new Map<string, Value>();
  const scope = modelScope(context, writer, values, name("key"));
  for (const variable of given) values.set(variable, writer.bind(variable, givenValue(context, variable)));
  const posterior = lowerPosterior(scope, factors);
  const label = `${density}(${latents.join(", ")} | ${given.join(", ")})`;
  const sample = method(posterior.js, "sample", call("key.at", str(latents.join(", "))), array([name("B")]));
  const fn: JsFunction = {
    name: `posterior${capital(density)}`,
    doc: [
      `${label}: normal, since all that is drawn from ${latents.join(", ")} is normal with an affine location  ${place(densityOf(context, density).density.span)}`,
    ],
    params: samplerParams,
    returns: "Draw",
    body: writer.finish(object({ values: sample, means: member(posterior.js, "mean") }), undefined),
  };
  return { fn, head: latents, given, label };
}

const samplerParams: readonly JsParam[] = [
  { name: "w", type: "Weights" },
  { name: "key", type: "Key" },
  { name: "B", type: "Rows" },
  { name: "given", type: "Readonly<Record<string, Tensor>>" },
];

const jsOf = (values: ReadonlyMap<string, Value>, variable: string): Js => values.get(variable)?.js ?? name(variable);
