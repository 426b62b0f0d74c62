/**
 * Objective templates match by role. `objective ELBO(p, q) = E[z ~ q(z | x)](log p(x | z) + …)` knows no names of a model: what its
 * densities are handed decides what `z` and `x` stand for.
 *
 * 1. A name that is the only one in the heads of a density, and is drawn from it or stands among the heads of another density too, stands
 *    for all of that density's head (z, of q).
 * 2. The one name that is left in the heads of another density stands for what is observed in the rest of that density's head (x, of p). Latents
 *    there must have an exact sum, which derivation then takes: units of an energy, variables of few states.
 * 3. The one name that is left behind the bars of densities, and in no head, stands for their conditions (x of q, where p has no x).
 * 4. What is left stands for the variable of the model under that name.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { membersOf } from "./density-header.js";
import type { Context, DensityHeader, Env } from "./env.js";
import type { Scope } from "./scope.js";
import { headerText } from "./slots.js";
import { finiteStates, MAX_STATES } from "./states.js";
import { walkAst } from "./walk.js";

/** How a template's body uses one of its densities. */
interface Use {
  readonly formal: string;
  readonly header: DensityHeader;
  readonly heads: string[];
  readonly givens: string[];
  /** Names that are drawn from it. */
  readonly drawn: string[];
}

export interface Roles {
  readonly roles: ReadonlyMap<string, readonly string[]>;
}

/** `densities`: the formals that were handed densities. Reports and gives undefined where the roles cannot be told. */
export function matchRoles(
  env: Env,
  body: ast.Expr,
  densities: ReadonlyMap<string, DensityHeader>,
  formals: Scope,
  callSpan: Span,
  template: string,
): Roles | undefined {
  const uses = usesOf(body, densities, formals);
  const roles = new Map<string, readonly string[]>();
  const drawnNames = new Set(uses.flatMap((u) => u.drawn));
  /** Densities that a name covers whole, by that name. */
  const owners = new Map<string, Use>();
  for (const owns of [drawsAlone, sharesAlone]) {
    for (const use of uses) {
      const only = owns(use, uses);
      if (only === undefined || owners.has(only)) continue;
      owners.set(only, use);
      roles.set(only, use.header.head);
    }
  }
  for (const use of uses) {
    if (!matchRest(env.cx, use, roles, drawnNames, callSpan, template, uses, [...owners.values()])) return undefined;
  }
  matchConditions(uses, roles);
  for (const use of uses) {
    for (const name of [...use.heads, ...use.givens]) {
      if (roles.has(name)) continue;
      const entity = env.cx.modelScope.find(name);
      const own = entity && membersOf(entity);
      if (own) roles.set(name, own);
    }
  }
  return checkCoverage(env.cx, uses, roles, callSpan, template) ? { roles } : undefined;
}

/** Rule 1: `z` of `E[z ~ q(z | x)](…)`. */
function drawsAlone({ heads: [only, ...more], drawn }: Use): string | undefined {
  return only !== undefined && more.length === 0 && drawn.includes(only) ? only : undefined;
}

/** Rule 1: `z` of `E[x, z ~ p(x, z)](log q(z | x))`. */
function sharesAlone(use: Use, uses: readonly Use[]): string | undefined {
  const [only, ...more] = use.heads;
  const shared = uses.some((u) => u !== use && only !== undefined && u.heads.includes(only) && u.heads.length > 1);
  return more.length === 0 && shared ? only : undefined;
}

/** Rule 3. */
function matchConditions(uses: readonly Use[], roles: Map<string, readonly string[]>): void {
  const heads = new Set(uses.flatMap((u) => u.heads));
  const open = new Set(uses.flatMap((u) => u.givens).filter((name) => !heads.has(name) && !roles.has(name)));
  const [only, ...more] = open;
  if (only === undefined || more.length > 0) return;
  const taken = new Set([...roles.values()].flat());
  const conditions = uses.filter((u) => u.givens.includes(only)).flatMap((u) => u.header.given);
  roles.set(
    only,
    [...new Set(conditions)].filter((v) => !taken.has(v)),
  );
}

