/**
 * The chain of a flow, `repeat(4) { coupling(mlp([64])) |> reverse } |> sigmoid`: steps in the direction from base to data, each with the
 * domain and shape on either side. A flow of a file or of the library is spelled out in place, its weights below a name of its own.
 */
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { type Actual, actualsOf, bindArguments } from "./arguments.js";
import { attributed } from "./attribution.js";
import { builtins, type OptionSpec } from "./builtins.js";
import { appendOwn } from "./flow-own.js";
import { conditionerOf, conditionOf } from "./flow-conditioner.js";
import { sizes } from "./flow-onto.js";
import { type Bijection, bijections, sameSide, showSide } from "./flows.js";
import { adoptWeights, type Env, freshId, newOwner, newPlace, within } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { flowOf, givenOf } from "./flow-call.js";
import { layers } from "./layers.js";
import { readOptions } from "./options.js";
import { describe, type Entity, Scope } from "./scope.js";
import { maxElements, sameShape, tensor } from "./shapes.js";
import { evaluateStatic, requireInteger } from "./static.js";
import { elaborateDomain } from "./declare.js";
import { reportUnknownName } from "./unknown.js";
import type { BijectionInstance, BijectionStep, Expr, FlowStep, Local, Side } from "./types.js";

export type FlowEntity = Extract<Entity, { kind: "flow" }>;

/** Where a chain is being read: its steps so far, and what stands on their right side. */
export interface Chain {
  readonly steps: FlowStep[];
  side: Side;
}

/** No flow has more steps. */
const maxSteps = 2_000;

/** Appends the steps of an expression; false after an error has been reported. */
function appendSteps(env: Env, expr: ast.Expr, chain: Chain): boolean {
  if (chain.steps.length > maxSteps) {
    report(env.cx.diagnostics, "GM2023", expr.span, { problem: `the flow has more than ${maxSteps} steps` });
    return false;
  }
  switch (expr.kind) {
    case "pipe":
      return appendSteps(env, expr.left, chain) && appendSteps(env, expr.right, chain);
    case "name":
      return appendCall(env, expr, { actuals: [], given: undefined, span: expr.span }, chain);
    case "call":
      if (expr.callee.kind === "name")
        return appendCall(env, expr.callee, { actuals: actualsOf(expr.args), given: expr.given, span: expr.span }, chain);
      break;
    case "blockCall":
      return appendRepeated(env, expr, chain);
  }
  const backwards = expr.kind === "call" && expr.callee.kind === "field" && expr.callee.field.name === "inverse";
  const help = backwards
    ? ["a step leads from z to x: write a flow with the two directions exchanged, or apply `.inverse` to a value"]
    : [];
  return noBijection(env, expr.span, textOf(expr.span), "not a bijection", help);
}

function noBijection(env: Env, span: Span, name: string, what: string, help: readonly string[]): false {
  const known = ["a flow is made of bijections, `coupling(net) |> reverse`, and of other flows"];
  report(env.cx.diagnostics, "GM2071", span, { name, what }, { help: help.length > 0 ? help : known });
  return false;
}

function appendRepeated(env: Env, block: ast.BlockCallExpr, chain: Chain): boolean {
  const callee = block.call.callee;
  const name = callee.kind === "name" ? callee.name : callee.field.name;
  if (name !== "repeat") {
    report(env.cx.diagnostics, "GM2029", callee.span, { name, what: "block" }, { help: ["`repeat(n) { … }` applies a chain n times"] });
    return false;
  }
  const signature = { what: "`repeat`", params: [{ name: "times", required: true }] };
  const actual = bindArguments(env.cx, signature, actualsOf(block.call.args), block.call.span)?.byName.get("times");
  const times = actual?.kind === "ast" ? requireInteger(env, actual.value, "the number of repetitions", 0, maxSteps) : undefined;
  if (times === undefined) return false;
  for (let i = 0; i < times.value; i++) if (!appendSteps(env, block.body, chain)) return false;
  return true;
}

