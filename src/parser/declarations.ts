/** Concrete syntax -> declarations of the syntax tree, except nets' and densities' statements and training (statements.ts, training.ts). */
import type { CstNode } from "chevrotain";
import type * as ast from "./ast.js";
import type { Builder } from "./builder.js";
import { maybeNode, maybeToken, nodes, theNode, theToken } from "./cst.js";
import { expression, namedCall, rangeBinder } from "./expressions.js";
import { binderWords } from "./tokens.js";

export function formalsOf(b: Builder, node: CstNode | undefined, what: string): readonly ast.Formal[] {
  const formals = node ? nodes(node, "formal").map((formal) => formalOf(b, formal)) : [];
  b.noRepeats(
    formals.map((formal) => formal.name),
    what,
  );
  return formals;
}

function formalOf(b: Builder, node: CstNode): ast.Formal {
  const value = maybeNode(node, "expression");
  return { name: b.name(node), value: value && expression(b, value), span: b.span(node) };
}

/** A domain; `?` is legal where rows may be missing, in `data`. */
export function domainOf(b: Builder, node: CstNode, mayBeMissing: boolean): ast.DomainExpr {
  const base = b.name(node);
  const brackets = nodes(node, "shape");
  const lists = brackets.map((shape) => nodes(shape, "expression").map((size) => expression(b, size)));
  const question = maybeToken(node, "Question");
  if (question && !mayBeMissing) b.report("GM1032", b.span(question), {});
  const isCategory = base.name === "category";
  const classes = isCategory ? lists[0] : undefined;
  const shape = isCategory ? lists[1] : lists[0];
  const surplus = brackets[isCategory ? 2 : 1];
  if (isCategory && classes === undefined) {
    b.report("GM1031", base.span, { problem: "`category` needs its number of classes" }, { help: ["write `category[10]`"] });
  } else if (classes && classes.length > 1 && brackets[0]) {
    const help = ["the number of classes stands in brackets of its own, the shape after it: `category[10][28, 28]`"];
    b.report("GM1031", b.span(brackets[0]), { problem: "`category` has one number of classes" }, { help });
  }
  if (surplus) {
    const help = ["put all axes into one pair of brackets: `real[28, 28, 1]`"];
    b.report("GM1031", b.span(surplus), { problem: `\`${base.name}\` has brackets too many` }, { help });
  }
  return {
    base,
    classes: classes?.[0],
    shape: shape ?? [],
    optional: question !== undefined,
    atMostOne: maybeToken(node, "AtMostOne") && nodes(node, "expression").map((size) => expression(b, size)),
    span: b.span(node),
  };
}

function declaratorOf(b: Builder, node: CstNode, mayBeMissing: boolean): ast.Declarator {
  const name = b.name(node);
  const index = maybeNode(node, "rangeBinder");
  if (index && binderWords.has(name.name)) {
    b.report("GM1039", name.span, { name: name.name }, { help: ["give the family another name"] });
  }
  return { name, index: index && rangeBinder(b, index), domain: domainOf(b, theNode(node, "domain"), mayBeMissing), span: b.span(node) };
}

export function declaratorsOf(b: Builder, node: CstNode, mayBeMissing: boolean): readonly ast.Declarator[] {
  return nodes(node, "declarator").map((declarator) => declaratorOf(b, declarator, mayBeMissing));
}

export function paramItemOf(b: Builder, node: CstNode): ast.ParamItem {
  const value = maybeNode(node, "expression");
  const init = maybeNode(node, "initClause");
  const declarator = declaratorOf(b, theNode(node, "declarator"), false);
  const initial: ast.ParamInit | undefined = value
    ? { kind: "value", value: expression(b, value), span: b.span(value) }
    : !init
      ? undefined
      : maybeToken(init, "Data")
        ? { kind: "data", span: b.span(init) }
        : { kind: "distribution", call: namedCall(b, init), span: b.span(init) };
  return { ...declarator, init: initial, span: b.span(node) };
}

/** `invariant`, `equivariant(x)` after the parameters of a net. */
export function symmetryOf(b: Builder, node: CstNode | undefined): ast.Symmetry | undefined {
  if (!node) return undefined;
  const names = nodes(node, "variable").map((variable) => b.name(variable));
  b.noRepeats(names, "the sets of the net");
  return { kind: maybeToken(node, "Invariant") ? "invariant" : "equivariant", names, span: b.span(node) };
}

interface FlowParts {
  readonly params: readonly ast.Formal[];
  readonly given: readonly ast.Formal[];
  readonly domain: ast.DomainExpr | undefined;
  readonly range: ast.DomainExpr | undefined;
  readonly chain: ast.Expr | undefined;
  readonly directions: readonly ast.FlowDirection[];
  readonly jacobian: ast.Ident | undefined;
}

/** A flow's parts; `broken` says that a direction may be missing because it could not be read. */
export function flowParts(b: Builder, node: CstNode, broken: boolean): FlowParts {
  const formals = maybeNode(node, "conditionedFormals");
  const givenNode = formals && maybeNode(formals, "givenFormals");
  const params = formalsOf(b, formals, "the parameters of the flow");
  const given = formalsOf(b, givenNode, "the conditions of the flow");
  const [domain, range] = nodes(node, "domain").map((part) => domainOf(b, part, false));
  const chain = maybeNode(node, "expression");
  const body = maybeNode(node, "flowBody");
  const lines = body ? nodes(body, "flowDirection") : [];
  const jacobians = lines.filter((line) => maybeToken(line, "Jacobian"));
  const directions = lines.filter((line) => !jacobians.includes(line)).map((line) => directionOf(b, line));
  const [jacobian] = jacobians.map((line) => b.name(line));
  if (body) checkDirections(b, node, directions, broken);
  return { params, given, domain, range, chain: chain && expression(b, chain), directions, jacobian };
}

function directionOf(b: Builder, node: CstNode): ast.FlowDirection {
  const isForward = maybeToken(node, "Forward") !== undefined;
  return {
    direction: isForward ? "forward" : "inverse",
    param: b.name(node),
    body: expression(b, theNode(node, "expression")),
    span: b.span(node),
  };
}

function checkDirections(b: Builder, node: CstNode, directions: readonly ast.FlowDirection[], broken: boolean): void {
  for (const direction of ["forward", "inverse"] as const) {
    const [first, second] = directions.filter((one) => one.direction === direction);
    if (first && second) {
      const labels = [{ span: first.span, text: "first given here" }];
      b.report("GM1034", second.span, { problem: `a flow has one \`${direction}\`` }, { label: "given again", labels });
    }
  }
  if (!broken && !directions.some((one) => one.direction === "forward")) {
    b.report(
      "GM1034",
      b.span(theToken(node, "Name")),
      { problem: "the body of a flow needs `forward(z) = …`" },
      {
        help: ["give `forward`, from base to data, and `inverse` where it has a closed form"],
      },
    );
  }
}

/** A density's head: its variables, and those after `|`. */
export function headOf(b: Builder, node: CstNode): { readonly head: readonly ast.Ident[]; readonly given: readonly ast.Ident[] } {
  const names = (list: CstNode | undefined): readonly ast.Ident[] =>
    list ? nodes(list, "variable").map((variable) => b.name(variable)) : [];
  const head = names(node);
  const given = names(maybeNode(node, "givenVariables"));
  b.noRepeats([...head, ...given], "the head of the density");
  return { head, given };
}
