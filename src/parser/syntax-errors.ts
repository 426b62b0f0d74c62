/** The parser's failures in words: what was expected and found, where what it belongs to was opened, and the way out. */
import type { Label } from "../base/diagnostic.js";
import { type Diagnostics, diagnosticOf } from "../base/report.js";
import type { Diagnostic } from "../base/diagnostic.js";
import type { SourceFile } from "../base/source.js";
import { didYouMean, didYouMeanHelp } from "../base/suggest.js";
import { explainLeftover } from "./leftover-errors.js";
import type { GmToken } from "./lexer.js";
import { afterPhrase, logWithoutVariables, placeOf, type Scene, tokenSpan, withoutName } from "./scene.js";
import {
  beginsExpression,
  bracketPhrases,
  expectedPhrase,
  foundPhrase,
  isKeyword,
  openBracket,
  openerOf,
  sideBySideHelp,
} from "./phrases.js";
import type { Failure } from "./recovery.js";
import { afterBracket, beginsDeclaration, beginsTraining, isCloser, isName, isOpener } from "./resume.js";
import * as t from "./tokens.js";

/** Reports each failure once. `closedEarly`: a `}` too many has been explained, so its counterpart at the end needs no report. */
export function reportFailures(
  file: SourceFile,
  tokens: readonly GmToken[],
  failures: readonly Failure[],
  diagnostics: Diagnostics,
  closedEarly: boolean,
): void {
  let lastClose = -1;
  const done = new Set<number>();
  for (const [index, failure] of failures.entries()) {
    const token = tokens[failure.at];
    const previous = tokens[failure.at - 1];
    // The lexer has spoken already.
    if ((token ?? previous)?.reported) continue;
    // A string that is not closed may have swallowed what is missing.
    if (previous?.reported && previous.tokenType === t.StringLiteral) continue;
    if (closedEarly && failure.item === "file" && token?.tokenType === t.RBrace) continue;
    // After a broken head, what follows is judged by where the head was given up.
    const before = failures[index - 1];
    if ((before?.item === "list" || before?.item === "name") && before.resume === failure.at && failure.start < failure.at) continue;
    // Blocks inside blocks that miss their ends at one place are one mistake to the eye.
    if (failure.item === "close") {
      if (lastClose === failure.at) continue;
      lastClose = failure.at;
    }
    const scene: Scene = { file, tokens, failure, token, previous, rule: failure.rules.at(-1) ?? "", done };
    diagnostics.add(failure.leftover ? explainLeftover(scene) : explain(scene));
    const unclosed = failure.item === "close" ? openBracket(tokens, failure.at, t.LBrace, done) : undefined;
    if (unclosed !== undefined) done.add(unclosed);
  }
}

function explain(scene: Scene): Diagnostic {
  const { failure, token, previous, rule } = scene;
  const { expected } = failure;
  if (previous?.tokenType === t.Log && isName(token)) return logWithoutVariables(scene);
  if (expected && isCloser(expected)) return missingCloser(scene);
  if (startsAfterLog(scene))
    return logWithoutVariables({ ...scene, token: scene.tokens[failure.start], previous: scene.tokens[failure.start - 1] });
  if (rule === "operand" || rule === "arg") return missingExpression(scene);
  if (expected === t.Name) return missingName(scene);
  if (rule === "bindStmt") return unknownStatement(scene, ["energy", "return", "for"]);
  if (rule === "namedArg" && expected === t.Equals && failure.at === failure.start + 1) {
    return unknownStatement(scene, failure.item === "trainItem" ? ["maximize", "minimize", "constrain", "phase"] : []);
  }
  if (rule === "binder") return binderWithoutBody(scene);
  return expectedHere(scene);
}

/** `maximize log p`: `p` was read as the beginning of the next statement. */
function startsAfterLog({ tokens, failure }: Scene): boolean {
  const first = tokens[failure.start];
  return (
    failure.at === failure.start + 1 && isName(first) && first?.firstOnLine === false && tokens[failure.start - 1]?.tokenType === t.Log
  );
}

