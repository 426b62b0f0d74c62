/**
 * Grouping operators, from loosest to tightest: `|>`; `+ -`; `* / @` (all from the left); unary minus; `^` (from the right).
 * A minus in an exponent takes all that follows it there: `a ^ -b ^ c` is `a ^ (-(b ^ c))`.
 */
import type { CstNode, TokenType } from "chevrotain";
import { InternalError } from "../base/internal-error.js";
import type * as ast from "./ast.js";
import type { Builder } from "./builder.js";
import { tokens } from "./cst.js";
import { unsigned } from "./expressions.js";
import type { GmToken } from "./lexer.js";
import * as t from "./tokens.js";

/** Operators of one level that group from the left, loosest level first. */
const levels: readonly (readonly TokenType[])[] = [[t.Pipe], [t.Plus, t.Minus], [t.Star, t.Slash, t.At]];

/** Minus signs before a value, the innermost last. */
export function negated(b: Builder, signs: readonly GmToken[], value: ast.Expr): ast.Expr {
  let result = value;
  for (const sign of [...signs].reverse()) {
    result = b.nest({ kind: "unary", op: "-", operand: result, span: b.between(b.span(sign), result.span) }, [result]);
  }
  return result;
}

/** Loops rather than recursion over operands: a hostile row of them is as long as its file. */
export function byPrecedence(b: Builder, operands: readonly CstNode[], operators: readonly GmToken[]): ast.Expr {
  let next = 0;

  const power = (): ast.Expr => {
    const first = next;
    while (operators[next]?.tokenType === t.Caret) next++;
    next++;
    let result: ast.Expr | undefined;
    for (let i = next - 1; i >= first; i--) {
      const operand = operands[i];
      if (!operand) throw new InternalError("an operator without an operand");
      const base = unsigned(b, operand);
      const right = result;
      const raised: ast.Expr = right
        ? b.nest({ kind: "binary", op: "^", left: base, right, span: b.between(base.span, right.span) }, [base, right])
        : base;
      result = negated(b, tokens(operand, "Minus"), raised);
    }
    if (!result) throw new InternalError("an expression without operands");
    return result;
  };

  const level = (depth: number): ast.Expr => {
    const types = levels[depth];
    if (!types) return power();
    let left = level(depth + 1);
    for (;;) {
      // `next` is the operand to come; the operator before it decides whether it belongs to this level.
      const operator = operators[next - 1];
      if (!operator || !types.includes(operator.tokenType)) return left;
      const right = level(depth + 1);
      const span = b.between(left.span, right.span);
      left =
        depth === 0
          ? b.nest({ kind: "pipe", left, right, span }, [left, right])
          : b.nest({ kind: "binary", op: operator.image as ast.BinaryOp, left, right, span }, [left, right]);
    }
  };

  return level(0);
}
