/** What stands in the brackets of `E[…]`, `sum[…]`, `grad[…]` and their like. */
import type { CstNode } from "chevrotain";
import type * as ast from "./ast.js";
import type { Builder } from "./builder.js";
import { maybeToken, nodes, theNode } from "./cst.js";
import { expression, rangeOf } from "./expressions.js";

/** One binding as written: names before the one with `~` share its source. */
interface Written {
  readonly name: ast.Ident;
  readonly range: ast.RangeExpr | undefined;
  readonly role:
    | { readonly kind: "bare" }
    | { readonly kind: "in"; readonly range: ast.RangeExpr }
    | { readonly kind: "draw" | "value"; readonly value: ast.Expr };
  readonly node: CstNode;
}

function written(b: Builder, node: CstNode): Written {
  const ranges = nodes(node, "range");
  const name = b.name(node);
  const hasIn = maybeToken(node, "In") !== undefined;
  const own = maybeToken(node, "LBracket") ? ranges[0] : undefined;
  const range = own && rangeOf(b, own);
  const last = ranges.at(-1);
  if (hasIn && last) return { name, range, role: { kind: "in", range: rangeOf(b, last) }, node };
  if (maybeToken(node, "Tilde")) return { name, range, role: { kind: "draw", value: expression(b, theNode(node, "expression")) }, node };
  if (maybeToken(node, "Equals")) return { name, range, role: { kind: "value", value: expression(b, theNode(node, "expression")) }, node };
  return { name, range, role: { kind: "bare" }, node };
}

const drawing = "names with where they come from, as in `z ~ q(z | x)`";
const ranging = "names with a range, as in `i in 1..k`, or a variable";
const wanted: Record<ast.BinderOp, string> = {
  E: drawing,
  sum: ranging,
  mean: ranging,
  max: ranging,
  min: ranging,
  logsumexp: ranging,
  logmeanexp: ranging,
  grad: "the names to differentiate by, as in `x` or `y = e`",
};

const helpFor: Record<ast.Binder["kind"], (name: string) => string> = {
  draw: (name) => `a draw belongs in an expectation: \`E[${name} ~ …](…)\``,
  range: (name) => `a range belongs in a sum or a mean: \`sum[${name} in …](…)\``,
  name: (name) => `say where \`${name}\` comes from: \`E[${name} ~ q(${name} | x)](…)\``,
};

/** Puts the bindings of a binder together and checks that they are of the kind that it takes. */
export function bindersOf(b: Builder, op: ast.BinderOp, bindings: readonly CstNode[]): readonly ast.Binder[] {
  const binders: ast.Binder[] = [];
  let waiting: Written[] = [];
  const flush = (): void => {
    for (const one of waiting) binders.push({ kind: "name", name: one.name, value: undefined, span: b.span(one.node) });
    waiting = [];
  };
  for (const one of bindings.map((node) => written(b, node))) {
    const span = b.span(one.node);
    if (one.range && (one.role.kind === "in" || one.role.kind === "value")) {
      const help = ["only a draw takes several: `z[1..k] ~ q(z | x)`"];
      b.report("GM1028", one.range.span, { op, wants: wanted[op], found: "a name with a range of draws" }, { help });
    }
    switch (one.role.kind) {
      case "bare":
        waiting.push(one);
        break;
      case "draw": {
        const first = waiting[0];
        const names = [...waiting, one].map((part, index, all): ast.DrawName => {
          const end =
            part.range === undefined || index < all.length - 1 ? b.span(part.node) : { ...part.range.span, end: part.range.span.end + 1 };
          return { name: part.name, range: part.range, span: part.range ? b.between(part.name.span, end) : part.name.span };
        });
        binders.push({ kind: "draw", names, source: one.role.value, span: first ? b.between(b.span(first.node), span) : span });
        waiting = [];
        break;
      }
      case "in":
        flush();
        binders.push({ kind: "range", name: one.name, low: one.role.range.low, high: one.role.range.high, span });
        break;
      case "value":
        flush();
        binders.push({ kind: "name", name: one.name, value: one.role.value, span });
        break;
    }
  }
  const several = waiting.find((one) => one.range !== undefined);
  if (several)
    b.report(
      "GM1028",
      b.span(several.node),
      { op, wants: wanted[op], found: "a name with a range of draws" },
      { help: [helpFor.name(several.name.name)] },
    );
  flush();
  for (const one of binders) if (one.kind !== "name" || one.name !== several?.name) checkKind(b, op, one);
  b.noRepeats(
    binders.flatMap((one) => (one.kind === "draw" ? one.names.map((name) => name.name) : [one.name])),
    `the brackets of \`${op}\``,
  );
  return binders;
}

function checkKind(b: Builder, op: ast.BinderOp, one: ast.Binder): void {
  const fits =
    op === "E" ? one.kind === "draw" : op === "grad" ? one.kind === "name" : one.kind === "range" || (one.kind === "name" && !one.value);
  if (fits) return;
  const found = one.kind === "draw" ? "a draw" : one.kind === "range" ? "a range" : one.value ? "a name with a value" : "a bare name";
  const name = one.kind === "draw" ? (one.names[0]?.name.name ?? "x") : one.name.name;
  const help = one.kind === "name" && op !== "E" ? [] : [helpFor[one.kind](name)];
  b.report("GM1028", one.span, { op, wants: wanted[op], found }, { help });
}
