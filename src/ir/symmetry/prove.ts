/**
 * `net critic(x) invariant = …`: proof that a net does not depend on the order of the points of a set, the entries of its parameters' first axes, or,
 * `equivariant`, that its result has the points in the same order. What the rules cannot show is refused, with the way that the points took.
 */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { textOf } from "../../base/source.js";
import type * as ast from "../../parser/ast.js";
import type { Context } from "../env.js";
import { dim, showShape } from "../shapes.js";
import type { Expr, Net } from "../types.js";
import { isMoved, type Placed } from "./axes.js";
import { followPoints, type Lost, type Trail } from "./track.js";

/** The symmetry of the net, proven; undefined after an error. */
export function proveSymmetry(cx: Context, net: Net, declared: ast.Symmetry): Net["symmetry"] {
  const points = pointsOf(cx, net, declared);
  if (!points) return undefined;
  const ids = new Set(points.map((p) => p.id));
  const names = points.map((p) => `\`${p.name}\``).join(" and ");
  const { results } = followPoints(net, ids, (name) => cx.netByName.get(name) as Net);
  for (const { field, value } of results) {
    const what = field === undefined ? "its result" : `its result \`${field}\``;
    if (value.kind === "lost") {
      const known = value.calls.some((call) => call.kind === "netCall" && cx.disordered.has(call.net));
      cx.disordered.add(net.name);
      if (known) return undefined;
      refuse(cx, net, declared, names, {
        what: shortText(placeIn(value, declared.span)),
        why: value.why,
        at: placeIn(value, declared.span),
        trail: value.trail,
        inside: value,
      });
      return undefined;
    }
    const why = wrongResult(declared.kind, value, points[0]?.type.kind === "tensor" ? (points[0].type.shape[0]?.size ?? 0) : 0);
    if (why === undefined) continue;
    cx.disordered.add(net.name);
    const { result } = net;
    const expr = result.kind === "record" ? (result.fields.find((f) => f.name === field)?.value ?? result) : result;
    const at = placeOf(expr, declared.span) ?? declared.span;
    refuse(cx, net, declared, names, { what, why, at, trail: value.trail, inside: undefined });
    return undefined;
  }
  return { kind: declared.kind, points: points.map((p) => p.name) };
}

/** What is wrong with the axes of a result; undefined where nothing is. */
function wrongResult(kind: ast.Symmetry["kind"], { shape, axes }: Placed, count: number): string | undefined {
  const found = showShape(shape.map((n) => dim(n)));
  const moved = axes.flatMap((axis, i) => (axis === "moved" ? [i] : []));
  if (kind === "invariant")
    return moved.length > 0 ? `still has the points in their order, in axis ${(moved[0] ?? 0) + 1} of ${found}` : undefined;
  if (moved.length === 1 && moved[0] === 0) return undefined;
  if (moved.length === 0) {
    if (axes[0] === "alike" && shape[0] === count) return undefined;
    return `has no axis of the points, it is ${found}`;
  }
  return `has the points in axis ${moved.map((i) => i + 1).join(" and in axis ")} of ${found}, not in the first one alone`;
}

