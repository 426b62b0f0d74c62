/**
 * Bodies of densities: each variable of the head drawn, defined or covered by an energy, once and in order; what is conditioned on is not drawn;
 * names used only after they have a value.
 */
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { bindLocal, checkFree, flatten, type FlatStatement, targetIndex } from "./body.js";
import { declaredSide } from "./flow-chain.js";
import { sizes } from "./flow-onto.js";
import { densityHeader } from "./density-header.js";
import { type Drawn, elaborateDist } from "./dist-call.js";
import { checkDefined } from "./dist-domain.js";
import { distributions } from "./distributions.js";
import { bijections, showSide } from "./flows.js";
import { type Context, type DensityHeader, type Env, freshId, newOwner, within } from "./env.js";
import { elaborateExpr } from "./expr.js";
import { memberOf } from "./indexing.js";
import { writtenOut } from "./inline-nets.js";
import { type Entity, Scope } from "./scope.js";
import { declaredHeader, headerText } from "./slots.js";
import { shapeHelp } from "./shape-help.js";
import { broadcastsTo, sameShape, showDomain, showShape, showType } from "./shapes.js";
import type { Density, DensityStatement, Dim, DistCall, DomainName, Expr, Variable } from "./types.js";
import { reportValueless } from "./valueless.js";
import { distExprs, walkExpr } from "./walk.js";

/** Where a variable of the header stands while its body is read. */
interface Progress {
  readonly header: DensityHeader;
  /** Variables with a value, and the place where they got it. */
  readonly known: Map<string, Span>;
  /** Where each variable is drawn or defined, found before the body is read. */
  readonly planned: ReadonlyMap<string, Span>;
  /** Those of them that are drawn. */
  readonly draws: ReadonlySet<string>;
  /** The whole statement of each. */
  readonly statements: ReadonlyMap<string, Span>;
  /** Covered by energies; known from the first energy on. */
  readonly byEnergy: ReadonlySet<string>;
  readonly firstEnergy: Span | undefined;
  /** The variable whose distribution is being read: its parameters may read it, which the derivation proves or refuses. */
  drawing: string | undefined;
  /** The variable that is being defined. */
  defining: string | undefined;
  energySeen: boolean;
  /** While a binding is read: the first variable that it reads and that has no value yet, and where. */
  binding: { reads: Early | undefined } | undefined;
  /**
   * Bindings that read a variable which has no value yet, by their local: the energies that define it may read them, and the parameters of the
   * variable itself; nothing else above it may.
   */
  readonly early: Map<string, Early>;
  /** Of those, what they are bound to. */
  readonly bindings: Map<string, Expr>;
  /** The body disagrees with the header about what the density is over: nothing more is said where it is used. */
  unreliable: boolean;
  /** Variables that the body reads and the header does not have, each with its first place: told together, so that one header takes them all in. */
  readonly outside: Map<string, Span>;
}

interface Early {
  readonly variable: string;
  readonly span: Span;
}

export function elaborateDensity(cx: Context, decl: ast.DensityDecl): Density | undefined {
  const header = densityHeader(cx, decl);
  if (!header) return undefined;
  const scope = new Scope(cx.modelScope);
  const owner = newOwner(header.name);
  const base = { cx, scope, owner, mode: "density", site: header.name, template: false } as const;
  const flat = flatten({ ...base, access: unreadable }, decl.body, scope);
  const plan = planOf({ ...base, access: unreadable }, flat, header);
  const byEnergy = new Set(plan.energies.length > 0 ? header.head.filter((v) => !plan.defined.has(v)) : []);
  const progress: Progress = {
    header,
    known: new Map(header.given.map((v) => [v, header.span])),
    planned: plan.defined,
    draws: plan.draws,
    statements: plan.statements,
    byEnergy,
    firstEnergy: plan.energies[0],
    drawing: undefined,
    defining: undefined,
    energySeen: false,
    binding: undefined,
    early: new Map(),
    bindings: new Map(),
    unreliable: false,
    outside: new Map(),
  };
  const env: Env = { ...base, access: densityAccess(cx, progress) };
  const statements: DensityStatement[] = [];
  let ok = !plan.broken;
  flat.forEach((item, i) => {
    const statement = elaborateStatement(env, item, progress, () => flat.slice(i + 1));
    if (statement === undefined) ok = false;
    else statements.push(statement);
  });
  reportOutside(cx, progress);
  for (const variable of header.head) {
    if (plan.defined.has(variable) || byEnergy.has(variable) || plan.broken) continue;
    reportValueless(cx, header, variable, flat);
    ok = false;
  }
  if (progress.unreliable) cx.headers.set(decl, null);
  if (!ok) return undefined;
  return { name: header.name, head: header.head, given: header.given, statements, weights: owner.weights, doc: decl.doc, span: decl.span };
}

