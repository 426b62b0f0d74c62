/** Concrete syntax -> expressions of the syntax tree. */
import type { CstNode } from "chevrotain";
import { InternalError } from "../base/internal-error.js";
import type * as ast from "./ast.js";
import { bindersOf } from "./binders.js";
import type { Builder } from "./builder.js";
import { inOrder, isNode, maybeNode, nodes, theNode, theToken, tokens } from "./cst.js";
import type { GmToken } from "./lexer.js";
import { byPrecedence, negated } from "./precedence.js";

export function expression(b: Builder, node: CstNode): ast.Expr {
  const operands = nodes(node, "operand");
  const operators = tokens(node, "Operator");
  const only = operands[0];
  return only && operators.length === 0 ? operand(b, only) : byPrecedence(b, operands, operators);
}

/** A primary with what is applied to it, and the signs before it. */
export function operand(b: Builder, node: CstNode): ast.Expr {
  const value = unsigned(b, node);
  return node.children["Minus"] ? negated(b, tokens(node, "Minus"), value) : value;
}

export function unsigned(b: Builder, node: CstNode): ast.Expr {
  let value = primary(b, node);
  for (const element of inOrder(node, ["args", "indices", "field", "block"])) {
    if (isNode(element)) value = applied(b, value, element);
  }
  return value;
}

function applied(b: Builder, target: ast.Expr, node: CstNode): ast.Expr {
  const span = b.between(target.span, b.span(node));
  switch (node.name) {
    case "args":
      return call(b, target, node);
    case "indices": {
      const indices = nodes(node, "index").map((index) => indexOf(b, index));
      return b.nest({ kind: "index", target, indices, span }, [target, ...indices.flatMap(rangeParts)]);
    }
    case "field":
      return b.nest({ kind: "field", target, field: b.name(node), span }, [target]);
    default: {
      const body = expression(b, theNode(node, "expression"));
      if (target.kind === "call") return b.nest({ kind: "blockCall", call: target, body, span }, [target, body]);
      b.giveUp("GM1036", b.span(theToken(node, "LBrace")), {}, { help: ["write `repeat(8) { … }`, or round brackets for grouping"] });
      return target;
    }
  }
}

function rangeParts(index: ast.Expr | ast.RangeExpr): readonly ast.Expr[] {
  return index.kind === "range" ? [index.low, index.high] : [index];
}

function indexOf(b: Builder, node: CstNode): ast.Expr | ast.RangeExpr {
  const [low, high] = nodes(node, "expression").map((part) => expression(b, part));
  if (!low) return expression(b, node);
  return high === undefined ? low : { kind: "range", low, high, span: b.between(low.span, high.span) };
}

const uncallable: Partial<Record<ast.Expr["kind"], string>> = {
  number: "a number",
  boolean: "`true` or `false`",
  string: "a string",
  call: "the result of a call",
  blockCall: "the result of a call",
  index: "an element",
  list: "a list",
  record: "a record",
};

function call(b: Builder, callee: ast.Expr, node: CstNode): ast.Expr {
  const args = argsOf(b, node);
  const given = givenOf(b, node);
  const span = b.between(callee.span, b.span(node));
  if (callee.kind !== "name" && callee.kind !== "field") {
    const best = callee.kind === "index" && callee.target.kind === "name" && /^arg_?(max|min)$/u.test(callee.target.name);
    const help =
      callee.kind === "number"
        ? ["if a product is meant, write `*`"]
        : best
          ? ["the greatest value over the states of `c` is `max[c](…)`"]
          : ["bind it to a name, or join networks with `|>`"];
    b.giveUp("GM1035", callee.span, { what: uncallable[callee.kind] ?? "an expression" }, { help });
    return callee;
  }
  return b.nest({ kind: "call", callee, args, given, span }, [
    callee,
    ...args.map((arg) => arg.value),
    ...(given ?? []).map((arg) => arg.value),
  ]);
}

function givenOf(b: Builder, node: CstNode): readonly ast.Arg[] | undefined {
  const given = maybeNode(node, "givenArgs");
  return given && argsOf(b, given);
}

/** Arguments: positional ones first, no name twice. */
export function argsOf(b: Builder, node: CstNode): readonly ast.Arg[] {
  const args = nodes(node, "arg").map((arg): ast.Arg => {
    const named = maybeNode(arg, "namedArg");
    if (named) return namedArg(b, named);
    const value = expression(b, theNode(arg, "expression"));
    return { name: undefined, value, span: value.span };
  });
  if (args.length > 1) checkOrder(b, args);
  return args;
}