function expectedHere(scene: Scene): Diagnostic {
  const { failure, token, previous, rule } = scene;
  const after = previous && isName(previous) && failure.expected !== t.LBrace ? ` after \`${previous.image}\`` : "";
  const help =
    rule === "namedArg" && token?.tokenType === t.Tilde
      ? ["write `=`: only a density draws with `~`"]
      : rule === "phaseItem" && isName(token)
        ? [`a label stands in double quotes: \`phase "${token?.image ?? ""}"\``]
        : rule === "constrainItem" && failure.expected === undefined
          ? [
              "weights are held in an interval, `constrain D.weights in [-0.01, 0.01]`, norms under a limit, `constrain norm(A, axis = 1) <= 1`",
            ]
          : rule === "flowDirection" && token?.tokenType === t.LBrace
            ? statementsOfDirection(scene)
            : rule === "range"
              ? binderMeant(scene)
              : symmetryMeant(scene);
  return diagnosticOf(
    "GM1001",
    placeOf(scene),
    { expected: `${expectedPhrase(rule, failure.expected)}${after}`, found: foundPhrase(token) },
    { help },
  );
}

/** `inverse(x) { a = x[1]  return … }`: a net without weights has statements, and is seen through. */
function statementsOfDirection({ tokens, failure }: Scene): readonly string[] {
  const [word = "inverse", , name = "x"] = tokens.slice(failure.at - 4, failure.at).map((token) => token.image);
  const net = word === "inverse" ? "back" : "there";
  return [
    `names are bound in a net of the model, \`net ${net}(${name}) { a = ${name}[1]  return … }\`, which is seen through: \`${word}(${name}) = ${net}(${name})\``,
  ];
}

/** `E[d[1]]` of a table `E`: inside of what reads as a binder, and binds nothing. */
function binderMeant({ tokens, failure, token }: Scene): readonly string[] {
  const next = tokens[failure.at + 1]?.tokenType;
  if (token?.tokenType === t.RBracket && (next === t.Tilde || next === t.Comma)) {
    const [family, bracket, member] = tokens.slice(failure.at - 3, failure.at);
    if (!isName(family) || bracket?.tokenType !== t.LBracket) return [];
    const { image } = family!;
    return [
      `a family is drawn whole, and its members are read inside: \`E[${image} ~ …](…)\`, with \`${image}[${member!.image}]\` in what is averaged`,
    ];
  }
  let depth = 0;
  for (let i = failure.at - 1; i >= 0 && i > failure.at - 200; i--) {
    const type = tokens[i]?.tokenType;
    if (type === t.RBracket) depth++;
    else if (type === t.LBracket && depth-- === 0) {
      const word = tokens[i - 1]?.image ?? "";
      if (t.binderWords.has(word))
        return [`\`${word}[\` begins a binder; a variable of your own called \`${word}\` needs another name to be indexed`];
      depth = 0;
    }
  }
  return [];
}

/** `net D(x) invarient = …`: between the parameters of a net and its body stands its symmetry. */
function symmetryMeant({ rule, token, previous }: Scene): readonly string[] {
  if (rule !== "netDecl" || !isName(token) || previous?.tokenType !== t.RParen) return [];
  return didYouMeanHelp(
    token?.image ?? "",
    [t.Invariant, t.Equivariant].map((word) => word.LABEL ?? word.name.toLowerCase()),
  );
}

/** The bracket that a missing closer belongs to, as a label and in words. */
function opened(scene: Scene, closer: GmToken["tokenType"]): { readonly what: string; readonly labels: readonly Label[] } {
  const { file, tokens, failure, rule, done } = scene;
  const index = openBracket(tokens, failure.at, openerOf(closer), done);
  const opener = index === undefined ? undefined : tokens[index];
  const before = index === undefined ? undefined : tokens[index - 1];
  const isBinder = rule === "binder";
  const word = before && t.binderWords.has(before.image) ? before.image : undefined;
  const what = isBinder
    ? closer === t.RBracket
      ? `brackets of \`${word ?? "E"}\``
      : "body of the binder"
    : (bracketPhrases[rule] ?? "bracket");
  return { what, labels: opener ? [{ span: tokenSpan(file, opener), text: `${what} opened here` }] : [] };
}

/** Whether the bracket that the failure is about is closed further on, so that what stands here was to be part of it. */
function closesBehind({ tokens, failure, done }: Scene, closer: GmToken["tokenType"]): boolean {
  const index = openBracket(tokens, failure.at, openerOf(closer), done);
  return index !== undefined && afterBracket(tokens, index) !== undefined;
}

