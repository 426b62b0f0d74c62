/**
 * Flows where they are called: `f(z)`, `f.inverse(x)`, `f(z | e)`, `z |> f`. A flow of the model is one instance; a flow of a file or of the
 * library is a template, one instance for each place that uses it.
 */
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import type { Actual } from "./arguments.js";
import { attributed } from "./attribution.js";
import { localEntity } from "./body.js";
import { notTooDeep, requireTensor } from "./builtin-call.js";
import { type Context, type Env, freshId, newOwner, newPlace } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { factsOf } from "./facts.js";
import { asChain } from "./flow-applied.js";
import { appendDeclared, bindFormals, type Chain, declaredSide, type FlowEntity, parametersOf } from "./flow-chain.js";
import { bijections, bijectionsOf, chained, flowsIn, showSide, sideOf } from "./flows.js";
import { refused } from "./layer-call.js";
import { Scope } from "./scope.js";
import { sameShape, sameType, showType, tensor } from "./shapes.js";
import type { Directions, Expr, Flow, FlowCallExpr, FlowStep, Local, Side } from "./types.js";

type DirectionName = FlowCallExpr["direction"];

export function callFlow(
  env: Env,
  entity: FlowEntity,
  direction: DirectionName,
  actuals: readonly Actual[],
  given: readonly ast.Arg[] | undefined,
  span: Span,
): Expr | undefined {
  const { decl } = entity;
  const name = decl.name.name;
  const [first, ...more] = actuals;
  if (!first) {
    const base = direction === "forward" ? "z" : "x";
    const missing = `a value: \`${name}${direction === "inverse" ? ".inverse" : ""}(${base})\``;
    report(env.cx.diagnostics, "GM2024", span, { what: `\`${name}\``, missing });
    return undefined;
  }
  if (more[0] && !entity.template) {
    report(
      env.cx.diagnostics,
      "GM2025",
      more[0].span,
      { what: `\`${name}\``, most: 1, given: actuals.length },
      { labels: [{ span: decl.name.span, text: "declared here" }], help: [conditionHelp(decl, direction, actuals, given)] },
    );
    return undefined;
  }
  const arg = first.kind === "piped" ? first.expr : elaborateExpr(env, first.value);
  const type = arg && requireTensor(env, arg);
  const values = givenOf(env, decl, given, span, first.kind === "piped" ? { actuals: more } : undefined);
  if (!arg || !type || !values) return undefined;
  const side = sideOfValue(env, arg, direction);
  const flow = entity.template ? templateInstance(env, entity, more, values, side, span) : flowOf(env, entity, values, side, span);
  if (!flow) return undefined;
  const [entry, exit] = direction === "forward" ? [flow.from, flow.to] : [flow.to, flow.from];
  if (!sameShape(type.shape, entry.shape) || type.element !== "real") {
    report(
      env.cx.diagnostics,
      "GM2076",
      arg.span,
      { flow: name, direction: direction === "forward" ? "" : ".inverse", expected: showSide(entry), found: showType(type) },
      { labels: [{ span: decl.name.span, text: `maps ${showSide(flow.from)} to ${showSide(flow.to)}` }] },
    );
    return undefined;
  }
  return notTooDeep(env, { kind: "flowCall", flow: flow.name, direction, arg, given: values, type: tensor(exit.shape), span });
}

/** Of a call with values beside the one that is mapped: where they stand, if the flow is conditioned on so many. */
function conditionHelp(
  { name: { name }, given: wanted }: ast.FlowDecl,
  direction: DirectionName,
  [first, ...more]: readonly Actual[],
  given: readonly ast.Arg[] | undefined,
): string {
  const callee = direction === "inverse" ? `${name}.inverse` : name;
  const value = first && first.kind !== "piped" ? textOf(first.span) : "";
  const call = (conditions: readonly string[]): string => `${callee}(${[value, `| ${conditions.join(", ")}`].join(" ").trim()})`;
  const beside = [...more, ...(given ?? [])].map((a) => textOf(a.span));
  if (wanted.length === 0)
    return `\`${name}\` maps one value; what it is conditioned on is named in its header, \`flow ${name}(z | e)\`, and given after \`|\`: \`${call(beside)}\``;
  return `what it is conditioned on stands after \`|\`: \`${call(beside.length === wanted.length ? beside : wanted.map((w) => w.name.name))}\``;
}

