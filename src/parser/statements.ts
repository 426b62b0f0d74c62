/** Concrete syntax -> statements of nets and densities. */
import type { CstNode } from "chevrotain";
import { InternalError } from "../base/internal-error.js";
import type * as ast from "./ast.js";
import type { Builder } from "./builder.js";
import { chosen, maybeNode, maybeToken, nodes, theNode, theToken } from "./cst.js";
import { expression, rangeBinder } from "./expressions.js";
import { binderWords } from "./tokens.js";

/** Where statements stand: what is legal there differs. */
export interface Body {
  readonly kind: "net" | "density";
  readonly name: string;
}

/** The statements of a block; those that do not belong there are reported and left out. */
export function statementsOf(b: Builder, block: CstNode, body: Body, inLoop = false): readonly ast.Stmt[] {
  return nodes(block, "statement").flatMap((node) => {
    const made = b.item(node, () => {
      const statement = statementOf(b, node, body);
      checkPlace(b, statement, body, inLoop);
      return statement;
    });
    return made === undefined ? [] : [made];
  });
}

function checkPlace(b: Builder, made: ast.Stmt, body: Body, inLoop: boolean): void {
  const place = inLoop && made.kind === "return" && body.kind === "net" ? "a `for` loop" : `${body.kind} \`${body.name}\``;
  const head = { ...made.span, end: made.span.start + (made.kind === "draw" ? made.target.span.end - made.target.span.start : 6) };
  switch (made.kind) {
    case "draw":
      if (body.kind === "net") {
        b.giveUp("GM1022", head, { what: "a draw `~`", place }, { help: ["a net is deterministic: draw in a density, or bind with `=`"] });
      }
      return;
    case "energy":
      if (body.kind === "net") {
        b.giveUp(
          "GM1022",
          head,
          { what: "`energy`", place },
          { help: ["an energy belongs in a density; a net gives a value with `return`"] },
        );
      }
      return;
    case "return": {
      const help =
        body.kind === "net" ? "return once, at the end of the net" : "a density draws its variables with `~` or defines them with `=`";
      if (body.kind === "density" || inLoop) b.giveUp("GM1022", head, { what: "`return`", place }, { help: [help] });
      return;
    }
    case "bind":
    case "for":
      return;
  }
}

export function targetOf(b: Builder, node: CstNode): ast.Target {
  const name = b.name(node);
  const shape = maybeNode(node, "shape");
  if (shape && binderWords.has(name.name)) {
    b.report("GM1039", name.span, { name: name.name }, { help: ["give the family another name"] });
  }
  return { name, indices: shape ? nodes(shape, "expression").map((index) => expression(b, index)) : [], span: b.span(node) };
}

function statementOf(b: Builder, statement: CstNode, body: Body): ast.Stmt {
  const node = chosen(statement);
  const span = b.span(node);
  switch (node.name) {
    case "bindStmt": {
      const target = targetOf(b, theNode(node, "target"));
      const value = expression(b, theNode(node, "expression"));
      return maybeToken(node, "Tilde") ? { kind: "draw", target, dist: value, span } : { kind: "bind", target, value, span };
    }
    case "energyStmt":
      return { kind: "energy", value: expression(b, theNode(node, "expression")), span };
    case "returnStmt":
      return { kind: "return", value: expression(b, theNode(node, "expression")), span };
    case "forStmt": {
      const block = theNode(node, "statements");
      const index = rangeBinder(b, theNode(node, "rangeBinder"));
      return { kind: "for", index, body: statementsOf(b, block, body, true), span, ...b.brokenFlag(node, block) };
    }
    default:
      throw new InternalError(`a statement of rule ${node.name}`);
  }
}

/** A net's body: ends with its one `return`. */
export function netBody(b: Builder, node: CstNode, name: ast.Ident): readonly ast.Stmt[] {
  const value = maybeNode(node, "expression");
  if (value) {
    const result = expression(b, value);
    return [{ kind: "return", value: result, span: result.span }];
  }
  const block = theNode(node, "statements");
  const body = statementsOf(b, block, { kind: "net", name: name.name });
  const end = body.findIndex((statement) => statement.kind === "return");
  const after = end < 0 ? undefined : body[end + 1];
  const result = body[end];
  if (after && result) {
    b.report(
      "GM1021",
      after.span,
      {},
      { labels: [{ span: result.span, text: "the net ends here" }], help: ["move it before the `return`, or delete it"] },
    );
    return body.slice(0, end + 1);
  }
  if (end < 0 && !b.brokenFlag(node, block).broken) {
    const labels = body.at(-1) ? [{ span: b.span(theToken(block, "RBrace")), text: "expected `return …` before this" }] : [];
    b.report("GM1020", name.span, { name: name.name }, { labels, help: ["end the body with `return e`, or write `net f(x) = e`"] });
  }
  return body;
}