const listRules: ReadonlySet<string> = new Set([
  ...["args", "givenArgs", "formals", "conditionedFormals", "givenFormals", "head", "givenVariables", "record", "list", "shape", "indices"],
]);

/** `log p(z[3] = e)`, `f(a[1] = 2)`, `(a[1] = 2)`: what stands before a `=` is a name alone. */
function indexedName({ file, tokens, failure, token, previous, done }: Scene): Diagnostic | undefined {
  if (token?.tokenType !== t.Equals || previous?.tokenType !== t.RBracket) return undefined;
  // of `z[i][l]` too
  let first = failure.at;
  while (tokens[first - 1]?.tokenType === t.RBracket) {
    const bracket = openBracket(tokens, first - 1, t.LBracket, done);
    if (bracket === undefined) return undefined;
    first = bracket;
  }
  const name = tokens[first - 1];
  const before = tokens[first - 2];
  if (!isName(name) || !name || !before || !(isOpener(before.tokenType) || [t.Comma, t.Bar].includes(before.tokenType))) return undefined;
  const { start } = tokenSpan(file, name);
  const span = { ...tokenSpan(file, previous), start };
  const text = file.text.slice(start, span.end);
  const opener = openBracket(tokens, failure.at, t.LParen, done) ?? 0;
  const [draws, callee] = [tokens[opener - 2], tokens[opener - 1]];
  const help =
    isName(callee) && (draws?.tokenType === t.Log || draws?.tokenType === t.Tilde)
      ? [
          `all of \`${name.image}\`, not a sample or an entry of it: \`${callee!.image}(${name.image} = …)\``,
          `a member of a family takes a value where it is declared as a variable of its own, as \`latent ${name.image}1 : real[D]\` and \`${callee!.image}(${name.image}1 = …)\` for \`${name.image}[1]\``,
        ]
      : [`give a name without an index: \`${name.image} = …\``];
  return diagnosticOf("GM1043", span, { text }, { help });
}

function missingCloser(scene: Scene): Diagnostic {
  const indexed = indexedName(scene);
  if (indexed) return indexed;
  const { file, failure, token, previous, rule } = scene;
  const closer = failure.expected ?? t.RParen;
  const close = closer.LABEL ?? "";
  const { what, labels } = opened(scene, closer);
  const found = foundPhrase(token);
  if (token?.tokenType === t.DotDot)
    return diagnosticOf("GM1030", tokenSpan(file, token), {}, { help: ["write `x[1..k]`, or `sum[i in 1..k](…)`"] });
  if (rule === "group" && token?.tokenType === t.Comma) {
    return diagnosticOf("GM1023", tokenSpan(file, token), {}, { labels, help: ["a list is written `[a, b]`, a record `(a = …, b = …)`"] });
  }
  const begins = previous && (isOpener(previous.tokenType) || previous.tokenType === t.Comma || previous.tokenType === t.Bar);
  if (token && begins && isKeyword(token) && !token.firstOnLine) return keywordAsName(scene, token);
  const missesComma = listRules.has(rule) || rule === "binder";
  if (missesComma && token?.tokenType === t.Semicolon && closesBehind(scene, closer)) {
    const help = ["write `,` in place of `;`"];
    return diagnosticOf("GM1026", tokenSpan(file, token), { what, found }, { label: "expected `,`", labels, help });
  }
  if (missesComma && token && previous && !token.firstOnLine && beginsExpression(token) && closer !== t.RBrace) {
    if (!(rule === "binder" && closer === t.RParen)) {
      return diagnosticOf(
        "GM1026",
        tokenSpan(file, token),
        { what, found },
        { label: "expected `,`", labels, help: [`write \`,\` before ${found}`] },
      );
    }
  }
  const label = `expected \`${close}\``;
  const help: string[] = [];
  if (token?.tokenType === t.Bar && listRules.has(rule)) {
    help.push(rule === "formals" ? "only densities and flows have conditions after `|`" : "`|` stands once, before all conditions");
  }
  if (token?.tokenType === t.Equals && rule === "head") help.push("a density's variables have no defaults");
  if (closer === t.RBrace) {
    const misplaced = misindentedCloser(scene);
    if (misplaced) return diagnosticOf("GM1002", placeOf(scene), { close, what, found }, { label, labels: [...labels, misplaced], help });
  }
  return diagnosticOf("GM1002", placeOf(scene), { close, what, found }, { label, labels, help });
}

