/** Concrete syntax -> document: the canonical layout of every construct, with the comments at its tokens. */
import type { CstElement, CstNode } from "chevrotain";
import { InternalError } from "../base/internal-error.js";
import type { SourceFile } from "../base/source.js";
import { attach, type Attached } from "./attach.js";
import { chosen, isNode, maybeNode, maybeToken, nodes, startOf, theNode, theToken, tokens } from "./cst.js";
import { assigned, comment, concat, type Doc, group, hardLine, indent, line, softLine, wideLine } from "./doc.js";
import type { Comment, GmToken } from "./lexer.js";
import * as t from "./tokens.js";

/** Operators by how loosely they bind; `^` is written without blanks. */
const levels: readonly (readonly string[])[] = [["|>"], ["+", "-"], ["*", "/", "@"]];

export class Layout {
  private readonly attached: Attached;
  /** Line on which what was laid out last ends. */
  private lastLine = 0;
  /** Tokens whose comments before them have been laid out with the item that they begin, at its margin. */
  private readonly written = new Set<number>();

  constructor(
    private readonly source: SourceFile,
    private readonly allTokens: readonly GmToken[],
    comments: readonly Comment[],
  ) {
    this.attached = attach(comments, allTokens);
  }

  // ---- tokens and comments ------------------------------------------------------------------------

  private text(token: GmToken): string {
    const isLiteral = token.tokenType === t.StringLiteral || token.tokenType === t.NumberLiteral;
    return isLiteral ? this.source.text.slice(token.startOffset, token.endOffset + 1) : token.image;
  }

  private token(token: GmToken): Doc {
    const before = this.written.has(token.index) ? [] : this.leading(token.index, token.startLine);
    this.lastLine = token.startLine;
    const after = this.trailing(token.index);
    return before.length + after.length === 0 ? this.text(token) : concat(before, this.text(token), after);
  }

  /** The comments of a token that is not written: a `;`, a comma at the end of a list. */
  private dropped(token: GmToken): readonly Doc[] {
    const before = this.leading(token.index, token.startLine);
    return [...before, ...this.trailing(token.index)];
  }

  private leading(index: number, nextLine: number): readonly Doc[] {
    const comments = this.attached.leading.get(index) ?? [];
    const following = (position: number): number => comments[position + 1]?.startLine ?? nextLine;
    const endsLine = (one: Comment, position: number): boolean => one.kind !== "block" || following(position) > one.endLine;
    const beginsLine = comments.some(endsLine);
    return comments.flatMap((one, position) => {
      const ends = endsLine(one, position);
      const ownLine = beginsLine && position === 0 && one.firstOnLine && one.startLine > this.lastLine;
      const written = comment(this.commentText(one), ownLine, ends);
      this.lastLine = one.endLine;
      if (!ends) return [written, " "];
      return following(position) > one.endLine + 1 ? [written, hardLine, hardLine] : [written, hardLine];
    });
  }

  private trailing(index: number): readonly Doc[] {
    return (this.attached.trailing.get(index) ?? []).flatMap((one) => {
      this.lastLine = one.endLine;
      return [" ", comment(this.commentText(one), false, one.kind !== "block")];
    });
  }

  private commentText(one: Comment): string {
    return one.kind === "block" ? one.text.replaceAll(/\r\n?/g, "\n") : one.text.trimEnd();
  }

  private tokensOf(node: CstNode, type: string): readonly Doc[] {
    return tokens(node, type).map((token) => this.token(token));
  }

  private the(node: CstNode, type: string): Doc {
    return this.token(theToken(node, type));
  }

  /** All parts of a node in the order of the text; `sep` says what stands before each but the first. */
  private inOrder(node: CstNode): readonly CstElement[] {
    return Object.values(node.children)
      .flat()
      .sort((a, b) => startOf(a) - startOf(b));
  }

  // ---- sequences and blocks -------------------------------------------------------------------------

  /** Line on which an element begins, its comments included. */
  private firstLine(element: CstElement): number {
    const token = this.firstToken(element);
    return this.attached.leading.get(token.index)?.[0]?.startLine ?? token.startLine;
  }

  private firstToken(element: CstElement): GmToken {
    if (!isNode(element)) return element as GmToken;
    const first = this.inOrder(element)[0];
    if (!first) throw new InternalError(`an empty ${element.name}`);
    return this.firstToken(first);
  }