function reportOutside(cx: Context, { header, outside, firstEnergy }: Progress): void {
  const them = [...outside.keys()];
  const text = (head: readonly string[], given: readonly string[]): string =>
    `\`density ${declaredHeader(cx.modelScope, header.name, head, given)}\``;
  const it = them.length === 1 ? "it" : `${them.slice(0, -1).join(", ")} and ${them.at(-1)}`;
  const help = [
    ...(firstEnergy ? [`let the energy define ${it} too: ${text([...header.head, ...them], header.given)}`] : []),
    `${firstEnergy ? "or " : ""}condition on ${it}: ${text(header.head, [...header.given, ...them])}`,
  ];
  for (const [variable, span] of outside) {
    const role = cx.variables.get(variable)?.role === "data" ? "a data variable" : "a latent";
    report(
      cx.diagnostics,
      "GM3027",
      span,
      { variable, role, density: header.name },
      { labels: [{ span: header.span, text: "its header" }], help },
    );
  }
}

const unreadable: Env["access"] = { read: () => undefined };

/** What each statement defines, before anything is elaborated. */
function planOf(
  env: Env,
  flat: readonly FlatStatement[],
  header: DensityHeader,
): {
  readonly defined: Map<string, Span>;
  readonly draws: ReadonlySet<string>;
  readonly statements: ReadonlyMap<string, Span>;
  readonly energies: readonly Span[];
  readonly broken: boolean;
} {
  const defined = new Map<string, Span>();
  const draws = new Set<string>();
  const statements = new Map<string, Span>();
  const energies: Span[] = [];
  let broken = false;
  const head = new Set(header.head);
  for (const { stmt, scope } of flat) {
    if (stmt.kind === "energy") energies.push(stmt.span);
    if (stmt.kind !== "draw" && stmt.kind !== "bind") continue;
    const variable = targetVariable(within(env, scope), stmt.target, false);
    if (variable === "broken") broken = true;
    else if (variable && head.has(variable.name) && !defined.has(variable.name)) {
      defined.set(variable.name, stmt.target.span);
      statements.set(variable.name, stmt.span);
      if (stmt.kind === "draw") draws.add(variable.name);
    }
  }
  return { defined, draws, statements, energies, broken };
}

/** The variable of the model that a target names; undefined where it names none. */
function targetVariable(env: Env, target: ast.Target, quiet: boolean): Variable | undefined | "broken" {
  const entity = env.cx.modelScope.find(target.name.name);
  if (entity?.kind === "poison") return "broken";
  if (entity?.kind === "variable" && target.indices.length === 0) return entity.variable;
  if (entity?.kind !== "family" || (entity.what !== "data" && entity.what !== "latent")) return undefined;
  if (target.indices.length === 0) {
    if (!quiet)
      report(env.cx.diagnostics, "GM2045", target.span, {
        name: target.name.name,
        members: [...entity.members.keys()].map((i) => `\`${target.name.name}[${i}]\``).join(", "),
      });
    return "broken";
  }
  const [index] = target.indices;
  const member = index && target.indices.length === 1 ? memberOf(env, entity, target.name.name, index, target.span) : undefined;
  if (target.indices.length > 1) targetIndex(env, target);
  return member?.kind === "variable" ? member.variable : "broken";
}

