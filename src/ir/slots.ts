/**
 * Densities as they are called in objectives: `log p(x, z | y)`, and `q(z | x)` as the source of an `E`. Slots are matched by the names of
 * variables. Inside a template, a density's own conditions are added where they are not named, and conditions that a density does not have
 * are dropped: that is matching by role.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { asksForCurve } from "./curves.js";
import { densityHeader } from "./density-header.js";
import type { DensityHeader, Env } from "./env.js";
import { elaborateExpr, readVariable } from "./expr.js";
import { chain, memberOf } from "./indexing.js";
import { objectiveSample } from "./samples.js";
import { describe, type Entity, type Scope } from "./scope.js";
import { broadcastsTo, scalarType, showShape, showType } from "./shapes.js";
import type { Dim, Expr, LogDensityExpr, SampleIndex, Slot } from "./types.js";
import { reportUnknownName } from "./unknown.js";

/** Head slots that are read, head slots that are about to be bound, conditions. */
type SlotMode = "read" | "bind" | "given";

/** What a name in a slot stands for: variables of the model, or a bound name that renames one. */
export interface SlotName {
  readonly variable: string;
  readonly sample: SampleIndex | undefined;
  readonly local: Extract<Entity, { kind: "local" }> | undefined;
  readonly span: Span;
}

export interface DensityCall {
  readonly header: DensityHeader;
  readonly head: readonly Slot[];
  readonly given: readonly Slot[];
}

export function elaborateLogDensity(env: Env, expr: ast.LogDensityExpr): Expr | undefined {
  if (env.mode !== "objective") {
    report(
      env.cx.diagnostics,
      "GM3024",
      expr.span,
      { where: env.mode },
      { help: ["log-densities belong in objectives, `train` and `evaluate`"] },
    );
    return undefined;
  }
  const header = densityOf(env, expr.density.callee);
  if (header && asksForCurve(env, header, expr)) return undefined;
  const call = header && densityCall(env, expr.density, "read");
  if (!call) return undefined;
  const out: LogDensityExpr = {
    kind: "logDensity",
    density: call.header.name,
    head: call.head,
    given: call.given,
    type: scalarType,
    span: expr.span,
  };
  return out;
}

/** The density that a call names; reports where it is none. */
export function densityOf(env: Env, callee: ast.CallExpr["callee"]): DensityHeader | undefined {
  const name = callee.kind === "name" ? callee.name : undefined;
  const entity = name === undefined ? undefined : env.scope.find(name);
  if (entity?.kind === "density") return densityHeader(env.cx, entity.decl);
  if (entity?.kind === "poison") return undefined;
  const isDensity = (e: Entity): boolean => e.kind === "density";
  if (name !== undefined && entity === undefined) reportUnknownName(env, name, callee.span, isDensity, [], "density");
  else
    report(env.cx.diagnostics, "GM2007", callee.span, {
      name: name ?? "this",
      what: entity ? describe(entity) : "no name",
      expected: "a density",
    });
  return undefined;
}

/**
 * `p(x, z | y)`. With `bind`, head slots are not read (they are about to be bound) and may hold no values.
 */
export function densityCall(env: Env, call: ast.CallExpr, head: "read" | "bind"): DensityCall | undefined {
  const header = densityOf(env, call.callee);
  if (!header) return undefined;
  const all = [...header.head, ...header.given];
  const heads = slotsOf(env, header, call.args, all, head);
  const givens = slotsOf(env, header, call.given ?? [], all, "given");
  if (!heads || !givens) return undefined;
  const stray = heads.find((s) => !header.head.includes(s.variable));
  if (stray) {
    report(
      env.cx.diagnostics,
      "GM3023",
      stray.value.span,
      { density: header.name, variable: stray.variable },
      { labels: [{ span: header.span, text: "its header" }], help: [`write it after \`|\`: \`${header.name}(… | ${stray.variable})\``] },
    );
    return undefined;
  }
  const both = heads.find((s) => givens.some((g) => g.variable === s.variable));
  if (both) {
    report(env.cx.diagnostics, "GM3025", both.value.span, { variable: both.variable, density: header.name });
    return undefined;
  }
  const given = completeGivens(env, header, givens, call.span);
  return given && { header, head: heads, given };
}

/** `a` of `a[2]` */
const familyOf = (name: string): string => name.replace(/\[\d+\]$/u, "");

/** As one would write them: `a` for `a[1], a[2], a[3]` where these are all that `a` has. */
function wholeFamilies(env: Env, names: readonly string[]): readonly string[] {
  return names.flatMap((name, i) => {
    const family = familyOf(name);
    const entity = env.scope.find(family);
    const members = names.filter((n) => n !== n.replace(/\[\d+\]$/u, "") && familyOf(n) === family);
    if (name === family || entity?.kind !== "family" || members.length !== entity.members.size) return [name];
    return names.findIndex((n) => familyOf(n) === family) === i ? [family] : [];
  });
}

