/**
 * Nets: a net of the model is one instance, elaborated with the types of its first call, or of one with fewer axes (mapped-nets.ts); a net of a file
 * or of the library is a template, elaborated anew at each call site. Arguments known at compile time are put in place; tensors become parameters.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { type Actual, bindArguments } from "./arguments.js";
import { attributed } from "./attribution.js";
import { bindLocal, checkFree, flatten, localEntity } from "./body.js";
import { notTooDeep } from "./builtin-call.js";
import { builtins } from "./builtins.js";
import { type Context, type Env, freshId, type LeastCall, type NetInstance, newOwner, newPlace, within } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { factsOf, netKey, noFacts } from "./facts.js";
import { refused } from "./layer-call.js";
import { layers } from "./layers.js";
import { mappedOver, mayMap, type Signature, withFront } from "./mapped-nets.js";
import { type Entity, Scope } from "./scope.js";
import { sameType, showType } from "./shapes.js";
import { proveSymmetry } from "./symmetry/prove.js";
import { evaluateStatic, showStatic, type Static } from "./static.js";
import type { Binding, Dim, Expr, Local, Net } from "./types.js";

type NetEntity = Extract<Entity, { kind: "net" }>;

/** What a formal is bound to. */
type NetArgument =
  | { readonly kind: "tensor"; readonly expr: Expr }
  | { readonly kind: "static"; readonly value: Static }
  | { readonly kind: "block"; readonly ast: ast.Expr; readonly env: Env };

export function callNet(env: Env, entity: NetEntity, callee: ast.NameExpr, actuals: readonly Actual[], span: Span): Expr | undefined {
  const { decl } = entity;
  const params = decl.params.map((p) => ({ name: p.name.name, required: p.value === undefined }));
  const bound = bindArguments(env.cx, { what: `\`${decl.name.name}\``, params, declared: decl.name.span }, actuals, span);
  if (!bound) return undefined;
  const args: NetArgument[] = [];
  for (const formal of decl.params) {
    const actual = bound.byName.get(formal.name.name);
    const arg = actual ? argumentOf(env, actual) : formal.value ? defaultOf(env, entity, formal.value) : undefined;
    if (arg) args.push(arg);
  }
  if (args.length < decl.params.length) return undefined;
  const found = entity.template ? newTemplateInstance(env, entity, args, callee.span) : modelInstance(env, entity, args, callee.span);
  if (!found) return undefined;
  const { net, over } = found;
  if (net.random) env.owner.random = true;
  const tensors = args.flatMap((a) => (a.kind === "tensor" ? [a.expr] : []));
  const mapped = over.length > 0 ? { over } : {};
  return notTooDeep(env, { kind: "netCall", net: net.name, args: tensors, ...mapped, type: withFront(over, net.result.type), span });
}

function argumentOf(env: Env, actual: Actual): NetArgument | undefined {
  if (actual.kind === "piped") return { kind: "tensor", expr: actual.expr };
  const value = evaluateStatic(env, actual.value);
  if (value === undefined) return undefined;
  if (value.kind !== "dynamic") return { kind: "static", value };
  if (isBlock(env, actual.value)) return { kind: "block", ast: actual.value, env };
  const expr = elaborateExpr(env, actual.value);
  return expr && { kind: "tensor", expr };
}

function defaultOf(env: Env, entity: NetEntity, value: ast.Expr): NetArgument | undefined {
  return argumentOf({ ...within(env, entity.scope), mode: "net" }, { kind: "ast", name: undefined, value, span: value.span });
}

/** Is it a function, layer, net or chain of them that still wants its input? `tanh`, `dense(64)`, `mlp([64])`, `dense(64) |> tanh`. */
function isBlock(env: Env, expr: ast.Expr): boolean {
  switch (expr.kind) {
    case "name": {
      const entity = env.scope.find(expr.name);
      return entity ? entity.kind === "net" || entity.kind === "block" : isTableName(expr.name);
    }
    case "pipe":
      return isBlock(env, expr.left);
    case "blockCall":
      return true;
    case "call": {
      if (expr.callee.kind !== "name") return false;
      const entity = env.scope.find(expr.callee.name);
      const [first] = expr.args;
      const wants = first === undefined || first.name !== undefined || isStaticQuiet(env, first.value);
      if (!entity) return wants && isTableName(expr.callee.name);
      if (entity.kind === "block") return wants;
      return entity.kind === "net" && wants && entity.decl.params[0]?.value === undefined;
    }
    default:
      return false;
  }
}

function isStaticQuiet(env: Env, expr: ast.Expr): boolean {
  const value = evaluateStatic(env, expr);
  return value !== undefined && value.kind !== "dynamic";
}

/** A layer, or a function that takes a value. */
function isTableName(name: string): boolean {
  const entry = builtins.get(name);
  return layers.has(name) || (entry !== undefined && entry.symbol === undefined && entry.args.length > 0);
}