function checkOrder(b: Builder, args: readonly ast.Arg[]): void {
  const firstNamed = args.find((arg) => arg.name !== undefined);
  if (!firstNamed) return;
  const late = args.find((arg) => arg.name === undefined && arg.span.start > firstNamed.span.start);
  if (late) {
    const labels = [{ span: firstNamed.span, text: "the first named argument" }];
    b.report("GM1024", late.span, {}, { labels, help: ["put positional arguments first, or name this one"] });
  }
  b.noRepeats(
    args.flatMap((arg) => arg.name ?? []),
    "the argument list",
  );
}

export function namedArg(b: Builder, node: CstNode): ast.NamedArg {
  return { name: b.name(node), value: expression(b, theNode(node, "expression")), span: b.span(node) };
}

/** A call written `Name(…)` outside of expressions: an initialiser, an estimator, a density after `log`. */
export function namedCall(b: Builder, node: CstNode): ast.CallExpr {
  const token = theToken(node, "Name");
  const callee: ast.NameExpr = { kind: "name", name: token.image, span: b.span(token) };
  const args = theNode(node, "args");
  const span = b.between(callee.span, b.span(args));
  return { kind: "call", callee, args: argsOf(b, args), given: givenOf(b, args), span };
}

const primaries = ["Name", "Number", "group", "list", "binder", "record", "logDensity", "String", "True", "False", "Log"];

function primary(b: Builder, node: CstNode): ast.Expr {
  for (const name of primaries) {
    const child = node.children[name]?.[0];
    if (child) return isNode(child) ? compound(b, child) : leaf(b, child as GmToken);
  }
  throw new InternalError("an operand without a primary");
}

function leaf(b: Builder, token: GmToken): ast.Expr {
  const span = b.span(token);
  switch (token.tokenType.name) {
    case "Number":
      return { kind: "number", value: Number(token.image), span };
    case "String":
      return { kind: "string", value: String(token.payload), span };
    case "True":
      return { kind: "boolean", value: true, span };
    case "False":
      return { kind: "boolean", value: false, span };
    default:
      return { kind: "name", name: token.image, span };
  }
}

function compound(b: Builder, node: CstNode): ast.Expr {
  const span = b.span(node);
  switch (node.name) {
    case "group":
      // Parentheses leave no node; the span takes them in.
      return b.respan(expression(b, theNode(node, "expression")), span);
    case "record": {
      const fields = nodes(node, "namedArg").map((field) => namedArg(b, field));
      b.noRepeats(
        fields.map((field) => field.name),
        "the record",
      );
      return b.nest(
        { kind: "record", fields, span },
        fields.map((field) => field.value),
      );
    }
    case "list": {
      const items = nodes(node, "expression").map((item) => expression(b, item));
      return b.nest({ kind: "list", items, span }, items);
    }
    case "logDensity": {
      const density = namedCall(b, node);
      return b.nest(
        { kind: "logDensity", density, span },
        [...density.args, ...(density.given ?? [])].map((arg) => arg.value),
      );
    }
    default:
      return binder(b, node);
  }
}

function binder(b: Builder, node: CstNode): ast.Expr {
  const opToken = theToken(node, "BinderWord");
  const op = opToken.image as ast.BinderOp;
  const binders = bindersOf(b, op, nodes(node, "binding"));
  const body = expression(b, theNode(node, "expression"));
  const inner = binders.flatMap((one) => (one.kind === "range" ? [one.low, one.high] : one.kind === "draw" ? [one.source] : [one.value]));
  return b.nest({ kind: "binder", op, opSpan: b.span(opToken), binders, body, span: b.span(node) }, [body, ...inner]);
}

export function rangeOf(b: Builder, node: CstNode): ast.RangeExpr {
  const [low, high] = nodes(node, "expression").map((part) => expression(b, part));
  if (!low || !high) throw new InternalError("a range without ends");
  return { kind: "range", low, high, span: b.span(node) };
}

/** `l in 1..L` */
export function rangeBinder(b: Builder, node: CstNode): ast.RangeBinder {
  const range = rangeOf(b, theNode(node, "range"));
  return { kind: "range", name: b.name(node), low: range.low, high: range.high, span: b.span(node) };
}