/** A density's conditions must be given; in a template they are added by name. */
function completeGivens(env: Env, header: DensityHeader, givens: readonly Slot[], span: Span): readonly Slot[] | undefined {
  const missing = header.given.filter((v) => !givens.some((g) => g.variable === v));
  if (missing.length === 0) return givens;
  if (!env.template) {
    report(
      env.cx.diagnostics,
      "GM3022",
      span,
      {
        density: header.name,
        missing: wholeFamilies(env, missing)
          .map((m) => `\`${m}\``)
          .join(", "),
      },
      {
        labels: [{ span: header.span, text: "its header" }],
        help: [`write \`${header.name}(… | ${wholeFamilies(env, [...givens.map((g) => g.variable), ...missing]).join(", ")})\``],
      },
    );
    return undefined;
  }
  const added: Slot[] = [];
  for (const variable of missing) {
    const value = readVariable(env, variable, undefined, span);
    if (!value) return undefined;
    added.push({ variable, value });
  }
  return [...givens, ...added];
}

function slotsOf(
  env: Env,
  header: DensityHeader,
  args: readonly ast.Arg[],
  all: readonly string[],
  mode: SlotMode,
): readonly Slot[] | undefined {
  const slots: Slot[] = [];
  let ok = true;
  for (const arg of args) {
    const found = arg.name ? namedSlot(env, header, arg, arg.name, all) : positionalSlots(env, header, arg, all, mode);
    if (!found) {
      ok = false;
      continue;
    }
    for (const slot of found) {
      if (slots.some((s) => s.variable === slot.variable)) {
        report(env.cx.diagnostics, "GM2027", arg.span, { what: `\`${header.name}\``, name: slot.variable });
        ok = false;
      } else slots.push(slot);
    }
  }
  return ok ? slots : undefined;
}

/** `x = e` */
function namedSlot(env: Env, header: DensityHeader, arg: ast.Arg, name: ast.Ident, all: readonly string[]): readonly Slot[] | undefined {
  const entity = env.scope.find(name.name);
  const variable =
    entity?.kind === "variable"
      ? entity.variable.name
      : entity?.kind === "role" && entity.variables.length === 1
        ? entity.variables[0]
        : undefined;
  if (variable === undefined || !all.includes(variable)) {
    notOf(env, header, name.name, name.span, all);
    return undefined;
  }
  const value = elaborateExpr(env, arg.value);
  const shape = env.cx.variables.get(variable)?.domain.shape ?? [];
  if (!value) return undefined;
  if (value.type.kind === "record" || !broadcastsTo(value.type.shape, shape)) {
    report(env.cx.diagnostics, "GM2003", arg.value.span, {
      what: `\`${variable}\` of \`${header.name}\``,
      expected: showShape(shape),
      found: showType(value.type),
    });
    return undefined;
  }
  return [{ variable, value }];
}

function positionalSlots(
  env: Env,
  header: DensityHeader,
  arg: ast.Arg,
  all: readonly string[],
  mode: SlotMode,
): readonly Slot[] | undefined {
  const names = slotNames(env, arg.value);
  if (!names) return undefined;
  const slots: Slot[] = [];
  for (const name of names) {
    if (!all.includes(name.variable)) {
      // q(z | x) of a template, where q is not conditioned on the observed x
      if (env.template && mode === "given" && env.cx.variables.get(name.variable)?.role === "data") continue;
      notOf(env, header, name.variable, name.span, all);
      return undefined;
    }
    const value = slotValue(env, name, mode);
    if (!value) return undefined;
    slots.push({ variable: name.variable, value });
  }
  return slots;
}

function slotValue(env: Env, name: SlotName, mode: SlotMode): Expr | undefined {
  if (name.local)
    return {
      kind: "local",
      local: name.local.local,
      ...(name.sample ? { sample: name.sample } : {}),
      type: name.local.local.type,
      span: name.span,
    };
  if (mode !== "bind") return readVariable(env, name.variable, name.sample, name.span);
  const domain = env.cx.variables.get(name.variable)?.domain;
  return (
    domain && {
      kind: "variable",
      variable: name.variable,
      sample: undefined,
      type: { kind: "tensor", element: domain.name === "category" ? "int" : "real", shape: domain.shape },
      span: name.span,
    }
  );
}