/** Where a `}` is missing, an inner `}` that closes a line indented otherwise shows where. */
function misindentedCloser({ file, tokens, failure }: Scene): Label | undefined {
  const indentOf = new Map<number, number>();
  const open: GmToken[] = [];
  for (const token of tokens.slice(0, failure.at)) {
    if (token.firstOnLine) indentOf.set(token.startLine, token.startColumn);
    if (token.tokenType === t.LBrace) open.push(token);
    if (token.tokenType !== t.RBrace) continue;
    const opener = open.pop();
    if (!opener || !token.firstOnLine || opener.startLine === token.startLine) continue;
    if (indentOf.get(opener.startLine) !== token.startColumn) {
      return { span: tokenSpan(file, token), text: `this closes the block of line ${opener.startLine}, though it is indented otherwise` };
    }
  }
  return undefined;
}

function missingExpression(scene: Scene): Diagnostic {
  const { file, token, previous } = scene;
  if (token && isKeyword(token) && !token.firstOnLine && !isCloser(token.tokenType)) {
    return keywordAsName(scene, token);
  }
  const binds = token?.tokenType === t.Tilde || token?.tokenType === t.Equals;
  if (previous && binds && isKeyword(previous)) return keywordAsName(scene, previous);
  const help: string[] = [];
  if (token?.tokenType === t.Plus) help.push("a number is positive without a sign");
  if (token?.tokenType === t.LBrace) help.push("a block must follow a call, as in `repeat(8) { … }`");
  if (token?.tokenType === t.DotDot) help.push("a range has two ends, as in `1..L`");
  const inIndex = previous?.tokenType === t.LBracket || previous?.tokenType === t.Comma;
  if (token?.tokenType === t.Colon && inIndex)
    help.push(
      "a range has both its ends, counted from 1: `h[1..T, 1..3]` takes all T positions of the first axis, and three of the second",
    );
  const place = previous && token?.firstOnLine === false ? tokenSpan(file, token) : placeOf(scene);
  return diagnosticOf("GM1004", place, { after: afterPhrase(previous), found: foundPhrase(token) }, { help });
}

function keywordAsName({ file, tokens, rule }: Scene, token: GmToken): Diagnostic {
  const at = tokens.indexOf(token);
  const named = tokens[at + 1]?.tokenType === t.Equals;
  const isStatement = token.tokenType === t.Energy && named;
  const isArgument = named && rule === "args" && tokens[at - 1]?.tokenType === t.LParen;
  const rename = `choose another name, such as \`${token.image}_\``;
  return diagnosticOf(
    "GM1013",
    tokenSpan(file, token),
    { word: token.image },
    {
      help: isArgument
        ? [`no argument has this name: leave \`${token.image} =\` out where it is given by its place`]
        : isStatement
          ? ["an energy is stated without `=`: `energy -(v @ W @ h)`", `for a value of your own ${rename}`]
          : [rename],
    },
  );
}

function missingName(scene: Scene): Diagnostic {
  const { file, tokens, failure, token, previous, rule } = scene;
  if (token?.tokenType === t.Log && previous?.tokenType === t.Dot) return functionOfModule(scene);
  const begins = beginsDeclaration(tokens, failure.at) || beginsTraining(token);
  const afterComma = previous?.tokenType === t.Comma;
  if (token && isKeyword(token) && !(begins && (token.firstOnLine || afterComma))) return keywordAsName(scene, token);
  if (token && t.keywords.has(token.image) && token.tokenType === t.Log) return keywordAsName(scene, token);
  const after = previous === undefined ? "" : ` after ${afterPhrase(previous)}`;
  const indexed = rule === "binding" ? ["a variable of your own under the name of a binder needs another name to be indexed"] : [];
  const help =
    rule === "domain"
      ? domainHelp(token)
      : indexed.length > 0
        ? indexed
        : begins && afterComma
          ? [`delete the comma before \`${token?.image}\``]
          : [];
  const place = token && !token.firstOnLine ? tokenSpan(file, token) : placeOf(scene);
  return diagnosticOf("GM1001", place, { expected: `${expectedPhrase(rule, t.Name)}${after}`, found: foundPhrase(token) }, { help });
}