/** What is known of a value's side: a variable's domain, else real numbers. */
function sideOfValue({ cx }: Env, arg: Expr, direction: DirectionName): Side {
  const shape = arg.type.kind === "tensor" ? arg.type.shape : [];
  const domain = arg.kind === "variable" && direction === "forward" ? cx.variables.get(arg.variable)?.domain : undefined;
  return domain && domain.name !== "category" ? { ...sideOf(domain), shape } : { domain: "real", shape };
}

/** The values of a flow's conditions, in the order of its header. As a step of a chain it is handed no value: `f(| e)`. */
export function givenOf(
  env: Env,
  decl: ast.FlowDecl,
  given: readonly ast.Arg[] | undefined,
  span: Span,
  step?: { readonly actuals: readonly Actual[] },
): readonly Expr[] | undefined {
  const wanted = decl.given.map((g) => g.name.name);
  const args = given ?? [];
  const strange = args.find((a, i) => (a.name ? !wanted.includes(a.name.name) : i >= wanted.length));
  const values = wanted.map((name, i) => args.find((a) => a.name?.name === name) ?? (args[i]?.name ? undefined : args[i]));
  if (strange || values.includes(undefined)) {
    const value = step ? step.actuals.map((a) => textOf(a.span)).join(", ") : "z";
    const inside = [value, wanted.length > 0 ? `| ${wanted.join(", ")}` : ""].filter((part) => part !== "").join(" ");
    const call = decl.name.name + (inside === "" ? "" : `(${inside})`);
    const outer = step && flowAround(env);
    const handedOn =
      outer !== undefined && wanted.some((name) => !env.scope.find(name))
        ? [`what \`${outer}\` hands on comes through its own header: \`flow ${outer}(z | ${wanted.join(", ")})\``]
        : [];
    report(
      env.cx.diagnostics,
      "GM2077",
      strange?.span ?? span,
      { flow: decl.name.name, wanted: wanted.map((w) => `\`${w}\``).join(", "), given: args.length },
      { labels: [{ span: decl.name.span, text: "declared here" }], help: [`write \`${call}\``, ...handedOn] },
    );
    return undefined;
  }
  const exprs = values.map((a) => a && elaborateExpr(env, a.value));
  return exprs.includes(undefined) ? undefined : exprs.flatMap((e) => e ?? []);
}

/** The flow whose chain is being read. */
function flowAround({ cx }: Env): string | undefined {
  const around = cx.open.at(-1)?.node;
  return around && "directions" in around ? cx.open.at(-1)?.name : undefined;
}

/** The instance of a flow of the model: made at its first use. */
export function flowOf(env: Env, entity: FlowEntity, given: readonly Expr[], side: Side, span: Span): Flow | undefined {
  const { cx } = env;
  const { decl } = entity;
  const name = decl.name.name;
  const known = cx.flowInstances.get(decl);
  if (known) {
    const { flow } = known;
    const other = flow?.given.findIndex((g, i) => given[i] && !sameType(g.type, given[i].type)) ?? -1;
    if (!flow || other < 0) return flow;
    const [was, is] = [flow.given[other], given[other]];
    const texts = { name, first: was ? showType(was.type) : "", second: is ? showType(is.type) : "" };
    report(cx.diagnostics, "GM2078", span, texts, { labels: [{ span: known.callSpan, text: "first used here" }] });
    return undefined;
  }
  const at = cx.open.findIndex((o) => o.node === decl);
  if (at >= 0) {
    const cycle = [...cx.open.slice(at).map((o) => o.name), name];
    report(cx.diagnostics, "GM2005", span, { what: "flow", cycle: cycle.join(" -> ") });
    return undefined;
  }
  const flow = elaborateFlow(env, entity, [], given, side, name, name, span);
  cx.flowInstances.set(decl, { callSpan: span, flow });
  return flow;
}

function templateInstance(
  env: Env,
  entity: FlowEntity,
  actuals: readonly Actual[],
  given: readonly Expr[],
  side: Side,
  span: Span,
): Flow | undefined {
  const base = entity.decl.name.name;
  const { name, path } = newPlace(env.owner, base);
  const flow = attributed(env, entity.decl.name.span, span, (inner) =>
    elaborateFlow(inner, entity, actuals, given, side, freshId(env.cx, base), path, span),
  );
  if (!flow || (flow.weights.length > 0 && refused(env, env.owner, `\`${base}\``, span))) return undefined;
  if (flow.weights.length > 0) env.owner.weights.push({ kind: "flow", name, flow: flow.name });
  return flow;
}

