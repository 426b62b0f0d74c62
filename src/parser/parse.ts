/**
 * Text -> syntax tree: the only entry of the parser. Total: every text gives a tree, with what could not be read
 * reported and left out. A thousand lines take about as long as Node takes to start, a third of it the making of the parser.
 */
import { Diagnostics, report, sortedByPlace } from "../base/report.js";
import type { Diagnostic } from "../base/diagnostic.js";
import type { SourceFile } from "../base/source.js";
import type { FileAst } from "./ast.js";
import { Builder } from "./builder.js";
import { fileOf } from "./cst-to-ast.js";
import { docFinder } from "./docs.js";
import { cutForeignBlocks, type ForeignBlock } from "./foreign-blocks.js";
import { Grammar } from "./grammar.js";
import { type Comment, type GmToken, lex } from "./lexer.js";
import { withMissingBraces } from "./missing-braces.js";
import { limitNesting } from "./nesting.js";
import type { Failure } from "./recovery.js";
import { besideItem } from "./resume.js";
import { reportFailures } from "./syntax-errors.js";
import type { CstNode } from "chevrotain";

/** Characters. A model of a thousand lines has about 40,000. */
export const lengthLimit = 1_000_000;

let shared: Grammar | undefined;

/** The parser is stateful but synchronous, so one serves all; it is made at the first use. */
function grammar(): Grammar {
  shared ??= new Grammar();
  return shared;
}

export interface Concrete {
  readonly root: CstNode;
  readonly tokens: readonly GmToken[];
  readonly comments: readonly Comment[];
  readonly failures: readonly Failure[];
  readonly blocks: readonly ForeignBlock[];
}

/** Text -> concrete syntax tree; reports what is wrong with tokens and braces, but not foreign blocks and the parser's failures. */
export function parseConcrete(file: SourceFile, diagnostics: Diagnostics): Concrete {
  const tooLong = file.text.length > lengthLimit;
  if (tooLong) report(diagnostics, "GM1017", { file, start: 0, end: 0 }, { limit: lengthLimit });
  const lexed = lex(tooLong ? { path: file.path, text: "" } : file, diagnostics);
  const { tokens: own, blocks } = cutForeignBlocks(file, lexed.tokens);
  const tokens = withMissingBraces(file, limitNesting(file, own, diagnostics), diagnostics);
  const parser = grammar();
  parser.begin(tokens);
  const root = parser.file();
  return { root, tokens, comments: lexed.comments, failures: parser.failures, blocks };
}

/** Errors of one file that are shown. */
export const errorLimit = 100;

/** Parses a file; mistakes go to `diagnostics`, in the order of the text, and the rest of the file is read all the same. */
export function parse(file: SourceFile, diagnostics: Diagnostics): FileAst {
  const found = new Diagnostics(10 * errorLimit);
  const { root, tokens, comments, failures, blocks } = parseConcrete(file, found);
  const misread = new Set(
    failures.filter((failure) => misreads(tokens, failure)).map((failure) => tokens[failure.start]?.startOffset ?? -1),
  );
  const builder = new Builder(file, found, tokens, misread);
  for (const failure of failures) builder.addBroken(failure.start, Math.max(failure.resume, failure.at));
  for (const { span, names } of blocks) builder.addPart({ span, names });
  const docs = docFinder(comments, tokens);
  const ast = fileOf(builder, docs, root);
  reportFailures(file, tokens, failures, found, builder.closedEarly);
  if (!found.hasErrors && blocks.length === 0) docs.reportLost(found);
  const inside = ({ labels: [at] }: Diagnostic): boolean =>
    blocks.some(({ span }) => at !== undefined && span.start <= at.span.start && at.span.start < span.end);
  const sorted = sortedByPlace([...found.list.filter((one) => !inside(one)), ...blocks.map((block) => block.finding)]);
  for (const diagnostic of sorted.slice(0, errorLimit)) diagnostics.add(diagnostic);
  const hidden = sorted[errorLimit];
  if (hidden) report(diagnostics, "GM1016", hidden.labels[0]?.span, { shown: errorLimit });
  return ast;
}

/** Whether the item before leftover text was read wrongly: the text stands beside it, or shows where the next one begins. */
function misreads(tokens: readonly GmToken[], failure: Failure): boolean {
  return failure.leftover && (failure.resume <= failure.at || besideItem(tokens, failure.at));
}