  /** Items of a sequence with what separates them; `;` is left out. */
  private items(elements: readonly CstElement[], separator: Doc): readonly Doc[] {
    const docs: Doc[] = [];
    for (const element of elements) {
      if (!isNode(element) && (element as GmToken).tokenType === t.Semicolon) {
        docs.push(concat(this.dropped(element as GmToken)));
        continue;
      }
      if (docs.length > 0) {
        docs.push(separator);
        if (separator === hardLine && this.firstLine(element) > this.lastLine + 1) docs.push(hardLine);
      }
      const first = this.firstToken(element);
      docs.push(concat(this.leading(first.index, first.startLine)));
      this.written.add(first.index);
      docs.push(isNode(element) ? this.node(element) : this.token(element as GmToken));
    }
    return docs;
  }

  file(root: CstNode): Doc {
    const items = this.items(this.inOrder(root), hardLine);
    const end = this.attached.leading.get(this.allTokens.length);
    if (!end) return concat(items);
    const gap: readonly Doc[] = items.length === 0 ? [] : (end[0]?.startLine ?? 0) > this.lastLine + 1 ? [hardLine, hardLine] : [hardLine];
    return concat(items, gap, this.leading(this.allTokens.length, Infinity));
  }

  /** `{ … }` around items: on one line where it was written so and fits. */
  private block(node: CstNode, rule: string): Doc {
    const open = theToken(node, "LBrace");
    const close = theToken(node, "RBrace");
    const inner = this.inOrder(node).filter((element) =>
      isNode(element) ? element.name === rule : (element as GmToken).tokenType === t.Semicolon,
    );
    const begin = this.token(open);
    const oneLine = open.startLine === close.startLine;
    if (inner.length === 0 && !this.attached.leading.has(close.index)) return concat(begin, " ", this.token(close));
    const items = this.items(inner, oneLine ? wideLine : hardLine);
    const last = this.attached.leading.get(close.index);
    if (oneLine) return group(begin, indent(line, items), line, this.token(close));
    // Comments before the brace stand inside the block.
    const gap: readonly Doc[] =
      last && items.length > 0 ? ((last[0]?.startLine ?? 0) > this.lastLine + 1 ? [hardLine, hardLine] : [hardLine]) : [];
    const comments = last ? this.withoutLastBreak(this.leading(close.index, close.startLine)) : [];
    this.lastLine = close.startLine;
    return concat(begin, indent(hardLine, items, gap, comments), hardLine, this.text(close), this.trailing(close.index));
  }

  private withoutLastBreak(docs: readonly Doc[]): readonly Doc[] {
    const end = docs.findLastIndex((doc) => doc !== hardLine);
    return docs.slice(0, end + 1);
  }

  /** Elements with commas between, for a group: `a, b, c` or one a line. */
  private list(node: CstNode, rule: string): readonly Doc[] {
    const elements = this.inOrder(node).filter((element) =>
      isNode(element) ? element.name === rule : (element as GmToken).tokenType === t.Comma,
    );
    const docs: Doc[] = [];
    elements.forEach((element, index) => {
      if (isNode(element)) docs.push(node.name === "shape" ? this.element(element) : this.node(element));
      else if (index === elements.length - 1) docs.push(concat(this.dropped(element as GmToken)));
      else docs.push(this.token(element as GmToken), line);
    });
    return docs;
  }

  /** `(`, a list, `)`; the list goes on its own lines where it is too long. */
  private enclosed(node: CstNode, open: string, close: string, inner: () => readonly Doc[]): Doc {
    const begin = this.the(node, open);
    const docs = inner();
    const end = this.the(node, close);
    return docs.length === 0 ? concat(begin, end) : group(begin, indent(softLine, docs), softLine, end);
  }

  // ---- declarations and statements --------------------------------------------------------------------

