/**
 * The words and signs of the language, one chevrotain token type each. `Name` stands for everything that can name a
 * thing: identifiers, and the words that are keywords in one place only (`data`, `init`, …) or bind names before `[`.
 * The lexer (lexer.ts) is our own; the patterns here are for the grammar alone.
 */
import type { TokenType } from "chevrotain";
import { createToken, Lexer } from "./chevrotain.js";

function token(name: string, text: string, categories: TokenType[] = []): TokenType {
  return createToken({ name, pattern: Lexer.NA, label: text, categories });
}

// ---- names --------------------------------------------------------------------------------------

/** Category: an identifier or a word that may serve as one. */
export const Name = token("Name", "a name");
export const Identifier = token("Identifier", "a name", [Name]);
/** Category: words that bind names when `[` follows. */
export const BinderWord = token("BinderWord", "a binder", [Name]);

const binderWord = (text: string): TokenType => token(`Binder_${text}`, text, [BinderWord, Name]);
const softWord = (name: string, text: string): TokenType => token(name, text, [Name]);

export const Data = softWord("Data", "data");
export const Init = softWord("Init", "init");
export const On = softWord("On", "on");
export const AtMostOne = softWord("AtMostOne", "at_most_one");
export const Forward = softWord("Forward", "forward");
export const Inverse = softWord("Inverse", "inverse");
export const Jacobian = softWord("Jacobian", "jacobian");
export const Invariant = softWord("Invariant", "invariant");
export const Equivariant = softWord("Equivariant", "equivariant");

// ---- keywords -----------------------------------------------------------------------------------

export const Import = token("Import", "import");
export const Const = token("Const", "const");
export const Net = token("Net", "net");
export const Flow = token("Flow", "flow");
export const Objective = token("Objective", "objective");
export const Model = token("Model", "model");
export const Latent = token("Latent", "latent");
export const Param = token("Param", "param");
export const Density = token("Density", "density");
export const Train = token("Train", "train");
export const Evaluate = token("Evaluate", "evaluate");
export const For = token("For", "for");
export const In = token("In", "in");
export const Return = token("Return", "return");
export const Energy = token("Energy", "energy");
export const Maximize = token("Maximize", "maximize");
export const Minimize = token("Minimize", "minimize");
export const Over = token("Over", "over");
export const By = token("By", "by");
export const And = token("And", "and");
export const Constrain = token("Constrain", "constrain");
export const Phase = token("Phase", "phase");
export const Log = token("Log", "log");
export const True = token("True", "true");
export const False = token("False", "false");

// ---- literals and signs -------------------------------------------------------------------------

export const NumberLiteral = token("Number", "a number");
export const StringLiteral = token("String", "a string");

/** Category: what stands between two operands. */
export const Operator = token("Operator", "an operator");
export const Pipe = token("Pipe", "|>", [Operator]);
export const Arrow = token("Arrow", "->");
export const DotDot = token("DotDot", "..");
export const AtMost = token("AtMost", "<=");
export const Plus = token("Plus", "+", [Operator]);
export const Minus = token("Minus", "-", [Operator]);
export const Star = token("Star", "*", [Operator]);
export const Slash = token("Slash", "/", [Operator]);
export const At = token("At", "@", [Operator]);
export const Caret = token("Caret", "^", [Operator]);
export const Bar = token("Bar", "|");
export const Tilde = token("Tilde", "~");
export const Equals = token("Equals", "=");
export const Colon = token("Colon", ":");
export const Comma = token("Comma", ",");
export const Semicolon = token("Semicolon", ";");
export const Dot = token("Dot", ".");
export const Question = token("Question", "?");
export const LParen = token("LParen", "(");
export const RParen = token("RParen", ")");
export const LBracket = token("LBracket", "[");
export const RBracket = token("RBracket", "]");
export const LBrace = token("LBrace", "{");
export const RBrace = token("RBrace", "}");

/** Text that the lexer has reported already; the parser stops at it and says nothing more. */
export const Invalid = token("Invalid", "invalid text");

// ---- tables -------------------------------------------------------------------------------------

const byText = (types: readonly TokenType[]): ReadonlyMap<string, TokenType> =>
  new Map(types.map((type) => [type.LABEL ?? type.name, type]));

/** Words that no name may be. */
export const keywords: ReadonlyMap<string, TokenType> = byText([
  ...[Import, Const, Net, Flow, Objective, Model, Latent, Param, Density, Train, Evaluate, For, In, Return, Energy],
  ...[Maximize, Minimize, Over, By, And, Constrain, Phase, Log, True, False],
]);

/** Words with a meaning in one place that may also be names. */
export const softKeywords: ReadonlyMap<string, TokenType> = byText([
  ...[Data, Init, On, AtMostOne, Forward, Inverse, Jacobian, Invariant, Equivariant],
]);

export const binderWords: ReadonlyMap<string, TokenType> = byText(
  ["E", "sum", "mean", "max", "min", "logsumexp", "logmeanexp", "grad"].map(binderWord),
);

/** All words that are more than identifiers. */
export const words: ReadonlyMap<string, TokenType> = new Map([...keywords, ...softKeywords, ...binderWords]);

/** Signs; the lexer takes the longest that fits. */
export const signs: ReadonlyMap<string, TokenType> = byText([
  ...[Pipe, Arrow, DotDot, AtMost, Plus, Minus, Star, Slash, At, Caret, Bar, Tilde, Equals, Colon, Comma, Semicolon, Dot, Question],
  ...[LParen, RParen, LBracket, RBracket, LBrace, RBrace],
]);

export const allTokens: readonly TokenType[] = [
  ...[Name, Identifier, BinderWord, Operator, NumberLiteral, StringLiteral, Invalid],
  ...keywords.values(),
  ...softKeywords.values(),
  ...binderWords.values(),
  ...signs.values(),
];