function notOf(env: Env, header: DensityHeader, name: string, span: Span, all: readonly string[]): void {
  report(
    env.cx.diagnostics,
    "GM3021",
    span,
    { density: header.name, variable: name, header: headerText(header) },
    { labels: [{ span: header.span, text: "its header" }], help: didYouMeanHelp(name, all) },
  );
}

/** A header with these variables, as a file writes it: families by their name. */
export function declaredHeader(scope: Scope, name: string, head: readonly string[], given: readonly string[]): string {
  const written = (names: readonly string[]): string =>
    [...new Set(names.map((n) => (scope.find(familyOf(n))?.kind === "family" ? familyOf(n) : n)))].join(", ");
  return headerText({ name, head: [written(head)], given: given.length > 0 ? [written(given)] : [] });
}

export function headerText(header: Pick<DensityHeader, "name" | "head" | "given">): string {
  return `${header.name}(${header.head.join(", ")}${header.given.length > 0 ? ` | ${header.given.join(", ")}` : ""})`;
}

/** The variables that an argument without a name stands for: `z`, `h` (a family, whole), `h[2]`, `z[i]`. */
export function slotNames(env: Env, expr: ast.Expr): readonly SlotName[] | undefined {
  const { base, indices } = expr.kind === "index" ? chain(expr) : { base: expr, indices: [] };
  if (base.kind !== "name") {
    report(env.cx.diagnostics, "GM3026", expr.span, {}, { help: ["to evaluate the density elsewhere, name the variable: `log p(x = e)`"] });
    return undefined;
  }
  const entity = env.scope.find(base.name);
  if (entity === undefined) {
    reportUnknownName(env, base.name, base.span, (e) => e.kind === "variable" || e.kind === "family" || e.kind === "role", [], "variable");
    return undefined;
  }
  return entityNames(env, entity, base.name, indices, expr.span);
}

function entityNames(
  env: Env,
  entity: Entity,
  name: string,
  indices: readonly (ast.Expr | ast.RangeExpr)[],
  span: Span,
): readonly SlotName[] | undefined {
  const [first, ...rest] = indices;
  switch (entity.kind) {
    case "poison":
      return undefined;
    case "variable":
    case "role": {
      const variables = entity.kind === "variable" ? [entity.variable.name] : entity.variables;
      const sample = sampleOf(env, variables[0] === undefined ? undefined : env.access.samples?.(variables[0]), first, name, span);
      return sample === "wrong"
        ? undefined
        : rest.length > 0 || (first !== undefined && sample === undefined)
          ? wrongSlot(env, span)
          : variables.map((variable) => ({ variable, sample, local: undefined, span }));
    }
    case "local": {
      if (entity.of === undefined) return wrongSlot(env, span);
      const sample = sampleOf(env, entity.samples, first, name, span);
      return sample === "wrong" ? undefined : [{ variable: entity.of, sample, local: entity, span }];
    }
    case "family": {
      const members = [...entity.members.values()];
      const samples = familySamples(env, members);
      const sample = samples ? sampleOf(env, samples, first, name, span) : undefined;
      if (sample === "wrong") return undefined;
      const [index] = samples ? rest : indices;
      const picked = index ? memberOf(env, entity, name, index, span) : undefined;
      if (index && !picked) return undefined;
      const out: SlotName[] = [];
      for (const member of picked ? [picked] : members) {
        const [one] = memberName(env, member, sample, span) ?? [];
        if (!one) return undefined;
        out.push(one);
      }
      return out;
    }
    default:
      return wrongSlot(env, span);
  }
}

function memberName(env: Env, member: Entity, sample: SampleIndex | undefined, span: Span): readonly SlotName[] | undefined {
  if (member.kind === "variable") return [{ variable: member.variable.name, sample, local: undefined, span }];
  if (member.kind === "local" && member.of !== undefined) return [{ variable: member.of, sample, local: member, span }];
  return member.kind === "poison" ? undefined : wrongSlot(env, span);
}

function familySamples(env: Env, members: readonly Entity[]): Dim | undefined {
  const [first] = members;
  return first?.kind === "variable" ? env.access.samples?.(first.variable.name) : first?.kind === "local" ? first.samples : undefined;
}

function sampleOf(
  env: Env,
  samples: Dim | undefined,
  index: ast.Expr | ast.RangeExpr | undefined,
  name: string,
  span: Span,
): SampleIndex | undefined | "wrong" {
  if (samples === undefined) return undefined;
  return objectiveSample(env, index, samples, name, span) ?? "wrong";
}

function wrongSlot(env: Env, span: Span): undefined {
  report(env.cx.diagnostics, "GM3026", span, {}, { help: ["to evaluate the density elsewhere, name the variable: `log p(x = e)`"] });
  return undefined;
}