  private node(node: CstNode): Doc {
    switch (node.name) {
      case "declaration":
      case "statement":
      case "trainItem":
      case "arg":
        return this.node(chosen(node));
      case "importDecl":
        return concat(this.the(node, "Import"), " ", this.the(node, "String"));
      case "modelDecl": {
        const head = [this.the(node, "Model"), " ", this.the(node, "Name"), ...this.maybe(node, "formals"), " "];
        return concat(head, this.block(node, "declaration"));
      }
      case "constDecl":
        return concat(this.the(node, "Const"), " ", this.the(node, "Name"), " ", this.assigned(node));
      case "dataDecl":
        return group(this.the(node, "Data"), " ", indent(this.list(node, "declarator")));
      case "latentDecl":
        return group(this.the(node, "Latent"), " ", indent(this.list(node, "declarator")));
      case "paramDecl":
        return group(this.the(node, "Param"), " ", indent(this.list(node, "paramItem")));
      case "netDecl":
        return concat(
          this.the(node, "Net"),
          " ",
          this.the(node, "Name"),
          this.node(theNode(node, "formals")),
          maybeNode(node, "symmetry") ? concat(" ", this.maybe(node, "symmetry")) : "",
          " ",
          this.bodyOf(node, "statements"),
        );
      case "symmetry":
        return concat(
          this.tokensOf(node, "Invariant"),
          this.tokensOf(node, "Equivariant"),
          maybeToken(node, "LParen") ? this.enclosed(node, "LParen", "RParen", () => this.list(node, "variable")) : "",
        );
      case "flowDecl":
        return this.flow(node);
      case "flowDirection": {
        const jacobian = maybeToken(node, "Jacobian");
        if (jacobian) return concat(this.token(jacobian), " ", this.the(node, "Equals"), " ", this.the(node, "Name"));
        const word = maybeToken(node, "Forward") ?? theToken(node, "Inverse");
        return concat(
          this.token(word),
          this.the(node, "LParen"),
          this.the(node, "Name"),
          this.the(node, "RParen"),
          " ",
          this.assigned(node),
        );
      }
      case "densityDecl": {
        const head = [this.the(node, "Density"), " ", this.the(node, "Name"), this.node(theNode(node, "head")), " "];
        return concat(head, this.block(theNode(node, "statements"), "statement"));
      }
      case "objectiveDecl":
        return concat(this.the(node, "Objective"), " ", this.the(node, "Name"), this.maybe(node, "formals"), " ", this.assigned(node));
      case "trainDecl":
        return concat(this.the(node, "Train"), " ", this.block(theNode(node, "trainBody"), "trainItem"));
      case "evaluateDecl":
        return concat(this.the(node, "Evaluate"), " ", this.block(node, "metrics"));
      case "formals":
      case "conditionedFormals":
        return this.enclosed(node, "LParen", "RParen", () => [...this.list(node, "formal"), ...this.given(node, "givenFormals", "formal")]);
      case "head":
        return this.enclosed(node, "LParen", "RParen", () => [
          ...this.list(node, "variable"),
          ...this.given(node, "givenVariables", "variable"),
        ]);
      case "variable":
        return this.the(node, "Name");
      case "formal":
        return maybeToken(node, "Equals") ? this.named(node) : this.the(node, "Name");
      case "declarator": {
        const family = maybeNode(node, "rangeBinder");
        const name = this.the(node, "Name");
        const index = family ? [this.the(node, "LBracket"), this.node(family), this.the(node, "RBracket")] : [];
        return concat(name, index, " ", this.the(node, "Colon"), " ", this.node(theNode(node, "domain")));
      }
      case "domain": {
        const docs = [this.the(node, "Name"), ...nodes(node, "shape").map((shape) => this.node(shape)), ...this.tokensOf(node, "Question")];
        if (maybeToken(node, "AtMostOne")) {
          docs.push(
            " ",
            this.the(node, "AtMostOne"),
            this.enclosed(node, "LParen", "RParen", () => this.list(node, "expression")),
          );
        }
        return concat(docs);
      }
      case "shape":
      case "list":
        return this.enclosed(node, "LBracket", "RBracket", () => this.list(node, "expression"));
      case "paramItem": {
        const docs = [this.node(theNode(node, "declarator"))];
        if (maybeNode(node, "initClause")) docs.push(" ", this.node(theNode(node, "initClause")));
        if (maybeToken(node, "Equals")) docs.push(" ", this.assigned(node));
        return concat(docs);
      }
      case "initClause": {
        const word = this.the(node, "Init");
        return concat(word, " ", this.tokensOf(node, "Data"), this.tokensOf(node, "Name"), this.maybe(node, "args"));
      }
      case "bindStmt": {
        const target = this.node(theNode(node, "target"));
        return maybeToken(node, "Tilde") ? concat(target, " ", this.assigned(node, "Tilde")) : concat(target, " ", this.assigned(node));
      }
      case "target":
        return concat(this.the(node, "Name"), this.maybe(node, "shape"));
      case "energyStmt":
        return group(this.the(node, "Energy"), " ", this.hung(theNode(node, "expression")));
      case "returnStmt":
        return group(this.the(node, "Return"), " ", this.hung(theNode(node, "expression")));
      case "forStmt":
        return concat(
          this.the(node, "For"),
          " ",
          this.node(theNode(node, "rangeBinder")),
          " ",
          this.block(theNode(node, "statements"), "statement"),
        );
      case "settings":
        return group(indent(this.list(node, "namedArg")));
      case "metrics":
        return group(indent(this.list(node, "metric")));
      case "metric": {
        const by = maybeNode(node, "byClause");
        return concat(this.node(theNode(node, "namedArg")), ...(by ? [" ", this.node(by)] : []));
      }
      case "updateItem":
        return this.update(node);
      case "overClause":
        return group(this.the(node, "Over"), " ", indent(this.list(node, "operand")));
      case "byClause":
        return group(this.the(node, "By"), " ", indent(this.list(node, "estimate")));
      case "estimate": {
        const target = maybeNode(node, "target");
        const before = target ? [this.node(target), this.the(node, "Colon"), " "] : [];
        return concat(before, this.joined(node, "estimator", "And"));
      }
      case "estimator":
        return concat(this.the(node, "Name"), this.maybe(node, "args"));
      case "constrainItem":
        return this.constraint(node);
      case "phaseItem":
        return concat(this.the(node, "Phase"), " ", this.the(node, "String"), " ", this.block(theNode(node, "trainBody"), "trainItem"));
      case "namedArg":
        return this.named(node);
      default:
        return this.expressionNode(node);
    }
  }