function elaborateStatement(
  env: Env,
  item: FlatStatement,
  progress: Progress,
  later: () => readonly FlatStatement[],
): DensityStatement | undefined {
  const { stmt } = item;
  const here = within(env, item.scope);
  switch (stmt.kind) {
    case "draw":
      return elaborateDraw(here, stmt, item, progress, later);
    case "bind": {
      const variable = targetVariable(here, stmt.target, true);
      if (variable === "broken") return undefined;
      if (variable) return elaborateDefine(here, stmt, variable, progress);
      const found: NonNullable<Progress["binding"]> = { reads: undefined };
      progress.binding = found;
      const binding = bindLocal(here, stmt, boundValue(here, stmt), item.scope, env.scope);
      progress.binding = undefined;
      if (!binding) return undefined;
      const reads = found.reads ?? earlyIn([binding.value], progress);
      if (reads !== undefined && !hasValue(progress, reads.variable)) {
        progress.early.set(binding.local.id, reads);
        progress.bindings.set(binding.local.id, binding.value);
      }
      return { kind: "bind", binding };
    }
    case "energy": {
      progress.energySeen = true;
      const value = elaborateExpr(here, stmt.value);
      if (!value) return undefined;
      if (value.type.kind === "record" || value.type.shape.length > 0) {
        report(env.cx.diagnostics, "GM3003", stmt.value.span, { found: showType(value.type) }, { help: ["`sum(…)` adds up its entries"] });
        return undefined;
      }
      return { kind: "energy", value: writtenOut(env.cx, value), span: stmt.span };
    }
    case "return":
      return undefined; // refused by the parser
  }
}

/** The value of `x = …`; in `x = Normal(0, 1)` a draw is meant. */
function boundValue(env: Env, { target, value }: ast.BindStmt): Expr | undefined {
  const callee = value.kind === "call" && value.callee.kind === "name" ? value.callee : undefined;
  if (!callee || !distributions.has(callee.name) || env.scope.find(callee.name)) return elaborateExpr(env, value);
  const help = [`draw it: \`${textOf(target.span)} ~ ${callee.name}(…)\``];
  report(env.cx.diagnostics, "GM3009", callee.span, { name: callee.name }, { help });
  return undefined;
}

function hasValue({ known, byEnergy, energySeen }: Progress, variable: string): boolean {
  return known.has(variable) || (byEnergy.has(variable) && energySeen);
}

/** The first binding among what expressions read that has no value yet. `own`: a variable whose parameters they are. */
function earlyIn(exprs: readonly Expr[], progress: Progress, own?: string): Early | undefined {
  if (progress.early.size === 0) return undefined;
  let found: Early | undefined;
  for (const expr of exprs)
    walkExpr(expr, (e) => {
      const early = e.kind === "local" ? progress.early.get(e.local.id) : undefined;
      if (early && early.variable !== own && !hasValue(progress, early.variable)) found ??= { variable: early.variable, span: e.span };
    });
  return found;
}

/** What is drawn or defined reads nothing that gets its value later, not through bindings either; a variable's parameters may read itself. */
function readsNoLater(cx: Context, exprs: readonly Expr[], progress: Progress, own?: string): boolean {
  const early = earlyIn(exprs, progress, own);
  if (early) usedTooSoon(cx, early.variable, early.span, progress, own);
  return early === undefined;
}

/** A binding that reads a variable above its draw is one of its parameters; what is not stands in the wrong place. */
function usedByDraw(cx: Context, variable: string, exprs: readonly Expr[], progress: Progress): boolean {
  const waiting = new Map([...progress.early].filter(([, early]) => early.variable === variable));
  const through = (expr: Expr): void =>
    walkExpr(expr, (e) => {
      if (e.kind !== "local" || !waiting.delete(e.local.id)) return;
      const value = progress.bindings.get(e.local.id);
      if (value) through(value);
    });
  exprs.forEach(through);
  const [unused] = waiting.values();
  if (unused) usedTooSoon(cx, variable, unused.span, progress);
  return unused === undefined;
}

/** `own`: the variable whose statement reads it. */
function usedTooSoon(cx: Context, variable: string, span: Span, progress: Progress, own?: string): void {
  const at = progress.planned.get(variable) ?? progress.firstEnergy;
  // what never gets a value is told at the header
  if (!at) return;
  const other = progress.statements.get(variable);
  const circle = own !== undefined && other !== undefined && reads(other, own);
  report(
    cx.diagnostics,
    "GM3029",
    span,
    { variable },
    {
      labels: [{ span: at, text: circle ? `it gets its value here, and reads \`${own}\`` : "it gets its value here" }],
      help: circle
        ? [`neither can come first: let one of \`${own}\` and \`${variable}\` be drawn without the other`]
        : ["statements run from top to bottom: move this one down"],
    },
  );
}