/** The parameters whose first axes are the points; undefined after an error. */
function pointsOf(cx: Context, net: Net, declared: ast.Symmetry): Net["params"] | undefined {
  const tensors = net.params.filter((p) => p.type.kind === "tensor");
  const wrong = (span: Span, problem: string, help: readonly string[]): undefined => {
    report(cx.diagnostics, "GM3753", span, { net: net.name, symmetry: declared.kind, problem }, { help });
    return undefined;
  };
  const sets = tensors.filter((p) => p.type.kind === "tensor" && p.type.shape.length > 0);
  if (declared.names.length === 0 && net.params.length !== 1)
    return wrong(declared.span, "it has several parameters", [
      `say which hold the points: \`${declared.kind}(${(sets.find((p) => p.type.kind === "tensor" && p.type.shape.length > 1) ?? sets[0] ?? net.params[0])?.name ?? "x"})\``,
    ]);
  const named = declared.names.length === 0 ? net.params.map((p) => ({ name: p.name, span: declared.span })) : declared.names;
  const found: Net["params"][number][] = [];
  for (const { name, span } of named) {
    const param = sets.find((p) => p.name === name);
    if (!param) {
      const exists = net.params.some((p) => p.name === name);
      return wrong(span, exists ? `\`${name}\` has no axis of points` : `\`${name}\` is no tensor that it is called with`, [
        "the points of a set lie along the first axis of a parameter: `real[N, 3]` is N points of 3 numbers",
      ]);
    }
    found.push(param);
  }
  const sizes = found.map((p) => (p.type.kind === "tensor" ? p.type.shape[0]?.size : undefined));
  if (new Set(sizes).size > 1)
    return wrong(declared.span, `its sets have ${sizes.join(" and ")} points, which no one order puts in place`, [
      "name parameters whose first axes are the same points",
    ]);
  return found;
}

interface Refusal {
  readonly what: string;
  readonly why: string;
  readonly at: Span;
  readonly trail: Trail | undefined;
  readonly inside: Lost | undefined;
}

/** Most places that an error shows beside the one that it is about. */
const SHOWN = 4;

function refuse(cx: Context, net: Net, declared: ast.Symmetry, points: string, refusal: Refusal): void {
  const labels = new Map<string, { readonly span: Span; readonly text: string }>();
  for (let step = refusal.trail; step; step = step.before) {
    const span = placeOf(step.expr, declared.span);
    if (!span || sameSpan(span, refusal.at) || labels.has(keyOf(span))) continue;
    labels.set(keyOf(span), { span, text: told(step.placed) });
  }
  const way = [...labels.values()].slice(0, SHOWN).reverse();
  const { inside } = refusal;
  const notes = inside && !sameSpan(inside.expr.span, refusal.at) ? [`in it, \`${shortText(inside.expr.span)}\` ${inside.why}`] : [];
  report(
    cx.diagnostics,
    "GM3752",
    refusal.at,
    {
      net: net.name,
      symmetry: declared.kind,
      points,
      reason:
        notes.length > 0
          ? `\`${refusal.what}\` depends on it`
          : inside
            ? `\`${refusal.what}\` ${refusal.why}`
            : `${refusal.what} ${refusal.why}`,
    },
    {
      labels: [{ span: declared.span, text: `declared ${declared.kind} here` }, ...way],
      notes,
      help:
        declared.kind === "invariant"
          ? [
              "layers that treat all points alike (`dense`, `set_dense`), then `mean(axis = 1)`, `max(axis = 1)` or `sum(axis = 1)`, then anything",
            ]
          : ["`dense` and functions of entries treat all points alike; `set_dense` also adds their mean to each"],
    },
  );
}

const told = (placed: Placed): string => {
  const at = placed.axes.indexOf("moved");
  const shape = showShape(placed.shape.map((n) => dim(n)));
  return at < 0 || !isMoved(placed) ? `${shape}, in no order` : `points along axis ${at + 1} of ${shape}`;
};

/** The place of an expression where it lies in the file of the declaration. */
function placeOf(expr: Expr, near: Span): Span | undefined {
  const span = expr.kind === "layer" ? expr.instance.span : expr.span;
  return span.file.path === near.file.path ? span : undefined;
}

/** Where the order is lost, or the innermost call around it that lies in the file of the declaration. */
function placeIn(lost: Lost, near: Span): Span {
  for (const expr of [lost.expr, ...lost.calls]) {
    const span = placeOf(expr, near);
    if (span) return span;
  }
  return near;
}

const keyOf = (span: Span): string => `${span.start}-${span.end}`;

const sameSpan = (a: Span, b: Span): boolean => a.file === b.file && a.start === b.start && a.end === b.end;

function shortText(span: Span): string {
  const text = textOf(span).replaceAll(/\s+/gu, " ");
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
