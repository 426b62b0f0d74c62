/** Leaves of gradients: a value of its own for each name that a `grad[…]` is taken in, with all leading axes of what the gradient reads. */
import { walk } from "../ir/derive/walk-bindings.js";
import type { Expr, GradExpr } from "../ir/types.js";
import { call, type Js, num } from "./js.js";
import type { Scope } from "./lower-expr.js";
import { printFlat } from "./print-js.js";
import { hasLead, joinLeads, type TensorValue } from "./values.js";

/** `at` as a leaf. In a function that does not know its rows, what else the gradient reads says which axes there are. */
export function leafOf(scope: Scope, expr: GradExpr, at: TensorValue): TensorValue {
  const { writer } = scope;
  if (writer.knowsRows()) {
    const lead = writer.allLead(at.lead);
    const whole = lead === at.lead ? [] : [writer.drawShape(lead, at.shape)];
    return { ...at, lead, js: call("leaf", at.js, ...whole) };
  }
  const beside = leadingValues(scope, expr).filter((v) => printFlat(v.js) !== printFlat(at.js));
  if (beside.length === 0) return { ...at, js: call("leaf", at.js) };
  const pairs = beside.map((v): Js => ({ kind: "array", items: [v.js, num(v.shape.length)] }));
  return { ...at, lead: joinLeads([at.lead, ...beside.map((v) => v.lead)]), js: call("leafAlong", at.js, num(at.shape.length), ...pairs) };
}

/** The function's own values with leading axes that an expression reads. */
function leadingValues(scope: Scope, expr: Expr): readonly TensorValue[] {
  const found = new Map<string, TensorValue>();
  walk(scope.context, expr, (e) => {
    const value = e.kind === "variable" ? scope.variable(e.variable) : e.kind === "local" ? scope.local(e.local.id) : undefined;
    const tensors = value?.kind === "record" ? [...value.fields.values()] : value ? [value] : [];
    for (const t of tensors) if (hasLead(t.lead)) found.set(printFlat(t.js), t);
  });
  return [...found.values()];
}