/** What a step is written with: `f(a, b | e)`. */
interface StepCall {
  readonly actuals: readonly Actual[];
  readonly given: readonly ast.Arg[] | undefined;
  readonly span: Span;
}

function appendCall(env: Env, callee: ast.NameExpr, step: StepCall, chain: Chain): boolean {
  const { actuals, span } = step;
  const entity = env.scope.find(callee.name);
  if (entity?.kind === "poison") return false;
  if (entity?.kind === "flow") return entity.template ? appendTemplate(env, entity, step, chain) : appendFlow(env, entity, step, chain);
  if (entity?.kind === "block" && actuals.length === 0) {
    const inner: Env = { ...entity.env, owner: env.owner, site: env.site };
    return appendSteps(inner, entity.ast, chain);
  }
  const bijection = entity ? undefined : bijections.get(callee.name);
  if (bijection) return appendBijection(env, bijection, actuals, chain, span);
  if (entity) return noBijection(env, callee.span, callee.name, describe(entity), hidesHelp(callee.name));
  const what = layers.has(callee.name) ? "a layer" : builtins.has(callee.name) ? "a function that no flow can invert" : "no bijection";
  const flows = [...env.scope.visible((e) => e.kind === "flow"), ...bijections.keys()];
  return noBijection(env, callee.span, callee.name, what, what === "no bijection" ? didYouMeanHelp(callee.name, flows) : layerHelp(what));
}

const hidesHelp = (name: string): readonly string[] =>
  bijections.has(name) ? [`it hides the bijection \`${name}\`: give one of them another name`] : [];

const layerHelp = (what: string): readonly string[] =>
  what === "a layer" ? ["a net stands inside a bijection, which keeps part of its input: `coupling(mlp([64, 64]))`"] : [];

/** Values of a step's conditions: the same in both directions. */
function conditionsOf(env: Env, { decl }: FlowEntity, { actuals, given, span }: StepCall): readonly Expr[] | undefined {
  const values = givenOf(env, decl, given, span, { actuals });
  if (!values || !env.owner.random) return values;
  const what = `a condition of \`${decl.name.name}\``;
  report(
    env.cx.diagnostics,
    "GM2080",
    span,
    { what },
    { help: ["leave `dropout` out of it, or draw it in the density: `x = f(z | dropout(y, 0.5))`"] },
  );
  return undefined;
}

/** A flow of the model as a step of another: its one instance. */
function appendFlow(env: Env, entity: FlowEntity, { actuals, given, span }: StepCall, chain: Chain): boolean {
  const [first] = actuals;
  if (first) {
    const name = entity.decl.name.name;
    const wanted = entity.decl.given.map((g) => g.name.name).join(", ");
    const help = [`a step is handed what the step before gives: \`${wanted === "" ? name : `${name}(| ${wanted})`}\``];
    report(env.cx.diagnostics, "GM2025", first.span, { what: `\`${name}\``, most: 0, given: actuals.length }, { help });
    return false;
  }
  const values = conditionsOf(env, entity, { actuals, given, span });
  const flow = values && flowOf(env, entity, values, chain.side, span);
  if (!flow || !values || !fits(env, `\`${flow.name}\``, flow.from, chain.side, span, entity.decl)) return false;
  const conditions = values.map((value) => conditionOf(env, flow.name, value));
  chain.steps.push({ kind: "flow", flow: flow.name, given: conditions, from: flow.from, to: flow.to, span });
  chain.side = flow.to;
  return true;
}

