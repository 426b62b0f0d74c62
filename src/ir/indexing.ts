/**
 * `x[i]`: members of families (`h[2]`), samples (`z[i]` of `z[1..k]`), rows by label (`mu[c]`), positions and ranges of a tensor (`x[1..3, 2]`).
 * Literal positions count from 1, labels of a category from 0.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { builtinCall, requireTensor } from "./builtin-call.js";
import type { OptionValue } from "./builtins.js";
import type { Env } from "./env.js";
import { elaborateExpr, entityValue, numberExpr, readVariable } from "./expr.js";
import { objectiveSample, type SampleIndex } from "./samples.js";
import { describe, type Entity } from "./scope.js";
import { showDim } from "./shapes.js";
import { evaluateStatic } from "./static.js";
import type { Dim, Expr } from "./types.js";

type Index = ast.Expr | ast.RangeExpr;

export function elaborateIndex(env: Env, expr: ast.IndexExpr): Expr | undefined {
  const { base, indices } = chain(expr);
  const entity = base.kind === "name" ? env.scope.find(base.name) : undefined;
  if (base.kind !== "name" || entity === undefined || entity.kind === "value")
    return tensorIndex(env, elaborateExpr(env, base), indices, expr.span);
  if (entity.kind === "static") {
    const value = evaluateStatic(env, expr);
    if (value?.kind === "number") return numberExpr(value, expr.span);
    if (value !== undefined) report(env.cx.diagnostics, "GM2017", expr.span, { what: "an index of a list" });
    return undefined;
  }
  const place = placeOf(env, entity, base.name, indices, expr.span);
  return place && tensorIndex(env, place.expr, place.rest, expr.span);
}

/** `h[i][l]` -> h, [i, l] */
export function chain(expr: ast.IndexExpr): { readonly base: ast.Expr; readonly indices: readonly Index[] } {
  const inner = expr.target.kind === "index" ? chain(expr.target) : { base: expr.target, indices: [] };
  return { base: inner.base, indices: [...inner.indices, ...expr.indices] };
}

/** The member and the sample that leading indices pick; the others index its axes. */
function placeOf(
  env: Env,
  entity: Entity,
  name: string,
  indices: readonly Index[],
  span: Span,
): { readonly expr: Expr; readonly rest: readonly Index[] } | undefined {
  let rest = indices;
  let sample: SampleIndex | undefined;
  let at = entity;
  if (samplesOf(env, entity) !== undefined) {
    const [first, ...others] = rest;
    sample = objectiveSample(env, first, samplesOf(env, entity), name, span);
    if (!sample) return undefined;
    rest = others;
  }
  if (at.kind === "family") {
    const [first, ...others] = rest;
    const member = first && memberOf(env, at, name, first, span);
    if (!member) return undefined;
    at = member;
    rest = others;
    if (sample === undefined && samplesOf(env, at) !== undefined) {
      const [i, ...more] = rest;
      sample = objectiveSample(env, i, samplesOf(env, at), name, span);
      if (!sample) return undefined;
      rest = more;
    }
  }
  const expr =
    at.kind === "variable" || at.kind === "role"
      ? sampledVariable(env, at, name, sample, span)
      : at.kind === "local" && at.samples
        ? sampledLocal(at, sample, span)
        : entityValue(env, at, name, span);
  return expr && { expr, rest };
}

function sampledVariable(
  env: Env,
  at: Extract<Entity, { kind: "variable" | "role" }>,
  name: string,
  sample: SampleIndex | undefined,
  span: Span,
): Expr | undefined {
  if (at.kind === "variable") return readVariable(env, at.variable.name, sample, span);
  const [only, ...more] = at.variables;
  if (only !== undefined && more.length === 0) return readVariable(env, only, sample, span);
  return entityValue(env, at, name, span);
}

function sampledLocal(at: Extract<Entity, { kind: "local" }>, sample: SampleIndex | undefined, span: Span): Expr {
  return { kind: "local", local: at.local, ...(sample ? { sample } : {}), type: at.local.type, span };
}

/** Number of samples that a name was drawn with, undefined for one or none. Families and roles are drawn as a whole. */
function samplesOf(env: Env, entity: Entity): Dim | undefined {
  switch (entity.kind) {
    case "variable":
      return env.access.samples?.(entity.variable.name);
    case "role":
      return entity.variables[0] === undefined ? undefined : env.access.samples?.(entity.variables[0]);
    case "local":
      return entity.samples;
    case "family": {
      const [member] = entity.members.values();
      return member && samplesOf(env, member);
    }
    default:
      return undefined;
  }
}