  private maybe(node: CstNode, rule: string): readonly Doc[] {
    return nodes(node, rule).map((child) => this.node(child));
  }

  /** ` | x, y` after a list in parentheses. */
  private given(node: CstNode, rule: string, item: string): readonly Doc[] {
    const given = maybeNode(node, rule);
    const before = nodes(node, item).length > 0 ? [line] : [];
    return given ? [...before, this.the(given, "Bar"), " ", ...this.list(given, item)] : [];
  }

  /** `= e`, the expression further right where it takes several lines. */
  private assigned(node: CstNode, sign = "Equals"): Doc {
    const before = this.the(node, sign);
    const expression = theNode(node, "expression");
    const value = this.node(expression);
    return concat(before, assigned(value, maybeToken(expression, "Operator") ? group(indent(value)) : value));
  }

  /** An expression after a word or sign: a row of operators goes further right where it takes several lines. */
  private hung(expression: CstNode): Doc {
    return maybeToken(expression, "Operator") ? indent(this.node(expression)) : this.node(expression);
  }

  private named(node: CstNode): Doc {
    return concat(this.the(node, "Name"), " ", group(this.the(node, "Equals"), " ", this.hung(theNode(node, "expression"))));
  }

  private bodyOf(node: CstNode, rule: string): Doc {
    const block = maybeNode(node, rule);
    return block ? this.block(block, "statement") : this.assigned(node);
  }

  private joined(node: CstNode, rule: string, word: string): readonly Doc[] {
    const words = tokens(node, word);
    return nodes(node, rule).flatMap((child, index) => {
      const before = words[index - 1];
      return before ? [line, this.token(before), " ", this.node(child)] : [this.node(child)];
    });
  }

  private flow(node: CstNode): Doc {
    const docs = [this.the(node, "Flow"), " ", this.the(node, "Name"), ...this.maybe(node, "conditionedFormals"), " "];
    const [domain, range] = nodes(node, "domain");
    if (domain) docs.push(this.the(node, "On"), " ", this.node(domain), " ");
    if (range) docs.push(this.the(node, "Arrow"), " ", this.node(range), " ");
    const body = maybeNode(node, "flowBody");
    docs.push(body ? this.block(body, "flowDirection") : this.assigned(node));
    return concat(docs);
  }

  private update(node: CstNode): Doc {
    const word = maybeToken(node, "Maximize") ?? theToken(node, "Minimize");
    const docs = [this.token(word), " ", this.node(theNode(node, "expression"))];
    for (const clause of ["overClause", "byClause"]) for (const one of nodes(node, clause)) docs.push(line, this.node(one));
    const options = nodes(node, "namedArg");
    tokens(node, "Comma").forEach((comma, index) => {
      const option = options[index];
      if (option) docs.push(this.token(comma), line, this.node(option));
    });
    return group(indent(docs));
  }

  private constraint(node: CstNode): Doc {
    const docs = [this.the(node, "Constrain"), " ", this.node(theNode(node, "operand")), " "];
    if (maybeToken(node, "In"))
      docs.push(
        this.the(node, "In"),
        " ",
        this.enclosed(node, "LBracket", "RBracket", () => this.list(node, "expression")),
      );
    else docs.push(this.the(node, "AtMost"), " ", this.node(theNode(node, "expression")));
    return concat(docs);
  }

  // ---- expressions --------------------------------------------------------------------------------------