function usesOf(body: ast.Expr, densities: ReadonlyMap<string, DensityHeader>, formals: Scope): readonly Use[] {
  const uses = new Map<string, Use>();
  const drawn = new Set<ast.CallExpr>();
  const note = (call: ast.CallExpr, names: readonly ast.DrawName[]): void => {
    const formal = call.callee.kind === "name" ? call.callee.name : undefined;
    const header = formal === undefined ? undefined : densities.get(formal);
    if (formal === undefined || !header) return;
    const use: Use = uses.get(formal) ?? { formal, header, heads: [], givens: [], drawn: [] };
    uses.set(formal, use);
    const add = (list: string[], name: string | undefined): void => {
      if (name !== undefined && formals.own(name) === undefined && !list.includes(name)) list.push(name);
    };
    call.args.forEach((arg, i) => {
      const name = nameOf(arg);
      add(use.heads, name);
      if (names[i]?.name.name === name) add(use.drawn, name);
    });
    call.given?.forEach((arg) => add(use.givens, nameOf(arg)));
  };
  walkAst(body, (e) => {
    if (e.kind === "binder") {
      for (const b of e.binders) {
        if (b.kind !== "draw" || b.source.kind !== "call") continue;
        drawn.add(b.source);
        note(b.source, b.names);
      }
    } else if (e.kind === "logDensity") note(e.density, []);
  });
  return [...uses.values()];
}

function nameOf(arg: ast.Arg): string | undefined {
  if (arg.name) return arg.name.name;
  let at = arg.value;
  while (at.kind === "index") at = at.target;
  return at.kind === "name" ? at.name : undefined;
}

/** Rule 2. */
function matchRest(
  cx: Context,
  use: Use,
  roles: Map<string, readonly string[]>,
  drawnNames: ReadonlySet<string>,
  callSpan: Span,
  template: string,
  uses: readonly Use[],
  owners: readonly Use[],
): boolean {
  const open = use.heads.filter((name) => !roles.has(name));
  if (open.length === 0) return true;
  const taken = new Set([...use.heads, ...use.givens].flatMap((name) => roles.get(name) ?? []));
  const rest = use.header.head.filter((v) => !taken.has(v));
  const observed = rest.filter((v) => cx.variables.get(v)?.role === "data");
  const hidden = rest.filter((v) => !observed.includes(v));
  const [only, ...more] = open;
  if (only === undefined) return true;
  if (more.length === 0 && rest.length === 0) {
    report(
      cx.diagnostics,
      "GM3043",
      callSpan,
      { template, density: use.header.name, roles: list(open) },
      {
        labels: uses.map((u) => ({ span: u.header.span, text: headerText(u.header) })),
        help: [`nothing of \`${use.header.name}\` is left for \`${only}\`: are the densities in order, the generative one first?`],
      },
    );
    return false;
  }
  if (more.length === 0) {
    const others = owners.filter((u) => u !== use);
    const uncovered = hidden.filter((v) => !maySumOut(cx, use.header.name, v));
    if (uncovered.length > 0 && others.length > 0) {
      const bases = uncovered.filter((v) => isBase(cx, use.header.name, v));
      const drawable = uncovered.filter((v) => !bases.includes(v));
      report(
        cx.diagnostics,
        "GM3042",
        callSpan,
        { template, density: use.header.name, role: only, hidden: list(uncovered) },
        {
          labels: [
            { span: use.header.span, text: headerText(use.header) },
            ...others.map((o) => ({ span: o.header.span, text: `covers ${list(o.header.head)}` })),
          ],
          help: [
            ...bases.map(
              (v) =>
                `\`${v}\` is what a flow makes another variable of: drop it from the latents and from the head of \`${use.header.name}\`, and the change of variables takes its place`,
            ),
            ...(drawable.length > 0
              ? [
                  `${others.map((o) => `\`${o.header.name}\``).join(" and ")} must cover every latent of \`${use.header.name}\` that has no exact sum: add ${list(drawable)} to its head`,
                ]
              : []),
          ],
        },
      );
      return false;
    }
    roles.set(only, drawnNames.has(only) ? rest : observed);
    return true;
  }
  const drawnOpen = open.filter((name) => drawnNames.has(name));
  const freeOpen = open.filter((name) => !drawnNames.has(name));
  if (drawnOpen.length === 1 && freeOpen.length === 1) {
    roles.set(drawnOpen[0] ?? "", hidden);
    roles.set(freeOpen[0] ?? "", observed);
    return true;
  }
  const byName = open.every(
    (name) => use.header.head.includes(name) || membersOf(cx.modelScope.find(name) ?? { kind: "poison", span: callSpan }) !== undefined,
  );
  if (byName) return true;
  report(
    cx.diagnostics,
    "GM3043",
    callSpan,
    { template, density: use.header.name, roles: list(open) },
    { labels: [{ span: use.header.span, text: headerText(use.header) }] },
  );
  return false;
}