function elaborateFlow(
  env: Env,
  entity: FlowEntity,
  actuals: readonly Actual[],
  given: readonly Expr[],
  side: Side,
  name: string,
  path: string,
  span: Span,
): Flow | undefined {
  const { cx } = env;
  const { decl } = entity;
  const scope = new Scope(entity.scope);
  const inner: Env = { cx, scope, owner: newOwner(path), access: flowAccess(cx, decl), mode: "net", site: name, template: false };
  if (!checkFormals(env, entity) || !bindFormals(env, entity, actuals, scope, span)) return undefined;
  const locals = decl.given.map((formal, i): Local => {
    const value = given[i];
    const type = value?.type ?? tensor([]);
    const local: Local = { id: freshId(cx, `${name}.${formal.name.name}`), name: formal.name.name, type, span: formal.name.span };
    if (value) cx.facts.set(local.id, factsOf(cx, value));
    scope.define(local.name, localEntity(local));
    return local;
  });
  const from = decl.domain ? declaredSide(inner, decl.domain) : side;
  if (!from) return undefined;
  const chain: Chain = { steps: [], side: from };
  cx.open.push({ name: decl.name.name, node: decl, span });
  const ok = appendDeclared(inner, entity, chain);
  cx.open.pop();
  if (!ok) return undefined;
  if (chain.steps.length === 0) {
    report(
      cx.diagnostics,
      "GM2071",
      (decl.chain ?? decl.name).span,
      { name, what: "a flow without a step" },
      { help: ["a `repeat` has one turn at least"] },
    );
    return undefined;
  }
  const flow: Flow = {
    name,
    path,
    given: locals,
    from,
    to: chain.side,
    steps: chain.steps,
    directions: chained(chain.steps.map((s) => directionsOf(cx, s))),
    random: isRandom(cx, chain.steps),
    weights: inner.owner.weights,
    doc: decl.doc,
    span: decl.span,
  };
  cx.flows.push(flow);
  cx.flowByName.set(name, flow);
  return flow;
}

function isRandom(cx: Context, steps: readonly FlowStep[]): boolean {
  const inner = flowsIn(steps).some((name) => cx.flowByName.get(name)?.random);
  return inner || bijectionsOf(steps).some((s) => bijections.get(s.instance.bijection)?.keyed);
}

function directionsOf(cx: Context, step: FlowStep): Directions {
  if (step.kind === "own") return { forward: "closed", inverse: step.inverse ? "closed" : "none" };
  if (step.kind === "bijection" && step.inner) return chained(step.inner.steps.map((s) => directionsOf(cx, s)));
  const directions = step.kind === "flow" ? cx.flowByName.get(step.flow)?.directions : bijections.get(step.instance.bijection)?.directions;
  return directions ?? { forward: "none", inverse: "none" };
}

/** One formal that the chain does not use names what is mapped; a second one does nothing, and a flow of the model has no arguments. */
function checkFormals(env: Env, { decl, template }: FlowEntity): boolean {
  const used = parametersOf(decl);
  const idle = decl.params.filter((p) => !used.includes(p))[1];
  const wrong = idle ?? (template ? undefined : used[0]);
  if (!wrong) return true;
  const chain = idle ? undefined : asChain(env, decl, wrong.name.name);
  const help = idle
    ? ["the chain does not use it; what a flow is conditioned on stands after `|`"]
    : chain === undefined
      ? ["a flow with arguments is a template: declare it outside of the model"]
      : [`steps of a chain are not handed \`${wrong.name.name}\`, they take what the step before gives: \`${chain}\``];
  report(env.cx.diagnostics, "GM2081", wrong.span, { flow: decl.name.name, formal: wrong.name.name }, { help });
  return false;
}

/** Inside a flow, variables of the model are out of reach: what it is conditioned on is handed to it. */
function flowAccess(cx: Context, decl: ast.FlowDecl): Env["access"] {
  return {
    read(variable, span) {
      const role = cx.variables.get(variable)?.role === "data" ? "a data variable" : "a latent";
      const name = decl.name.name;
      const given = [...decl.given.map((g) => textOf(g.span)), variable.replaceAll(/[[\]]/g, "")].join(", ");
      report(
        cx.diagnostics,
        "GM2079",
        span,
        { name: variable, role, flow: name },
        { help: [`condition it: \`flow ${name}(z | ${given}) = …\``] },
      );
      return undefined;
    },
  };
}
