/** What the makers of the syntax tree share: places, findings, and which parts had to be given up. */
import type { CstElement, CstNode } from "chevrotain";
import type { Code, CodeArgs } from "../base/registry.js";
import { type Diagnostics, report, type ReportDetails } from "../base/report.js";
import type { SourceFile, Span } from "../base/source.js";
import type { BrokenPart, Expr, Ident } from "./ast.js";
import { endOf, maybeToken, startOf, theToken } from "./cst.js";
import type { GmToken } from "./lexer.js";
import { isName } from "./resume.js";

/** Expressions inside expressions, brackets or not. */
const depthLimit = 500;

export class Builder {
  /** Grows with every part that is given up; a statement in whose making it grew is left out of the tree. */
  givenUp = 0;
  /** Set once a model has been found to be closed before its end. */
  closedEarly = false;
  private readonly depths = new Map<Expr, number>();
  private tooDeep = false;
  private readonly brokenParts: BrokenPart[] = [];

  constructor(
    readonly file: SourceFile,
    readonly diagnostics: Diagnostics,
    private readonly tokens: readonly GmToken[],
    /** Offsets of statements that were read, but wrongly, as what follows them shows. */
    private readonly misread: ReadonlySet<number>,
  ) {}

  /** Notes that the tokens from `first` up to `end` are missing from the tree. */
  addBroken(first: number, end: number): void {
    const part = this.tokens.slice(first, end);
    const start = part[0]?.startOffset ?? this.tokens.at(-1)?.endOffset ?? 0;
    const names = [...new Set(part.filter(isName).map((token) => token.image))];
    this.addPart({ span: { file: this.file, start, end: (part.at(-1)?.endOffset ?? start - 1) + 1 }, names });
  }

  addPart(part: BrokenPart): void {
    this.brokenParts.push(part);
  }

  get broken(): readonly BrokenPart[] | undefined {
    return this.brokenParts.length > 0 ? this.brokenParts : undefined;
  }

  /** Marks a declaration whose text holds a broken part, or whose block is not closed. */
  brokenFlag(node: CstNode, block: CstNode | undefined = node): { readonly broken?: true } {
    const { start, end } = this.span(node);
    const unclosed = block !== undefined && maybeToken(block, "LBrace") !== undefined && maybeToken(block, "RBrace") === undefined;
    return unclosed || this.brokenParts.some((part) => part.span.start >= start && part.span.start <= end) ? { broken: true } : {};
  }

  /** Makes one statement or item; undefined, and noted as broken, where part of it had to be given up. */
  item<T>(node: CstNode, make: () => T): T | undefined {
    const before = this.givenUp;
    const made = this.misread.has(startOf(node)) ? undefined : make();
    if (made !== undefined && this.givenUp === before) return made;
    const { start, end } = this.span(node);
    const first = this.tokens.findIndex((token) => token.startOffset >= start);
    const last = this.tokens.findLastIndex((token) => token.startOffset < end);
    this.addBroken(first, last + 1);
    return undefined;
  }

  span(element: CstElement): Span {
    return { file: this.file, start: startOf(element), end: endOf(element) };
  }

  between(first: Span, last: Span): Span {
    return { file: this.file, start: first.start, end: last.end };
  }

  report<C extends Code>(code: C, span: Span, args: CodeArgs<C>, details?: ReportDetails): void {
    report(this.diagnostics, code, span, args, details);
  }

  /** Reports, and gives the part up that is being made. */
  giveUp<C extends Code>(code: C, span: Span, args: CodeArgs<C>, details?: ReportDetails): void {
    this.givenUp++;
    report(this.diagnostics, code, span, args, details);
  }

  identOf(token: GmToken): Ident {
    return { name: token.image, span: this.span(token) };
  }

  /** The name that a rule consumes. */
  name(node: CstNode): Ident {
    return this.identOf(theToken(node, "Name"));
  }

  /** An expression made of others; limits how deep they nest. */
  nest<E extends Expr>(expr: E, parts: readonly (Expr | undefined)[]): E {
    let depth = 0;
    for (const part of parts) if (part) depth = Math.max(depth, this.depths.get(part) ?? 0);
    this.depths.set(expr, depth + 1);
    if (depth + 1 <= depthLimit) return expr;
    this.givenUp++;
    if (!this.tooDeep) {
      this.tooDeep = true;
      const at = { file: this.file, start: expr.span.start, end: Math.min(expr.span.start + 1, expr.span.end) };
      const help = ["give parts of it names of their own, or write a long sum as `sum[i in 1..n](…)`"];
      this.report("GM1015", at, { what: "expressions", limit: depthLimit }, { help });
    }
    return expr;
  }

  /** The same expression at another place. */
  respan<E extends Expr>(expr: E, span: Span): E {
    const copy = { ...expr, span };
    this.depths.set(copy, this.depths.get(expr) ?? 0);
    return copy;
  }

  /** Reports the second of two equal names in a list. */
  noRepeats(names: readonly Ident[], what: string): void {
    const first = new Map<string, Ident>();
    for (const ident of names) {
      const earlier = first.get(ident.name);
      if (earlier) {
        const labels = [{ span: earlier.span, text: "first given here" }];
        this.report("GM1025", ident.span, { name: ident.name, what }, { label: "given again", labels });
      } else first.set(ident.name, ident);
    }
  }
}