// ---- instances -----------------------------------------------------------------------------------

interface Found {
  readonly net: Net;
  /** Axes that this call maps it over. */
  readonly over: readonly Dim[];
}

function signatureOf(args: readonly NetArgument[]): Signature {
  return args.map((arg) =>
    arg.kind === "tensor" ? arg.expr.type : arg.kind === "static" ? showStatic(arg.value) : arg.ast.span.file.path + arg.ast.span.start,
  );
}

function sameSignature(a: Signature, b: Signature): boolean {
  return a.every((x, i) => {
    const y = b[i];
    return typeof x === "string" || typeof y === "string" ? x === y : y !== undefined && sameType(x, y);
  });
}

/**
 * The instance of a model's net, made at its call with the fewest axes; calls with more in front map it. Other shapes are an error where it has
 * weights, and make another instance where it has none.
 */
function modelInstance(env: Env, entity: NetEntity, args: readonly NetArgument[], callSpan: Span): Found | undefined {
  const { cx } = env;
  const { decl } = entity;
  const name = decl.name.name;
  const signature = signatureOf(args);
  const made = (): readonly NetInstance[] => cx.instances.get(decl) ?? [];
  const add = (given: readonly NetArgument[], as: Signature, span: Span): Net | undefined => {
    const net = elaborateNet(env, entity, given, made().length > 0 ? freshId(cx, name) : name, name, span);
    cx.instances.set(decl, [...made(), { signature: as, callSpan: span, net }]);
    return net;
  };
  const least = cx.leastCalls.get(decl)?.find((l) => mappedOver(l.signature, signature));
  if (least && !made().some((i) => sameSignature(i.signature, least.signature)))
    add(standIns(cx, args, least), least.signature, least.callSpan);
  const same = made().find((i) => sameSignature(i.signature, signature));
  if (same) return same.net && { net: same.net, over: [] };
  const base = made().find((i) => mappedOver(i.signature, signature));
  if (base) {
    const over = mappedOver(base.signature, signature) ?? [];
    if (!base.net || !mayMap(cx, base.net, over, { first: base.callSpan, mapped: callSpan })) return undefined;
    return { net: base.net, over };
  }
  if (made().some((i) => mappedOver(signature, i.signature))) {
    // the net takes less than an earlier call hands it, which may be why its body was wrong there: with that known, the model is elaborated again
    const facts = args.map((arg) => (arg.kind === "tensor" ? factsOf(cx, arg.expr) : noFacts));
    const call = { signature, callSpan, facts: facts.map(({ classes, blocks }) => ({ classes, blocks })) };
    const others = (cx.fewerAxes.get(decl) ?? cx.leastCalls.get(decl) ?? []).filter((l) => !mappedOver(signature, l.signature));
    cx.fewerAxes.set(decl, [...others, call]);
  } else {
    const [first] = made();
    if (first && (!first.net || hasWeights(cx, first.net))) {
      if (first.net) reportOtherShapes(env, name, first, signature, callSpan);
      return undefined;
    }
  }
  const net = add(args, signature, callSpan);
  return net && { net, over: [] };
}

/** The arguments of a call that is met later, as far as an instance is made of them. */
function standIns(cx: Context, args: readonly NetArgument[], { signature, callSpan, facts }: LeastCall): readonly NetArgument[] {
  return args.map((arg, i) => {
    const type = signature[i];
    if (typeof type !== "object") return arg;
    const local: Local = { id: freshId(cx, "argument"), name: "argument", type, span: callSpan };
    cx.facts.set(local.id, { ...noFacts, ...facts[i] });
    return { kind: "tensor", expr: { kind: "local", local, type, span: callSpan } };
  });
}

function reportOtherShapes(env: Env, name: string, first: NetInstance, signature: Signature, callSpan: Span): void {
  const show = (s: Signature): string => s.map((x) => (typeof x === "string" ? x : showType(x))).join("; ");
  report(
    env.cx.diagnostics,
    "GM2041",
    callSpan,
    { name, first: show(first.signature), second: show(signature) },
    {
      labels: [{ span: first.callSpan, text: `first called with ${show(first.signature)}` }],
      help: ["a net of the model is one instance; move it out of the model to have one per call"],
    },
  );
}

export function hasWeights(cx: Context, net: Net): boolean {
  return net.weights.some((node) => {
    if (node.kind !== "net") return true;
    const inner = cx.netByName.get(node.net);
    return inner !== undefined && hasWeights(cx, inner);
  });
}

function newTemplateInstance(env: Env, entity: NetEntity, args: readonly NetArgument[], callSpan: Span): Found | undefined {
  const base = entity.decl.name.name;
  const { name, path } = newPlace(env.owner, base);
  const net = elaborateNet(env, entity, args, freshId(env.cx, base), path, callSpan);
  if (!net) return undefined;
  if (hasWeights(env.cx, net)) {
    if (refused(env, env.owner, `\`${base}\``, callSpan)) return undefined;
    env.owner.weights.push({ kind: "net", name, net: net.name });
  }
  return { net, over: [] };
}

