/** `E[…](…)`: each draw sees the names of those before it; what it binds is a variable under its own name, or a new name for one. */
import { report } from "../base/report.js";
import { didYouMean } from "../base/suggest.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { checkFree } from "./body.js";
import { checkBinders } from "./binders.js";
import { elaborateDist } from "./dist-call.js";
import { distributions, distributionSynonyms } from "./distributions.js";
import { type Env, freshId, within } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { factsOfDomain, noFacts } from "./facts.js";
import { overlay } from "./objective-env.js";
import { type Entity, Scope } from "./scope.js";
import { dim, tensor, typeOfDomain } from "./shapes.js";
import { densityCall, slotNames, type SlotName } from "./slots.js";
import { requireInteger } from "./static.js";
import type { Dim, DrawTarget, Expr, Local, ObjectiveDraw } from "./types.js";
import { suggestions, synonymOf } from "./unknown.js";

/** What a draw binds: names of the scope, and variables with their number of samples. */
interface Bindings {
  readonly names: Map<string, Entity>;
  readonly variables: Map<string, Dim | undefined>;
}

export const whatIsDrawnFrom =
  "it draws from a density, `z ~ q(z | x)`, from the data, `x ~ data`, or from a distribution, `u ~ Uniform(0, 1)`";

export function elaborateExpectation(env: Env, expr: ast.BinderExpr): Expr | undefined {
  if (env.mode !== "objective") {
    report(
      env.cx.diagnostics,
      "GM3024",
      expr.span,
      { where: env.mode },
      { help: ["expectations belong in objectives, `train` and `evaluate`"] },
    );
    return undefined;
  }
  let inner = env;
  const draws: ObjectiveDraw[] = [];
  if (!checkBinders(env.cx, expr)) return undefined;
  for (const binder of expr.binders) {
    if (binder.kind !== "draw") return undefined;
    const bindings: Bindings = { names: new Map(), variables: new Map() };
    const draw = elaborateDraw(inner, binder, bindings);
    if (!draw) return undefined;
    draws.push(draw);
    const scope = new Scope(inner.scope);
    for (const [name, entity] of bindings.names) scope.define(name, entity);
    inner = { ...within(inner, scope), access: overlay(inner.access, bindings.variables) };
  }
  const body = elaborateExpr(inner, expr.body);
  return body && { kind: "expectation", draws, body, type: body.type, span: expr.span };
}

function elaborateDraw(env: Env, binder: ast.DrawBinder, bindings: Bindings): ObjectiveDraw | undefined {
  const { source } = binder;
  const samples = samplesOf(env, binder);
  if (samples === "wrong") return undefined;
  const callee =
    source.kind === "call" && source.callee.kind === "name" ? source.callee.name : source.kind === "name" ? source.name : undefined;
  const entity = callee === undefined ? undefined : env.scope.find(callee);
  if (callee === "data" && !entity) return dataDraw(env, binder, bindings, samples);
  if (entity?.kind === "poison") return undefined;
  if (entity?.kind === "density" && source.kind === "call") return densityDraw(env, binder, source, bindings, samples);
  if (!entity && callee !== undefined && distributions.has(callee)) return distributionDraw(env, binder, bindings, samples);
  if (!entity && callee !== undefined) {
    const meant = synonymOf(distributionSynonyms, callee);
    const { span } = source.kind === "call" ? source.callee : source;
    const help =
      meant === undefined ? suggestions(env.scope, callee, (e) => e.kind === "density", distributions.keys()) : [`write \`${meant}\``];
    report(env.cx.diagnostics, "GM2001", span, { what: "density or distribution", name: callee }, { help });
    return undefined;
  }
  const help =
    entity?.kind === "density"
      ? [`name what is drawn: \`${callee}(${entity.decl.head.map((h) => h.name).join(", ")})\``]
      : [whatIsDrawnFrom];
  report(env.cx.diagnostics, "GM3036", source.span, { found: textOf(source.span) }, { help });
  return undefined;
}