/** A template: its steps, with its formals in place. */
function appendTemplate(env: Env, entity: FlowEntity, { actuals, given, span }: StepCall, chain: Chain): boolean {
  const { cx } = env;
  const name = entity.decl.name.name;
  const at = cx.open.findIndex((o) => o.node === entity.decl);
  if (at >= 0) {
    const cycle = [...cx.open.slice(at).map((o) => o.name), name];
    report(cx.diagnostics, "GM2005", span, { what: "flow", cycle: cycle.join(" -> ") });
    return false;
  }
  const values = conditionsOf(env, entity, { actuals, given, span });
  const here = newPlace(env.owner, name);
  const scope = new Scope(entity.scope);
  if (!values || !bindFormals(env, entity, actuals, scope, span)) return false;
  entity.decl.given.forEach((formal, i) => {
    const expr = values[i];
    if (expr) scope.define(formal.name.name, { kind: "value", expr, span: formal.name.span });
  });
  cx.open.push({ name, node: entity.decl, span });
  const ok = attributed(env, entity.decl.name.span, span, (outer) => {
    const owner = newOwner(here.path);
    const inner: Env = { ...outer, scope, owner, site: `${env.site}_${here.name}` };
    const done = appendDeclared(inner, entity, chain);
    adoptWeights(env.owner, owner, here.name);
    return done;
  });
  cx.open.pop();
  return ok;
}

/** The chain of a declaration, between the sides that it declares. */
export function appendDeclared(env: Env, { decl }: FlowEntity, chain: Chain): boolean {
  const from = decl.domain && declaredSide(env, decl.domain);
  if (decl.domain && (!from || !fits(env, `\`${decl.name.name}\``, from, chain.side, decl.domain.span, decl))) return false;
  if (!(decl.chain ? appendSteps(env, decl.chain, chain) : appendOwn(env, decl, chain))) return false;
  const to = decl.range ? declaredSide(env, decl.range) : from;
  if (!decl.domain || !to) return !decl.domain;
  if (sameSide(to, chain.side)) return true;
  report(
    env.cx.diagnostics,
    "GM2075",
    (decl.range ?? decl.domain).span,
    { name: decl.name.name, expected: showSide(to), found: showSide(chain.side) },
    {
      label: decl.range ? "declared here" : "without `->`, it maps onto what it is on",
      labels: chain.steps.slice(-1).map((s) => ({ span: s.span, text: `ends in ${showSide(chain.side)}` })),
      help: endHelp(decl.domain, to, chain),
    },
  );
  return false;
}

/** The bijection that leads on to where the flow is to end, or the range that its chain has. */
function endHelp(domain: ast.DomainExpr, to: Side, { steps: taken, side: { domain: name, shape } }: Chain): readonly string[] {
  const size = sizes({ shape });
  const declared = `\`on ${textOf(domain.span)} -> ${name}${size}\` declares where it ends${name === to.domain ? "" : `, of a variable that is \`${name}\``}`;
  const steps = sameShape(shape, to.shape)
    ? leadingTo(to.domain, name).map((b) => `\`|> ${b.name}\` at its end maps ${name} to ${to.domain}`)
    : [];
  const last = taken.at(-1);
  const others =
    last?.kind === "bijection" && last.to.domain === name && last.from.domain !== name && sameShape(shape, to.shape)
      ? leadingTo(to.domain, last.from.domain).map((b) => `\`${b.name}\``)
      : [];
  const instead =
    last !== undefined && others.length > 0 ? [`${others.join(" or ")} in place of \`${textOf(last.span)}\` ends in ${to.domain}`] : [];
  return [...steps, ...instead, declared];
}

export function declaredSide(env: Env, expr: ast.DomainExpr): Side | undefined {
  const domain = elaborateDomain(env, expr);
  if (!domain) return undefined;
  if (["real", "positive", "unit", "byte"].includes(domain.name) && !domain.optional) return { domain: domain.name, shape: domain.shape };
  report(
    env.cx.diagnostics,
    "GM2022",
    expr.span,
    { problem: `a flow maps numbers of a continuous domain, and \`${domain.name}\` is none` },
    { help: ["its sides are `real`, `positive` or `unit`, and `byte` on the side of the data where it ends in `dequantize`"] },
  );
  return undefined;
}

function fits(env: Env, what: string, wanted: Side, found: Side, span: Span, decl?: ast.FlowDecl): boolean {
  const help = decl && declaredHelp(decl, wanted, found);
  return sameSide(wanted, found) || misfits(env, what, wanted, found, span, help?.length ? help : undefined);
}