  private expressionNode(node: CstNode): Doc {
    switch (node.name) {
      case "expression":
        return this.row(nodes(node, "operand"), tokens(node, "Operator"), 0, " ");
      case "operand": {
        const signs = this.tokensOf(node, "Minus");
        const parts = this.inOrder(node).filter((element) => isNode(element) || (element as GmToken).tokenType !== t.Minus);
        return concat(
          signs,
          parts.map((part) => (isNode(part) ? this.node(part) : this.token(part as GmToken))),
        );
      }
      case "args":
        return this.enclosed(node, "LParen", "RParen", () => [...this.list(node, "arg"), ...this.given(node, "givenArgs", "arg")]);
      case "indices":
        return this.enclosed(node, "LBracket", "RBracket", () => this.list(node, "index"));
      case "index":
      case "range":
        return this.range(node);
      case "rangeBinder":
        return concat(this.the(node, "Name"), " ", this.the(node, "In"), " ", this.node(theNode(node, "range")));
      case "field":
        return concat(this.the(node, "Dot"), this.the(node, "Name"));
      case "block":
        return concat(
          " ",
          group(this.the(node, "LBrace"), indent(line, this.node(theNode(node, "expression"))), line, this.the(node, "RBrace")),
        );
      case "group":
        return this.enclosed(node, "LParen", "RParen", () => [this.node(theNode(node, "expression"))]);
      case "record":
        return this.enclosed(node, "LParen", "RParen", () => this.list(node, "namedArg"));
      case "logDensity":
        return concat(this.the(node, "Log"), " ", this.the(node, "Name"), this.node(theNode(node, "args")));
      case "binder": {
        const word = this.the(node, "BinderWord");
        const brackets = this.enclosed(node, "LBracket", "RBracket", () => this.list(node, "binding"));
        return concat(
          word,
          brackets,
          this.enclosed(node, "LParen", "RParen", () => [this.node(theNode(node, "expression"))]),
        );
      }
      case "binding":
        return this.binding(node);
      default:
        throw new InternalError(`no layout for ${node.name}`);
    }
  }

  /** A binding's parts stand in the order of the text; which of its two ranges is which follows from that. */
  private binding(node: CstNode): Doc {
    const docs: Doc[] = [];
    for (const part of this.inOrder(node)) {
      if (isNode(part)) docs.push(this.node(part));
      else {
        const token = part as GmToken;
        const spaced = token.tokenType === t.In || token.tokenType === t.Tilde || token.tokenType === t.Equals;
        docs.push(spaced ? concat(" ", this.token(token), " ") : this.token(token));
      }
    }
    return concat(docs);
  }

  /** `1..L-1`: the ends of a range are written without blanks. */
  private range(node: CstNode): Doc {
    const [low, high] = nodes(node, "expression");
    if (!low) throw new InternalError("a range without ends");
    return high ? concat(this.tight(low), this.the(node, "DotDot"), this.tight(high)) : this.element(low);
  }

  /** Without blanks around operators. */
  private tight(expression: CstNode): Doc {
    return this.row(nodes(expression, "operand"), tokens(expression, "Operator"), 0, "");
  }

  /** An index or a size: `l-1`, `2*C`; with blanks where it is made of more than names and numbers. */
  private element(expression: CstNode): Doc {
    const plain = (operand: CstNode): boolean =>
      Object.keys(operand.children).every((name) => name === "Name" || name === "Number" || name === "Minus");
    const isPipe = tokens(expression, "Operator").some((operator) => operator.tokenType === t.Pipe);
    return !isPipe && nodes(expression, "operand").every(plain) ? this.tight(expression) : this.node(expression);
  }

  /** Operands and operators in a row, split at the loosest operators first; lines end before an operator. */
  private row(operands: readonly CstNode[], operators: readonly GmToken[], level: number, blank: string): Doc {
    const [only] = operands;
    if (only && operators.length === 0) return this.node(only);
    const signs = levels[level];
    if (!signs) {
      return concat(
        operands.flatMap((operand, index) => {
          const before = operators[index - 1];
          return before ? [this.token(before), this.node(operand)] : [this.node(operand)];
        }),
      );
    }
    const cuts = operators.flatMap((operator, index) => (signs.includes(operator.image) ? [index] : []));
    if (cuts.length === 0) return this.row(operands, operators, level + 1, blank);
    const docs: Doc[] = [];
    let from = 0;
    for (const cut of [...cuts, operators.length]) {
      const before = operators[from - 1];
      const part = (): Doc => this.row(operands.slice(from, cut + 1), operators.slice(from, cut), level + 1, blank);
      if (!before) docs.push(part());
      else docs.push(blank === "" ? "" : line, this.token(before), blank, part());
      from = cut + 1;
    }
    return group(docs);
  }
}