/** k of `z[1..k]`; names of one draw share it. */
function samplesOf(env: Env, binder: ast.DrawBinder): Dim | undefined | "wrong" {
  let found: Dim | undefined;
  for (const [i, { range, span }] of binder.names.entries()) {
    if (!range) {
      if (i > 0 && found) return differing(env, span);
      continue;
    }
    const low = requireInteger(env, range.low, "the first sample", 1, 1);
    const high = requireInteger(env, range.high, "the number of samples", 1, 1_000_000);
    if (!low || !high) return "wrong";
    const k = dim(high.value, textOf(range.high.span));
    if (i > 0 && found?.size !== k.size) return differing(env, span);
    found = k;
  }
  return found;
}

function differing(env: Env, span: Span): "wrong" {
  report(env.cx.diagnostics, "GM3038", span, {}, { help: ["draw them one after the other: `E[x[1..k] ~ …, z ~ …](…)`"] });
  return "wrong";
}

function densityDraw(
  env: Env,
  binder: ast.DrawBinder,
  source: ast.CallExpr,
  bindings: Bindings,
  samples: Dim | undefined,
): ObjectiveDraw | undefined {
  const call = densityCall(env, source, "bind");
  if (!call) return undefined;
  if (binder.names.length !== source.args.length) {
    report(env.cx.diagnostics, "GM3039", binder.span, {
      names: binder.names.length,
      drawn: source.args.length,
      source: textOf(source.span),
    });
    return undefined;
  }
  const names: DrawTarget[] = [];
  const called = source.args.map((a) => textOf(a.value.span));
  const isMixedUp =
    [...called].sort().join() ===
    binder.names
      .map((n) => n.name.name)
      .sort()
      .join();
  const order = isMixedUp ? [`write the names in the order of \`${textOf(source.span)}\`: \`${called.join(", ")}\``] : undefined;
  for (const [i, drawn] of binder.names.entries()) {
    const arg = source.args[i];
    const variables = arg && (arg.name ? undefined : slotNames(env, arg.value));
    if (!variables) return undefined;
    const targets = bindName(env, drawn.name, variables, samples, bindings, order);
    if (!targets) return undefined;
    names.push(...targets);
  }
  return {
    names,
    samples,
    source: { kind: "density", density: call.header.name, head: call.head.map((s) => s.variable), given: call.given },
    span: binder.span,
  };
}

/** `z` for the variable z: the variable itself. Another name: locals that rename it. */
function bindName(
  env: Env,
  name: ast.Ident,
  variables: readonly SlotName[],
  samples: Dim | undefined,
  bindings: Bindings,
  help: readonly string[] = ["a new name renames what is drawn; the name of another variable would not"],
): readonly DrawTarget[] | undefined {
  const entity = env.scope.find(name.name);
  const own = entity && variablesOf(entity);
  if (own && own.length === variables.length && own.every((v, i) => v === variables[i]?.variable)) {
    for (const v of own) bindings.variables.set(v, samples);
    return own.map((variable) => ({ kind: "variable", variable }));
  }
  if (own && entity?.kind !== "local") {
    report(env.cx.diagnostics, "GM3040", name.span, { name: name.name, drawn: variables.map((v) => v.variable).join(", ") }, { help });
    return undefined;
  }
  if (!checkFree(env, name.name, name.span, new Scope(env.scope))) return undefined;
  const single = variables.length === 1;
  const members = variables.map((v, i) => renamed(env, single ? name.name : `${name.name}[${i + 1}]`, v.variable, samples, name.span));
  const [first] = members;
  if (!first) return undefined;
  bindings.names.set(
    name.name,
    single ? first.entity : { kind: "family", what: "latent", members: new Map(members.map((m, i) => [i + 1, m.entity])), span: name.span },
  );
  return members.map((m) => m.target);
}

function renamed(
  env: Env,
  name: string,
  variable: string,
  samples: Dim | undefined,
  span: Span,
): { readonly entity: Entity; readonly target: DrawTarget } {
  const domain = env.cx.variables.get(variable)?.domain;
  const local: Local = {
    id: freshId(env.cx, `${env.site}.${name.replaceAll(/[[\]]/g, "")}`),
    name,
    type: domain ? typeOfDomain(domain) : tensor([]),
    span,
  };
  if (domain) env.cx.facts.set(local.id, factsOfDomain(domain));
  return { entity: { kind: "local", local, samples, of: variable, span }, target: { kind: "local", local, of: variable } };
}