function misfits(env: Env, what: string, wanted: Side, found: Side, span: Span, help = chainHelp(wanted, found)): false {
  const sides = { what, expected: showSide(wanted), found: showSide(found) };
  report(env.cx.diagnostics, "GM2072", span, sides, { help });
  return false;
}

/** Bijections of the table that lead from one domain to another. */
const leadingTo = (to: string, from: string): readonly Bijection[] =>
  from === to ? [] : [...bijections.values()].filter((b) => b.takes?.some((d) => d === from) && b.ends === to);

/** What leads from where the chain is to where a step begins. */
function chainHelp(wanted: Side, found: Side): readonly string[] {
  if (wanted.domain === found.domain) return [];
  const direct = leadingTo(wanted.domain, found.domain);
  if (direct.length > 0) return direct.map((b) => `\`${b.name}\` maps ${found.domain} to ${wanted.domain}: put it between`);
  if (found.domain === "byte") return ["`dequantize` leads to data, which are whole numbers: it is the last step of a chain"];
  if (found.domain !== "positive") return [];
  const sides = `positive${sizes(found)} -> real${sizes(found)}`;
  const onwards = leadingTo(wanted.domain, "real").map((b) => ` |> ${b.name}`);
  const after = wanted.domain === "real" ? "" : `, and \`${onwards[0] ?? ""}\` after it`;
  return [
    `a logarithm leads from positive to real: \`flow logs on ${sides} { forward(z) = log(z)  inverse(x) = exp(x) }\`, with \`logs\` put between${after}`,
  ];
}

/** Of a flow of another shape: it declares that, or has it of where it is used first. */
const declaredHelp = (decl: ast.FlowDecl, wanted: Side, found: Side): readonly string[] =>
  sameShape(wanted.shape, found.shape) || wanted.domain !== found.domain
    ? []
    : decl.domain === undefined
      ? [
          `a flow of the model is one, of the shape of its first use: declared outside of the model, \`${decl.name.name}\` is one for each place`,
        ]
      : [
          `\`${decl.name.name}\` without \`on ${textOf(decl.domain.span)}${decl.range ? ` -> ${textOf(decl.range.span)}` : ""}\` takes the shape that it is applied to`,
          "or let the flow around it be on that shape: steps keep the shape, all but `squeeze`",
        ];

/** Formals of a template: numbers, and nets or bijections that are applied where they stand. */
export function bindFormals(env: Env, entity: FlowEntity, actuals: readonly Actual[], scope: Scope, span: Span): boolean {
  const { decl } = entity;
  const formals = parametersOf(decl);
  const params = formals.map((p) => ({ name: p.name.name, required: p.value === undefined }));
  const bound = bindArguments(env.cx, { what: `\`${decl.name.name}\``, params, declared: decl.name.span }, actuals, span);
  if (!bound) return false;
  let ok = true;
  for (const formal of formals) {
    const actual = bound.byName.get(formal.name.name);
    const value =
      actual?.kind === "ast"
        ? { ast: actual.value, env }
        : formal.value
          ? { ast: formal.value, env: within(env, entity.scope) }
          : undefined;
    const entityOf = value && formalEntity(value.env, value.ast, formal.name.span);
    if (entityOf) scope.define(formal.name.name, entityOf);
    else if (actual?.kind === "piped") scope.define(formal.name.name, { kind: "value", expr: actual.expr, span: actual.span });
    else ok = false;
  }
  return ok;
}

function formalEntity(env: Env, expr: ast.Expr, span: Span): Entity | undefined {
  const known = evaluateStatic(env, expr);
  if (known === undefined) return undefined;
  if (known.kind !== "dynamic") return { kind: "static", what: "argument", value: known, span };
  const entity = expr.kind === "name" ? env.scope.find(expr.name) : undefined;
  if (entity && ["block", "flow", "net", "value", "param", "local"].includes(entity.kind)) return entity;
  if (entity?.kind === "poison") return undefined;
  if (expr.kind === "name" && !entity && ![bijections, layers, builtins].some((table) => table.has(expr.name))) {
    reportUnknownName(env, expr.name, expr.span, ({ kind }) => ["static", "block", "flow", "net"].includes(kind));
    return undefined;
  }
  if (["call", "pipe", "blockCall", "name"].includes(expr.kind)) return { kind: "block", ast: expr, env, span };
  const value = elaborateExpr(env, expr);
  return value && { kind: "value", expr: value, span };
}