/** The member of a family that a static index picks. */
export function memberOf(
  env: Env,
  family: Extract<Entity, { kind: "family" }>,
  name: string,
  index: Index,
  span: Span,
): Entity | undefined {
  if (index.kind === "range") {
    report(env.cx.diagnostics, "GM2039", index.span, { what: `${describe(family)} \`${name}\``, expected: "one index", found: "a range" });
    return undefined;
  }
  const value = evaluateStatic(env, index);
  if (value === undefined) return undefined;
  if (value.kind !== "number") {
    const found = value.kind === "dynamic" ? value.what : "no number";
    report(env.cx.diagnostics, "GM2039", index.span, {
      what: `${describe(family)} \`${name}\``,
      expected: "an index known at compile time",
      found,
    });
    return undefined;
  }
  const member = family.members.get(value.value);
  if (member === undefined) {
    const all = [...family.members.keys()];
    const range = all.length === 0 ? "it has no members" : `it has the members ${all[0]}..${all[all.length - 1]}`;
    report(
      env.cx.diagnostics,
      "GM2046",
      span,
      { name, index: String(value.value), range },
      { labels: [{ span: family.span, text: "declared here" }], help: memberHelp(name, all, value.value) },
    );
  }
  return member;
}

function memberHelp(name: string, all: readonly number[], index: number): readonly string[] {
  const [first] = all;
  const last = all.at(-1);
  if (first === undefined || last === undefined) return [];
  return [index < first ? `\`${name}[${first}]\` is the first` : `\`${name}[${last}]\` is the last`];
}

/** Indices of a tensor's axes, from the first. */
function tensorIndex(env: Env, target: Expr | undefined, indices: readonly Index[], span: Span): Expr | undefined {
  if (target === undefined) return undefined;
  let value: Expr | undefined = target;
  let axis = 0;
  for (const index of indices) {
    if (value === undefined) return undefined;
    const type = requireTensor(env, value, fieldAt(env, value, index));
    if (!type) return undefined;
    const size = type.shape[axis];
    if (!size) {
      report(env.cx.diagnostics, "GM2039", span, {
        what: type.shape.length === 0 && axis === 0 ? "a scalar" : "this value",
        expected: axis === 0 ? "no index" : `at most ${axis}`,
        found: `${indices.length}`,
      });
      return undefined;
    }
    const position = axis - type.shape.length;
    const bounds = index.kind === "range" ? rangeBounds(env, index) : staticPosition(env, index);
    if (bounds === undefined) return undefined;
    if (bounds === "dynamic") {
      if (index.kind === "range" || axis > 0) {
        report(env.cx.diagnostics, "GM2039", index.span, {
          what: index.kind === "range" ? "a range of entries" : "an axis after the first",
          expected: index.kind === "range" ? "bounds known at compile time" : "an index known at compile time",
          found: "a value",
        });
        return undefined;
      }
      const labels = elaborateExpr(env, index as ast.Expr);
      value = labels && builtinCall(env, "take", [value, labels], span);
      continue;
    }
    if (bounds.low < 1 || bounds.high > size.size || bounds.low > bounds.high) {
      const found = bounds.low === bounds.high ? String(bounds.low) : `${bounds.low}..${bounds.high}`;
      report(env.cx.diagnostics, "GM2038", index.span, { index: found, size: showDim(size) }, { help: ["positions count from 1"] });
      return undefined;
    }
    const options = new Map<string, OptionValue>(
      index.kind === "range"
        ? [
            ["axis", position],
            ["start", bounds.low - 1],
            ["stop", bounds.high],
          ]
        : [
            ["axis", position],
            ["position", bounds.low - 1],
          ],
    );
    value = builtinCall(env, index.kind === "range" ? "slice" : "index", [value], span, { options, dims: new Map() });
    if (index.kind === "range") axis++;
  }
  return value;
}

/** The field that `e[1]` of a record means where records are tuples: there they count from 0. */
function fieldAt(env: Env, { type }: Expr, index: Index): string | undefined {
  if (type.kind !== "record" || index.kind === "range") return undefined;
  const at = evaluateStatic(env, index);
  return at?.kind === "number" ? type.fields.at(at.value)?.name : undefined;
}

interface Bounds {
  readonly low: number;
  readonly high: number;
}

function staticPosition(env: Env, index: ast.Expr): Bounds | "dynamic" | undefined {
  const value = evaluateStatic(env, index);
  if (value === undefined) return undefined;
  if (value.kind === "dynamic") return "dynamic";
  if (value.kind === "number" && Number.isInteger(value.value)) return { low: value.value, high: value.value };
  report(env.cx.diagnostics, "GM2039", index.span, {
    what: "an axis",
    expected: "a whole number or a category",
    found: value.kind === "number" ? String(value.value) : `a ${value.kind}`,
  });
  return undefined;
}

function rangeBounds(env: Env, range: ast.RangeExpr): Bounds | "dynamic" | undefined {
  const low = staticPosition(env, range.low);
  const high = staticPosition(env, range.high);
  if (low === undefined || high === undefined) return undefined;
  return low === "dynamic" || high === "dynamic" ? "dynamic" : { low: low.low, high: high.low };
}