/** Whether a statement names a variable, which is enough for a help. */
function reads({ file, start, end }: Span, variable: string): boolean {
  const words = file.text.slice(start, end).match(/[\p{L}_][\p{L}\p{N}_]*/gu) ?? [];
  return words.slice(1).includes(variable.replace(/\[.*$/u, ""));
}

/** Checks that `variable` may get its value here, and notes that it has. */
function settle(env: Env, variable: Variable, target: ast.Target, progress: Progress): boolean {
  const { header } = progress;
  if (header.given.includes(variable.name)) {
    report(
      env.cx.diagnostics,
      "GM3004",
      target.span,
      { variable: variable.name, density: header.name },
      { labels: [{ span: header.span, text: `${headerText(header)}: it is given` }] },
    );
    return false;
  }
  if (!header.head.includes(variable.name)) {
    progress.unreliable = true;
    progress.known.set(variable.name, target.span);
    report(
      env.cx.diagnostics,
      "GM3005",
      target.span,
      { variable: variable.name, density: header.name },
      {
        labels: [{ span: header.span, text: "its header" }],
        help: [
          `add it: \`density ${declaredHeader(env.cx.modelScope, header.name, [...header.head, variable.name], header.given)}\`, or use a name that is no variable of the model`,
        ],
      },
    );
    return false;
  }
  const before = progress.known.get(variable.name);
  if (before) {
    report(
      env.cx.diagnostics,
      "GM3028",
      target.span,
      { variable: variable.name },
      { labels: [{ span: before, text: "it has a value from here on" }] },
    );
    return false;
  }
  progress.known.set(variable.name, target.span);
  return true;
}

function elaborateDraw(
  env: Env,
  stmt: ast.DrawStmt,
  item: FlatStatement,
  progress: Progress,
  later: () => readonly FlatStatement[],
): DensityStatement | undefined {
  const variable = targetVariable(env, stmt.target, true);
  if (variable === "broken") return undefined;
  if (!variable) return elaborateHelper(env, stmt, item, progress, later);
  progress.drawing = variable.name;
  const drawn = elaborateDist(env, stmt.dist, variable);
  progress.drawing = undefined;
  const exprs = drawn ? distExprs(drawn.dist) : [];
  const totals = drawn ? ownSums(drawn.dist) : [];
  const isInOrder =
    readsNoLater(env.cx, totals, progress) &&
    readsNoLater(env.cx, exprs, progress, variable.name) &&
    (!drawn || usedByDraw(env.cx, variable.name, exprs, progress));
  if (!settle(env, variable, stmt.target, progress) || !drawn || !isInOrder) return undefined;
  return { kind: "draw", variable: variable.name, dist: drawn.dist, helper: false, span: stmt.span };
}

/** Parameters that may be the sum of the variable, as it stands. */
function ownSums({ dist, params }: DistCall): readonly Expr[] {
  const names = (distributions.get(dist)?.parameters ?? []).flat().flatMap((p) => (p.ownSum ? [p.runtime ?? p.name] : []));
  return Object.entries(params).flatMap(([name, expr]) => (names.includes(name) ? [expr] : []));
}

function elaborateDefine(env: Env, stmt: ast.BindStmt, variable: Variable, progress: Progress): DensityStatement | undefined {
  progress.defining = variable.name;
  const value = boundValue(env, stmt);
  progress.defining = undefined;
  if (!settle(env, variable, stmt.target, progress) || !value || !readsNoLater(env.cx, [value], progress)) return undefined;
  if (value.type.kind === "record" || !sameShape(value.type.shape, variable.domain.shape)) {
    const { shape } = variable.domain;
    const repeats = value.type.kind === "tensor" && broadcastsTo(value.type.shape, shape);
    report(
      env.cx.diagnostics,
      "GM2003",
      stmt.value.span,
      { what: `the value of \`${variable.name}\``, expected: showShape(variable.domain.shape), found: showType(value.type) },
      {
        labels: [{ span: variable.span, text: `\`${variable.name}\` is ${showDomain(variable.domain)}` }],
        help: repeats
          ? [`where all entries are meant to be alike: \`${textOf(stmt.value.span)} + zeros(${shape.map((d) => d.text).join(", ")})\``]
          : value.kind === "flowCall" && value.type.kind === "tensor"
            ? [`declare what the flow ends in: \`${variable.name} : ${variable.domain.name}${sizes(value.type)}\``]
            : shapeHelp(env, value, shape, (s) => sameShape(s, shape)),
      },
    );
    return undefined;
  }
  if (!flowsMeet(env, value, variable)) return undefined;
  if (value.kind !== "flowCall") checkDefined(env, value, variable);
  return { kind: "define", variable: variable.name, value, span: stmt.span };
}

/** A flow maps between domains: that of the variable which it gives, and that of the one which it is applied to. */
function flowsMeet({ cx }: Env, value: Expr, variable: Variable): boolean {
  const flow = value.kind === "flowCall" ? cx.flowByName.get(value.flow) : undefined;
  if (value.kind !== "flowCall" || !flow) return true;
  const [from, to] = value.direction === "forward" ? [flow.from, flow.to] : [flow.to, flow.from];
  const labels = [{ span: variable.span, text: `\`${variable.name}\` is ${showDomain(variable.domain)}` }];
  const { name: domain } = variable.domain;
  if (domain !== to.domain) {
    const discrete = ["binary", "category", "count", "byte"].includes(domain);
    if (discrete)
      report(
        cx.diagnostics,
        "GM3705",
        value.span,
        { variable: variable.name, domain: showDomain(variable.domain), flow: flow.name },
        { labels, help: discreteHelp(variable) },
      );
    else
      report(
        cx.diagnostics,
        "GM3704",
        value.span,
        { variable: variable.name, domain: showDomain(variable.domain), flow: flow.name, to: showSide(to) },
        { labels, help: ontoHelp(to.domain, domain) },
      );
    return false;
  }
  const source = value.arg.kind === "variable" ? cx.variables.get(value.arg.variable) : undefined;
  if (!source || source.domain.name === from.domain) return true;
  report(
    cx.diagnostics,
    "GM3703",
    value.arg.span,
    { variable: source.name, domain: showDomain(source.domain), flow: flow.name, from: showSide(from) },
    {
      labels: [{ span: source.span, text: `\`${source.name}\` is ${showDomain(source.domain)}` }],
      help: fromHelp(source.domain.name, from.domain),
    },
  );
  return false;
}

const discreteHelp = ({ domain }: Variable): readonly string[] =>
  domain.name === "byte"
    ? ["end the flow in noise: `… |> sigmoid |> dequantize`, and log p is bounded from below (Theis et al. 2016)"]
    : [
        "a flow gives real, positive or unit variables; a discrete one is drawn: `x ~ Bernoulli(logits = decoder(z))`",
        `or bound log p from below: declare it \`byte\` and end the flow in \`… |> sigmoid |> dequantize(levels = ${domain.name === "binary" ? 2 : (domain.classes?.size ?? 256)})\``,
      ];

function ontoHelp(found: string, wanted: string): readonly string[] {
  const last = [...bijections.values()].find((b) => b.takes?.includes(found as DomainName) && b.ends === wanted);
  return last ? [`end the flow in a bijection onto it: \`… |> ${last.name}\``] : [`declare the variable \`${found}\``];
}

function fromHelp(found: string, wanted: string): readonly string[] {
  const first = [...bijections.values()].find((b) => b.takes?.includes(found as DomainName) && b.ends === wanted);
  return first ? [`begin the flow in a bijection from it: \`${first.name} |> …\``] : [`draw it from a distribution over \`${wanted}\``];
}

/** `z0 ~ Normal(0, 1)` of a name that is no variable of the model: a variable of this density alone. */
function elaborateHelper(
  env: Env,
  stmt: ast.DrawStmt,
  item: FlatStatement,
  progress: Progress,
  later: () => readonly FlatStatement[],
): DensityStatement | undefined {
  const { cx } = env;
  const index = stmt.target.indices.length > 0 ? targetIndex(env, stmt.target) : undefined;
  if (stmt.target.indices.length > 0 && index === undefined) return undefined;
  const written = stmt.target.name.name;
  const taken = cx.modelScope.find(written);
  if (taken && taken.kind !== "poison" && !checkFree(env, written, stmt.target.span, new Scope(cx.modelScope))) return undefined;
  const drawn = elaborateDist(env, stmt.dist, undefined);
  const name = index === undefined ? written : `${written}[${index}]`;
  const place = index === undefined ? item.scope : env.scope;
  const existing = place.own(written);
  if (existing && (index === undefined || existing.kind !== "family")) {
    report(
      cx.diagnostics,
      "GM2002",
      stmt.target.span,
      { what: "name", name: written },
      { labels: [{ span: existing.span, text: "first here" }] },
    );
    return undefined;
  }
  const shape = drawn && (drawn.shape.length > 0 ? drawn.shape : shapeFromUse(env, written, later()));
  const variable = drawn && shape && helperVariable(cx, progress.header.name, name, drawn, shape, stmt.target.span);
  const entity: Entity = variable ? { kind: "variable", variable, span: stmt.target.span } : { kind: "poison", span: stmt.target.span };
  if (index === undefined) place.define(written, entity);
  else if (existing?.kind === "family") (existing.members as Map<number, Entity>).set(index, entity);
  else place.define(written, { kind: "family", what: "latent", members: new Map([[index, entity]]), span: stmt.target.span });
  if (!variable || !drawn || !readsNoLater(cx, distExprs(drawn.dist), progress)) return undefined;
  progress.known.set(variable.name, stmt.target.span);
  return { kind: "draw", variable: variable.name, dist: drawn.dist, helper: true, span: stmt.span };
}

function helperVariable(cx: Context, density: string, written: string, drawn: Drawn, shape: readonly Dim[], span: Span): Variable {
  const name = cx.variables.has(written) ? freshId(cx, `${density}.${written}`) : written;
  const [domain = "real"] = (drawn.dist.of && distributions.get(drawn.dist.of.dist)?.domains) ?? drawn.entry.domains;
  const variable: Variable = {
    name,
    role: "helper",
    domain: { name: domain, classes: drawn.classes, shape, optional: false, atMostOne: undefined },
    doc: undefined,
    span,
  };
  cx.variables.set(name, variable);
  return variable;
}

/**
 * A helper drawn from scalars takes its shape from its use: what a flow is declared on, else the variable that a flow or net makes of it,
 * `z = f(z0)`, through names that are bound on the way.
 */
function shapeFromUse(env: Env, name: string, later: readonly FlatStatement[]): readonly Dim[] {
  for (const [i, { stmt }] of later.entries()) {
    if (stmt.kind !== "bind") continue;
    const callee = calleeOn(stmt.value, name);
    if (callee === undefined) continue;
    const entity = env.scope.find(callee);
    if (entity?.kind === "flow" && entity.decl.domain)
      return declaredSide({ ...env, scope: entity.scope }, entity.decl.domain)?.shape ?? [];
    const target = targetVariable(env, stmt.target, true);
    if (target && target !== "broken") return target.domain.shape;
    return shapeFromUse(env, stmt.target.name.name, later.slice(i + 1));
  }
  return [];
}

/** `f` of `f(z0)`, `g(f(z0))`, `z0 |> f`: what a name is handed to first. */
function calleeOn(expr: ast.Expr, name: string): string | undefined {
  const nameOf = (e: ast.Expr): string | undefined =>
    e.kind === "name" ? e.name : e.kind === "call" && e.callee.kind === "name" ? e.callee.name : undefined;
  if (expr.kind === "pipe") {
    const left = expr.left;
    return left.kind === "name" && left.name === name ? nameOf(expr.right) : calleeOn(left, name);
  }
  if (expr.kind !== "call") return undefined;
  if (expr.args.some((a) => a.value.kind === "name" && a.value.name === name)) return nameOf(expr);
  return expr.args.map((a) => calleeOn(a.value, name)).find((c) => c !== undefined);
}

function densityAccess(cx: Context, progress: Progress): Env["access"] {
  return {
    readable: (variable) => hasValue(progress, variable),
    read(variable, span) {
      const { header } = progress;
      if (hasValue(progress, variable) || progress.drawing === variable) return { samples: undefined };
      if (progress.binding && (progress.byEnergy.has(variable) || progress.draws.has(variable))) {
        progress.binding.reads ??= { variable, span };
        return { samples: undefined };
      }
      if (progress.defining === variable) {
        const help = [
          `draw it: the parameters of \`${variable} ~ …\` may read \`${variable}\` through a net that is proven autoregressive`,
        ];
        report(cx.diagnostics, "GM3018", span, { variable, density: header.name }, { help });
        return undefined;
      }
      if (!header.head.includes(variable)) {
        progress.unreliable = true;
        if (!progress.outside.has(variable)) progress.outside.set(variable, span);
        return undefined;
      }
      usedTooSoon(cx, variable, span, progress, progress.drawing ?? progress.defining);
      return undefined;
    },
  };
}