/** Formals that the flow uses; another one, `z` of `flow f(z | e)`, names what it maps, as does the `z` of its own `forward(z)`. */
export function parametersOf(decl: ast.FlowDecl): readonly ast.Formal[] {
  const texts = [decl.chain, decl.domain, decl.range].flatMap((e) => (e ? [textOf(e.span)] : []));
  const uses = (name: string): boolean => {
    const word = new RegExp(`(?<![\\p{L}\\p{N}_])${name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?![\\p{L}\\p{N}_])`, "u");
    const bodies = decl.directions.flatMap((d) => (d.param.name === name ? [] : [textOf(d.body.span)]));
    return [...texts, ...bodies].some((body) => word.test(body));
  };
  return decl.params.filter((p) => p.value !== undefined || uses(p.name.name));
}

// ---- bijections of the table ---------------------------------------------------------------------------

function appendBijection(env: Env, bijection: Bijection, actuals: readonly Actual[], chain: Chain, span: Span): boolean {
  const { cx } = env;
  const what = `\`${bijection.name}\``;
  const params = [
    ...(bijection.conditioned ? [{ name: "net", required: true }] : []),
    ...(bijection.nests ? [{ name: "inner", required: true }] : []),
    ...(bijection.noisy ? [{ name: "noise", required: false }] : []),
    ...bijection.options.map((o) => ({ name: o.name, required: o.required === true, named: o.named === true })),
  ];
  const bound = bindArguments(cx, { what, params }, actuals, span);
  const statics = bound && readOptions(env, what, bijection.options, bound.byName, undefined, chain.side.shape);
  if (!bound || !statics) return false;
  const from = chain.side;
  if (bijection.takes && !bijection.takes.includes(from.domain)) {
    const wanted = { ...from, domain: bijection.takes[0] ?? "real" };
    // what leads there and back would do nothing
    const there =
      bijection.ends === from.domain ? [`${what} leads to ${from.domain}, where the chain is already: leave it out`] : undefined;
    return misfits(env, what, wanted, from, span, there);
  }
  const result = bijection.apply({ cx, name: bijection.name, span, from, ...statics });
  if (!result) return false;
  if (result.parameters > maxElements) {
    report(cx.diagnostics, "GM2019", span, { shape: showSide(from), count: result.parameters });
    return false;
  }
  const { name, path } = newPlace(env.owner, bijection.name);
  const instance: BijectionInstance = {
    bijection: bijection.name,
    path,
    spec: result.spec ?? [],
    options: result.options,
    parameterCount: result.parameters,
    span,
  };
  const net = bound.byName.get("net");
  const wants = result.conditioner;
  const head = bijection.autoregressive !== true && statics.options.get("head") === true;
  const conditioner = wants && net?.kind === "ast" ? conditionerOf(env, { what, net: net.value, ...wants, head, path, span }) : undefined;
  if (wants && !conditioner) return false;
  if (result.parameters > 0) env.owner.weights.push({ kind: "bijection", name, bijection: instance });
  if (conditioner) env.owner.weights.push({ kind: "net", name, net: conditioner.net });
  const inner = result.inner && innerSteps(env, bound.byName.get("inner"), result.inner.from, { what, name, path });
  const noise = bound.byName.get("noise");
  const noisy = noise && noiseOf(env, noise, result.to, bijection.options);
  if ((result.inner && !inner) || (noise && noisy === undefined)) return false;
  const more = { ...(inner ? { inner } : {}), ...(noisy === undefined ? {} : { noise: noisy }) };
  chain.steps.push({ kind: "bijection", instance, conditioner, ...more, from, to: result.to, span });
  chain.side = result.to;
  return true;
}

