/** Concrete syntax -> `train` and `evaluate`. */
import type { CstNode } from "chevrotain";
import { InternalError } from "../base/internal-error.js";
import type * as ast from "./ast.js";
import type { Builder } from "./builder.js";
import { chosen, maybeNode, maybeToken, nodes, theNode, theToken } from "./cst.js";
import { argsOf, expression, namedArg, operand } from "./expressions.js";
import { targetOf } from "./statements.js";

export function trainItemsOf(b: Builder, body: CstNode): readonly ast.TrainItem[] {
  return nodes(body, "trainItem").flatMap((item) => b.item(item, () => trainItem(b, chosen(item))) ?? []);
}

/** `name = e, name = e`: each a setting of its own. */
export function settingsOf(b: Builder, node: CstNode): readonly ast.SettingItem[] {
  return nodes(node, "namedArg").map((one) => ({ kind: "setting", ...namedArg(b, one) }));
}

export function evaluationsOf(b: Builder, node: CstNode): readonly ast.MetricItem[] {
  return nodes(node, "metrics").flatMap((item) => b.item(item, () => nodes(item, "metric").map((one) => metricItem(b, one))) ?? []);
}

function metricItem(b: Builder, node: CstNode): ast.MetricItem {
  return { kind: "metric", ...namedArg(b, theNode(node, "namedArg")), by: byClauses(b, node), span: b.span(node) };
}

/** `by z: reparam, c: enumerate`, where it stands. */
function byClauses(b: Builder, node: CstNode): readonly ast.ByClause[] {
  const by = maybeNode(node, "byClause");
  return by ? nodes(by, "estimate").map((one) => byClause(b, one)) : [];
}

function trainItem(b: Builder, node: CstNode): readonly ast.TrainItem[] {
  switch (node.name) {
    case "updateItem":
      return [updateItem(b, node)];
    case "constrainItem":
      return [constrainItem(b, node)];
    case "phaseItem": {
      const body = theNode(node, "trainBody");
      const label = String(theToken(node, "String").payload);
      return [{ kind: "phase", label, items: trainItemsOf(b, body), span: b.span(node), ...b.brokenFlag(node, body) }];
    }
    case "settings":
      return settingsOf(b, node);
    default:
      throw new InternalError(`an item of training of rule ${node.name}`);
  }
}

function updateItem(b: Builder, node: CstNode): ast.UpdateItem {
  const over = maybeNode(node, "overClause");
  const options = nodes(node, "namedArg").map((option) => namedArg(b, option));
  b.noRepeats(
    options.map((option) => option.name),
    "the options of the update",
  );
  return {
    kind: "update",
    direction: maybeToken(node, "Maximize") ? "maximize" : "minimize",
    objective: expression(b, theNode(node, "expression")),
    over: over ? nodes(over, "operand").map((one) => operand(b, one)) : [],
    by: byClauses(b, node),
    options,
    span: b.span(node),
  };
}

function byClause(b: Builder, node: CstNode): ast.ByClause {
  const target = maybeNode(node, "target");
  return {
    latent: target && targetOf(b, target),
    estimators: nodes(node, "estimator").map((one) => estimator(b, one)),
    span: b.span(node),
  };
}

function estimator(b: Builder, node: CstNode): ast.Expr {
  const token = theToken(node, "Name");
  const callee: ast.NameExpr = { kind: "name", name: token.image, span: b.span(token) };
  const args = maybeNode(node, "args");
  return args ? { kind: "call", callee, args: argsOf(b, args), given: undefined, span: b.span(node) } : callee;
}

function constrainItem(b: Builder, node: CstNode): ast.ConstrainItem {
  const target = operand(b, theNode(node, "operand"));
  const [first, second] = nodes(node, "expression").map((bound) => expression(b, bound));
  if (!first) throw new InternalError("a constraint without a bound");
  const bound: ast.ConstrainItem["bound"] = second ? { kind: "in", low: first, high: second } : { kind: "atMost", limit: first };
  return { kind: "constrain", target, bound, span: b.span(node) };
}