/** Whether a latent that no other density draws may have an exact sum: one of few states, or one that an energy defines, which its analysis decides. */
/** A variable that a flow of the density maps to another one. */
function isBase(cx: Context, density: string, name: string): boolean {
  const statements = cx.densityByName.get(density)?.statements ?? [];
  return statements.some(
    (s) => s.kind === "define" && s.value.kind === "flowCall" && s.value.arg.kind === "variable" && s.value.arg.variable === name,
  );
}

function maySumOut(cx: Context, density: string, name: string): boolean {
  const statements = cx.densityByName.get(density)?.statements ?? [];
  const own = statements.find((s) => (s.kind === "draw" || s.kind === "define") && s.variable === name);
  if (!own) return statements.some((s) => s.kind === "energy");
  const variable = cx.variables.get(name);
  const states = variable && own.kind === "draw" ? finiteStates(variable.domain, own.dist.dist) : undefined;
  return states !== undefined && states.size <= MAX_STATES;
}

/** Latents that one density draws must be variables of the densities that are conditioned on them or evaluate them. */
function checkCoverage(
  cx: Context,
  uses: readonly Use[],
  roles: ReadonlyMap<string, readonly string[]>,
  callSpan: Span,
  template: string,
): boolean {
  for (const use of uses) {
    const all = [...use.header.head, ...use.header.given];
    for (const name of [...use.heads, ...use.givens]) {
      const extra = (roles.get(name) ?? []).filter((v) => !all.includes(v) && cx.variables.get(v)?.role !== "data");
      if (extra.length === 0) continue;
      const source = uses.find((u) => u.drawn.includes(name));
      report(
        cx.diagnostics,
        "GM3044",
        callSpan,
        { template, density: use.header.name, extra: list(extra), source: source ? source.header.name : template },
        {
          labels: [
            { span: use.header.span, text: headerText(use.header) },
            ...(source ? [{ span: source.header.span, text: `draws ${list(extra)}` }] : []),
          ],
          help: [`add ${list(extra)} to the head of \`${use.header.name}\`, or remove it from \`${source?.header.name ?? template}\``],
        },
      );
      return false;
    }
    const bound = new Set([...roles.values()].flat());
    const stray = use.header.given.find((v) => cx.variables.get(v)?.role !== "data" && !bound.has(v));
    if (stray !== undefined) {
      report(
        cx.diagnostics,
        "GM3045",
        callSpan,
        { template, density: use.header.name, variable: stray },
        { labels: [{ span: use.header.span, text: headerText(use.header) }] },
      );
      return false;
    }
  }
  return true;
}

function list(names: readonly string[]): string {
  return names.map((n) => `\`${n}\``).join(", ");
}