/** `torch.log(x)`: `log` is the only function that is a keyword too. */
function functionOfModule({ file, tokens, failure, token }: Scene): Diagnostic {
  const of = tokens[failure.at - 2];
  const span = { file, start: of?.startOffset ?? 0, end: (token?.endOffset ?? 0) + 1 };
  return diagnosticOf("GM1035", span, { what: `\`${of?.image ?? ""}.log\`` }, { help: ["functions stand by themselves: write `log(…)`"] });
}

const domains = ["real", "positive", "unit", "binary", "category", "count", "byte", "simplex"];

function domainHelp(token: GmToken | undefined): readonly string[] {
  const near = token ? didYouMean(token.image, domains) : undefined;
  return near === undefined ? [`the domains are ${domains.map((name) => `\`${name}\``).join(", ")}`] : [`did you mean \`${near}\`?`];
}

/** A statement's first word is a name, and what follows makes it no statement. */
function unknownStatement(scene: Scene, words: readonly string[]): Diagnostic {
  const { file, tokens, failure, token } = scene;
  const first = tokens[failure.start];
  const isTraining = failure.item === "trainItem" || failure.item === "setting";
  const near = first ? didYouMean(first.image, words) : undefined;
  if (first && near !== undefined) {
    const expected = isTraining ? "item of training" : "statement";
    return diagnosticOf("GM1019", tokenSpan(file, first), { word: first.image, expected }, { help: [`did you mean \`${near}\`?`] });
  }
  if (first && !first.firstOnLine && failure.start > 0 && !blockBegins(tokens[failure.start - 1]) && token?.tokenType !== t.Colon) {
    return diagnosticOf("GM1042", tokenSpan(file, first), { found: foundPhrase(first) }, { help: sideBySideHelp(first) });
  }
  const isNameAlone = !token || token.firstOnLine || isCloser(token.tokenType) || [t.Colon, t.Tilde].includes(token.tokenType);
  if (first && failure.item === "setting" && !isNameAlone) return withoutName(scene, first);
  const help =
    token?.tokenType === t.LParen
      ? ["a call alone does nothing: give its value a name with `=`"]
      : token?.tokenType === t.Colon
        ? [isTraining ? "write `=` in place of `:`" : "variables are declared in the model, with `data`, `latent` or `param`"]
        : first
          ? didYouMeanHelp(first.image, words)
          : [];
  const target =
    first && failure.at > failure.start ? file.text.slice(first.startOffset, (tokens[failure.at - 1]?.endOffset ?? 0) + 1) : "";
  const sign = isTraining ? "`=`" : "`=` or `~`";
  return diagnosticOf(
    "GM1001",
    placeOf(scene),
    { expected: `${sign}${target === "" ? "" : ` after \`${target.slice(0, 60)}\``}`, found: foundPhrase(token) },
    { help },
  );
}

/** Whether the item after this token is the first of its block, or stands after a separator. */
function blockBegins(token: GmToken | undefined): boolean {
  return token?.tokenType === t.LBrace || token?.tokenType === t.RBrace || token?.tokenType === t.Semicolon;
}

function binderWithoutBody(scene: Scene): Diagnostic {
  const { tokens, failure, token } = scene;
  const closer = failure.at - 1;
  let depth = 0;
  let word: GmToken | undefined;
  for (let i = closer; i >= failure.start && word === undefined; i--) {
    const type = tokens[i]?.tokenType;
    if (type === t.RBracket) depth++;
    else if (type === t.LBracket && --depth === 0) word = tokens[i - 1];
  }
  const op = word?.image ?? "E";
  return diagnosticOf(
    "GM1027",
    placeOf(scene),
    { op, found: foundPhrase(token) },
    {
      labels: word ? [{ span: tokenSpan(scene.file, word), text: `\`${op}[\` begins a binder` }] : [],
      help: [`write \`${op}[…](…)\`; a variable of your own called \`${op}\` needs another name to be indexed`],
    },
  );
}