function variablesOf(entity: Entity): readonly string[] | undefined {
  switch (entity.kind) {
    case "variable":
      return [entity.variable.name];
    case "role":
      return entity.variables;
    case "family":
      return entity.what === "data" || entity.what === "latent"
        ? [...entity.members.values()].flatMap((m) => variablesOf(m) ?? [])
        : undefined;
    default:
      return undefined;
  }
}

/** `x ~ data`, `x, y ~ data`, `xr ~ data(x)` */
function dataDraw(env: Env, binder: ast.DrawBinder, bindings: Bindings, samples: Dim | undefined): ObjectiveDraw | undefined {
  const { source } = binder;
  const args: readonly ast.Expr[] =
    source.kind === "call"
      ? source.args.map((a) => a.value)
      : binder.names.map(({ name }) => ({ kind: "name", name: name.name, span: name.span }));
  if (args.length !== binder.names.length) {
    report(env.cx.diagnostics, "GM3039", binder.span, { names: binder.names.length, drawn: args.length, source: textOf(source.span) });
    return undefined;
  }
  const names: DrawTarget[] = [];
  let stream: number | undefined;
  for (const [i, drawn] of binder.names.entries()) {
    const arg = args[i];
    const { name } = drawn.name;
    if (source.kind === "name" && !env.scope.find(name)) {
      const known = didYouMean(name, env.cx.streams.flat()) ?? env.cx.streams[0]?.[0] ?? "x";
      const help = env.scope.isWithin(env.cx.modelScope)
        ? [`\`${known} ~ data\` draws it under its own name, \`${name} ~ data(${known})\` under another`]
        : dataInTemplate(env, name, known);
      report(env.cx.diagnostics, "GM2001", drawn.name.span, { what: "data variable", name }, { help });
      return undefined;
    }
    const variables = arg && slotNames(env, arg);
    if (!variables) return undefined;
    for (const v of variables) {
      const at = env.cx.streams.findIndex((s) => s.includes(v.variable));
      if (at < 0 || (stream !== undefined && stream !== at)) {
        report(env.cx.diagnostics, "GM3041", drawn.span, {
          name: v.variable,
          problem: at < 0 ? "it is no data variable" : "it belongs to another `data` statement than the other names",
        });
        return undefined;
      }
      stream = at;
    }
    const targets = bindName(env, drawn.name, variables, samples, bindings);
    if (!targets) return undefined;
    names.push(...targets);
  }
  return { names, samples, source: { kind: "data", stream: stream ?? 0 }, span: binder.span };
}

/** A template outside of the model calls data as the densities do that it takes: by the names in their heads. */
function dataInTemplate(env: Env, name: string, known: string): readonly string[] {
  const heads = [...env.scope.visible((e) => e.kind === "role")].filter((v) => v !== name);
  const [own] = heads;
  if (own !== undefined)
    return [`the densities that it takes call data ${heads.map((v) => `\`${v}\``).join(", ")}: \`${name} ~ data(${own})\``];
  return [
    `a template outside of the model calls data as a density does that it takes: \`objective V(p) = E[${known} ~ data](…)\`, \`V(p)\` with a \`p(${known})\``,
    "or declare the objective in the model",
  ];
}

function distributionDraw(env: Env, binder: ast.DrawBinder, bindings: Bindings, samples: Dim | undefined): ObjectiveDraw | undefined {
  const drawn = elaborateDist(env, binder.source, undefined);
  const [name, ...more] = binder.names;
  if (!drawn || !name) return undefined;
  if (more.length > 0) {
    report(env.cx.diagnostics, "GM3039", binder.span, { names: binder.names.length, drawn: 1, source: textOf(binder.source.span) });
    return undefined;
  }
  if (!checkFree(env, name.name.name, name.name.span, new Scope(env.scope))) return undefined;
  const type = tensor(drawn.shape, drawn.entry.values === "classes" ? "int" : "real");
  const local: Local = { id: freshId(env.cx, `${env.site}.${name.name.name}`), name: name.name.name, type, span: name.span };
  env.cx.facts.set(local.id, { ...noFacts, classes: drawn.classes });
  bindings.names.set(local.name, { kind: "local", local, samples, of: undefined, span: name.span });
  return {
    names: [{ kind: "local", local, of: undefined }],
    samples,
    source: { kind: "distribution", dist: drawn.dist },
    span: binder.span,
  };
}
