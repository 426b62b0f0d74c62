/** How messages about syntax name things: tokens, brackets and the parts of the grammar, in the user's language. */
import type { TokenType } from "chevrotain";
import type { GmToken } from "./lexer.js";
import { isCloser, isOpener } from "./resume.js";
import * as t from "./tokens.js";

/** What was found: "`x`", "the keyword `train`", "the end of the file". */
export function foundPhrase(token: GmToken | undefined): string {
  if (!token) return "the end of the file";
  if (isKeyword(token)) return `the keyword \`${token.image}\``;
  if (token.tokenType === t.StringLiteral) return "a string";
  const image = token.image.length > 40 ? `${token.image.slice(0, 40)}…` : token.image;
  return `\`${image}\``;
}

export function isKeyword(token: GmToken | undefined): boolean {
  return token !== undefined && t.keywords.has(token.image) && token.tokenType !== t.Log && token.tokenType !== t.StringLiteral;
}

/** What a bracket opens, by the rule that it stands in. */
export const bracketPhrases: Readonly<Record<string, string>> = {
  args: "argument list",
  givenArgs: "argument list",
  arg: "argument list",
  formals: "parameter list",
  conditionedFormals: "parameter list",
  givenFormals: "parameter list",
  head: "list of variables",
  givenVariables: "list of variables",
  group: "parentheses",
  record: "record",
  list: "list",
  shape: "brackets",
  indices: "index",
  domain: "block shape",
  declarator: "index of the family",
  binding: "range",
  constrainItem: "interval",
  block: "block",
  flowDirection: "parentheses",
  modelDecl: "model",
  statements: "body",
  flowBody: "body of the flow",
  trainBody: "block",
  evaluateDecl: "`evaluate` block",
};

/** What had to follow, by rule and token type: `rule:Token`, or `:Token` in any rule. */
const expectations: Readonly<Record<string, string>> = {
  "modelDecl:Name": "the name of the model",
  "constDecl:Name": "the name of the constant",
  "netDecl:Name": "the name of the net",
  "flowDecl:Name": "the name of the flow",
  "densityDecl:Name": "the name of the density",
  "objectiveDecl:Name": "the name of the objective",
  "declarator:Name": "the name of a variable",
  "variable:Name": "the name of a variable",
  "formal:Name": "the name of a parameter",
  "flowDirection:Name": "the name of the argument",
  "domain:Name": "a domain such as `real[D]`",
  "field:Name": "the name of a field",
  "namedArg:Name": "a setting such as `batch = 100`",
  "target:Name": "a name",
  "estimator:Name": "an estimator such as `reparam`",
  "binding:Name": "the name to bind",
  "rangeBinder:Name": "the name of the index",
  ":Name": "a name",
  "constDecl:Equals": "`=` and the value of the constant",
  "objectiveDecl:Equals": "`=` and the objective",
  "flowDirection:Equals": "`=` and what the direction computes",
  "namedArg:Equals": "`=` and a value",
  "declarator:Colon": "`:` and a domain, as in `z : real[D]`",
  "rangeBinder:In": "`in` and a range, as in `l in 1..L`",
  "range:DotDot": "a range such as `1..L`",
  "netDecl:LParen": "`(` and the parameters of the net",
  "formals:LParen": "`(` and the parameters",
  "head:LParen": "`(` and the variables of the density, as in `p(x, z)` or `q(z | x)`",
  "args:LParen": "`(` and the arguments",
  "flowDirection:LParen": "`(` and the name of the argument",
  "modelDecl:LBrace": "`{` and the declarations of the model",
  "statements:LBrace": "`{` and the body",
  "trainBody:LBrace": "`{` and what to train",
  "evaluateDecl:LBrace": "`{` and what to evaluate",
  "importDecl:String": "the path of a file in double quotes",
  "phaseItem:String": "a label in double quotes",
  "constrainItem:LBracket": "an interval, as in `[-0.01, 0.01]`",
  "constrainItem:Comma": "`,` and the upper end of the interval",
  // Where one of several could stand.
  "netDecl:": "`= …` or `{ … }` with the body of the net",
  "flowDecl:": "`= …` or `{ … }` with the body of the flow",
  "initClause:": "a distribution such as `Normal(0, 0.01)`, or `data`",
  "constrainItem:": "`in [low, high]` or `<= limit`",
};

/** What had to stand at a place of a rule. */
export function expectedPhrase(rule: string, expected: TokenType | undefined): string {
  const name = expected?.name ?? "";
  return expectations[`${rule}:${name}`] ?? expectations[`:${name}`] ?? (expected ? `\`${expected.LABEL}\`` : "something else");
}

/** Index of the innermost bracket of a type that is open before `at`; `done` are those whose lack of an end has been reported. */
export function openBracket(tokens: readonly GmToken[], at: number, type: TokenType, done: ReadonlySet<number>): number | undefined {
  const open: number[] = [];
  for (let i = 0; i < at; i++) {
    const tokenType = tokens[i]?.tokenType;
    if (tokenType === undefined) break;
    if (isOpener(tokenType)) open.push(i);
    else if (isCloser(tokenType)) {
      // A closer takes the innermost opener of its kind; those inside were never closed.
      const match = open.findLastIndex((index) => pairOf(tokens[index]?.tokenType) === tokenType);
      if (match >= 0) open.length = match;
    }
  }
  return open.findLast((index) => tokens[index]?.tokenType === type && !done.has(index));
}

export function pairOf(opener: TokenType | undefined): TokenType | undefined {
  return opener === t.LParen ? t.RParen : opener === t.LBracket ? t.RBracket : opener === t.LBrace ? t.RBrace : undefined;
}

export function openerOf(closer: TokenType): TokenType {
  return closer === t.RParen ? t.LParen : closer === t.RBracket ? t.LBracket : t.LBrace;
}

/** Whether a token begins an expression. */
export function beginsExpression(token: GmToken | undefined): boolean {
  if (!token) return false;
  const type = token.tokenType;
  return (
    type === t.Identifier ||
    (type.CATEGORIES ?? []).includes(t.Name) ||
    [t.NumberLiteral, t.StringLiteral, t.True, t.False, t.Log, t.LParen, t.LBracket].includes(type)
  );
}

/** Help where an expression stands right beside another. */
export function sideBySideHelp(token: GmToken | undefined): readonly string[] {
  return token?.firstOnLine
    ? ["a statement begins with a name or a keyword"]
    : [`if a product is meant, write \`*\` before ${foundPhrase(token)}`];
}