function elaborateNet(
  env: Env,
  entity: NetEntity,
  args: readonly NetArgument[],
  name: string,
  path: string,
  callSpan: Span,
): Net | undefined {
  const { cx } = env;
  const { decl } = entity;
  const at = cx.open.findIndex((o) => o.node === decl);
  if (at >= 0) {
    const cycle = [...cx.open.slice(at).map((o) => o.name), decl.name.name];
    report(
      cx.diagnostics,
      "GM2005",
      callSpan,
      { what: "net", cycle: cycle.join(" -> ") },
      {
        labels: cx.open.slice(at + 1).map((o) => ({ span: o.span, text: `\`${o.name}\` is called here` })),
      },
    );
    return undefined;
  }
  if (cx.open.length > 200) {
    report(cx.diagnostics, "GM2023", callSpan, { problem: "nets call one another more than 200 deep" });
    return undefined;
  }
  cx.open.push({ name: decl.name.name, node: decl, span: callSpan });
  try {
    return entity.template
      ? attributed(env, decl.name.span, callSpan, (inner) => netBody(inner, entity, args, { name, path, use: callSpan }))
      : netBody(env, entity, args, { name, path });
  } finally {
    cx.open.pop();
  }
}

/** Of a net: its name, the path of its weights, and of an instance of a template where it is called. */
interface NetPlace {
  readonly name: string;
  readonly path: string;
  readonly use?: Span;
}

function netBody(env: Env, entity: NetEntity, args: readonly NetArgument[], at: NetPlace): Net | undefined {
  const { name, path, use } = at;
  const { cx } = env;
  const { decl } = entity;
  const scope = new Scope(entity.scope);
  const owner = newOwner(path);
  const inner: Env = { cx, scope, owner, access: netAccess(cx, decl), mode: "net", site: name, template: false };
  const params: Local[] = [];
  let ok = true;
  decl.params.forEach((formal, i) => {
    const arg = args[i];
    const span = formal.name.span;
    if (!arg || !checkFree(inner, formal.name.name, span, scope)) {
      ok = false;
      scope.define(formal.name.name, { kind: "poison", span });
      return;
    }
    if (arg.kind === "static") scope.define(formal.name.name, { kind: "static", what: "argument", value: arg.value, span });
    else if (arg.kind === "block") scope.define(formal.name.name, { kind: "block", ast: arg.ast, env: arg.env, span });
    else {
      const local: Local = { id: freshId(cx, `${name}.${formal.name.name}`), name: formal.name.name, type: arg.expr.type, span };
      const { classes, blocks } = factsOf(cx, arg.expr);
      cx.facts.set(local.id, { ...noFacts, classes, blocks });
      params.push(local);
      scope.define(local.name, localEntity(local));
    }
  });
  const body: Binding[] = [];
  let result: Expr | undefined;
  for (const { stmt, scope: at } of flatten(inner, decl.body, scope)) {
    const here = within(inner, at);
    if (stmt.kind === "return") result = elaborateExpr(here, stmt.value);
    else if (stmt.kind === "bind") {
      const binding = bindLocal(here, stmt, elaborateExpr(here, stmt.value), at, scope);
      if (binding) body.push(binding);
      else ok = false;
    } else ok = false; // the parser refuses draws and energies in a net
  }
  if (!result || !ok) return undefined;
  const { weights, random } = owner;
  const template = entity.template ? { template: decl.name.name, ...(use ? { use } : {}) } : {};
  const plain: Net = { name, ...template, path, params, body, result, weights, random, doc: decl.doc, span: decl.span };
  const symmetry = decl.symmetry && proveSymmetry(cx, plain, decl.symmetry);
  const net = symmetry ? { ...plain, symmetry } : plain;
  cx.facts.set(netKey(name), factsOf(cx, result));
  cx.nets.push(net);
  cx.netByName.set(name, net);
  return net;
}

/** Inside a net, variables of the model are out of reach: what it computes from is handed to it. */
function netAccess(cx: Context, decl: ast.NetDecl): Env["access"] {
  return {
    read(variable, span) {
      const params = decl.params.map((p) => p.name.name);
      const role = cx.variables.get(variable)?.role === "data" ? "a data variable" : "a latent";
      report(
        cx.diagnostics,
        "GM2053",
        span,
        { name: variable, role, net: decl.name.name },
        {
          labels: [
            {
              span: decl.name.span,
              text: `\`${decl.name.name}\` sees its parameters${params.length > 0 ? ` (${params.join(", ")})` : ""} alone`,
            },
          ],
          help: [`hand it over: \`net ${decl.name.name}(${[...params, variable.replaceAll(/[[\]]/g, "")].join(", ")}) = …\``],
        },
      );
      return undefined;
    },
  };
}