/** The chain inside of a step, whose weights lie below those of the step: it leads to the part that it replaces. */
function innerSteps(
  env: Env,
  actual: Actual | undefined,
  from: Side,
  step: { readonly what: string; readonly name: string; readonly path: string },
): BijectionStep["inner"] | undefined {
  if (actual?.kind !== "ast") return undefined;
  const chain: Chain = { steps: [], side: from };
  const owner = newOwner(step.path);
  if (!appendSteps({ ...env, owner }, actual.value, chain)) return undefined;
  adoptWeights(env.owner, owner, step.name);
  if (sameSide(from, chain.side)) return { steps: chain.steps, from };
  const problem = `the chain inside has to end in the shape that it starts from, ${showSide(from)}, and ends in ${showSide(chain.side)}`;
  report(
    env.cx.diagnostics,
    "GM2031",
    actual.span,
    { what: step.what, problem },
    { help: ["steps that keep the shape go inside, `actnorm |> coupling(…)`; those that change it stand before or after"] },
  );
  return undefined;
}

/** `dequantize(u)`: a flow of the model, conditioned on what noise is added to, onto the unit interval. */
function noiseOf(env: Env, actual: Actual, to: Side, options: readonly OptionSpec[]): BijectionStep["noise"] {
  const entity = actual.kind === "ast" && actual.value.kind === "name" ? env.scope.find(actual.value.name) : undefined;
  const shape = to.shape;
  const value: Local = { id: freshId(env.cx, `${env.site}.x`), name: "x", type: tensor(shape), span: actual.span };
  if (entity?.kind !== "flow" || entity.template || entity.decl.given.length !== 1) {
    const isNumber = actual.kind === "ast" && actual.value.kind === "number";
    const byName = isNumber ? [`numbers are given by name: ${options.map((o) => `\`${o.name} = …\``).join(", ")}`] : [];
    if (entity?.kind !== "poison")
      report(
        env.cx.diagnostics,
        "GM2082",
        actual.span,
        { by: "with one condition, the value that it is added to" },
        {
          help: [
            ...byName,
            "declare one: `flow u(e | x) on real[D] -> unit[D] = coupling(…) |> sigmoid`, and end the other flow in `dequantize(u)`",
          ],
        },
      );
    return undefined;
  }
  const given: Expr = { kind: "local", local: value, type: value.type, span: actual.span };
  const flow = flowOf(env, entity, [given], { domain: "real", shape }, actual.span);
  const ends: Side = { domain: "unit", shape };
  if (!flow || !fits(env, "noise", ends, flow.to, actual.span)) return undefined;
  const { domain } = flow.from;
  if ((domain === "real" || domain === "unit") && sameShape(flow.from.shape, shape)) return { flow: flow.name, base: domain };
  const size = sizes({ shape });
  const header = `flow ${entity.decl.name.name}(${[...entity.decl.params, ...entity.decl.given].map((g) => g.name.name).join(" | ")}) on real${size} -> unit${size}`;
  const [before] = leadingTo(domain, "real");
  const formal = entity.decl.directions.find((d) => d.direction === "forward")?.param.name;
  report(
    env.cx.diagnostics,
    "GM2082",
    actual.span,
    { by: `on \`real${size}\`, from normal numbers, or \`unit${size}\`, from uniform ones; \`${flow.name}\` is on ${showSide(flow.from)}` },
    {
      labels: [{ span: entity.decl.name.span, text: "declared here" }],
      help: [
        before === undefined || !sameShape(flow.from.shape, shape)
          ? `declare it so: \`${header}\``
          : formal === undefined
            ? `start it there: \`${header} = ${before.name} |> …\``
            : `declare it so: \`${header}\`, with \`exp(${formal})\` in place of \`${formal}\` in its \`forward\`, and the logarithm of what its \`inverse\` gave`,
      ],
    },
  );
  return undefined;
}
