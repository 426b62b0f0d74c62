/**
 * The grammar as a chevrotain parser: tokens -> concrete syntax tree. It agrees with `grammar/gm.ebnf`, rule by rule.
 * It is a little wider than the language: what can be said better with the whole construct in sight (a `latent` outside
 * a model, a net without `return`) is checked when the syntax tree is made (cst-to-ast.ts).
 */
import type { ParserMethod, CstNode } from "chevrotain";
import { RecoveringParser } from "./recovery.js";
import * as t from "./tokens.js";

type Rule = ParserMethod<[], CstNode>;

export class Grammar extends RecoveringParser {
  /** Set while a `for` range or a head is read: the `{` after it begins the body, not a block of the last call. */
  private blockForbidden = false;

  constructor(skipValidations = true) {
    super(skipValidations);
    this.performSelfAnalysis();
  }

  // ---- files and declarations -------------------------------------------------------------------

  readonly file = this.RULE("file", () => {
    this.sequence("file", () => {
      this.OR1([{ ALT: () => this.SUBRULE(this.importDecl) }, { ALT: () => this.SUBRULE(this.declaration) }]);
    });
  });

  readonly importDecl = this.RULE("importDecl", () => {
    this.CONSUME(t.Import);
    this.CONSUME(t.StringLiteral);
  });

  readonly declaration = this.RULE("declaration", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.constDecl) },
      { ALT: () => this.SUBRULE(this.dataDecl) },
      { ALT: () => this.SUBRULE(this.latentDecl) },
      { ALT: () => this.SUBRULE(this.paramDecl) },
      { ALT: () => this.SUBRULE(this.netDecl) },
      { ALT: () => this.SUBRULE(this.flowDecl) },
      { ALT: () => this.SUBRULE(this.densityDecl) },
      { ALT: () => this.SUBRULE(this.objectiveDecl) },
      { ALT: () => this.SUBRULE(this.modelDecl) },
      { ALT: () => this.SUBRULE(this.trainDecl) },
      { ALT: () => this.SUBRULE(this.evaluateDecl) },
    ]);
  });

  readonly modelDecl = this.RULE("modelDecl", () => {
    this.CONSUME(t.Model);
    this.recover("name", () => this.CONSUME(t.Name));
    this.OPTION(() => this.SUBRULE(this.formals));
    this.CONSUME(t.LBrace);
    this.sequence("member", () => this.SUBRULE(this.declaration));
    this.closeBlock();
  });

  readonly constDecl = this.RULE("constDecl", () => {
    this.CONSUME(t.Const);
    this.CONSUME(t.Name);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  readonly dataDecl = this.RULE("dataDecl", () => {
    this.CONSUME(t.Data);
    this.commaSeparated(1, this.declarator, false);
  });

  readonly latentDecl = this.RULE("latentDecl", () => {
    this.CONSUME(t.Latent);
    this.commaSeparated(1, this.declarator, false);
  });

  readonly paramDecl = this.RULE("paramDecl", () => {
    this.CONSUME(t.Param);
    this.commaSeparated(1, this.paramItem, false);
  });

  readonly netDecl = this.RULE("netDecl", () => {
    this.CONSUME(t.Net);
    this.CONSUME(t.Name);
    this.SUBRULE(this.formals);
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Equals);
          this.SUBRULE(this.expression);
        },
      },
      { ALT: () => this.SUBRULE(this.statements) },
    ]);
  });

  readonly flowDecl = this.RULE("flowDecl", () => {
    this.CONSUME(t.Flow);
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.conditionedFormals));
    this.OPTION1(() => {
      this.CONSUME(t.On);
      this.SUBRULE(this.domain);
      this.OPTION2(() => {
        this.CONSUME(t.Arrow);
        this.SUBRULE1(this.domain);
      });
    });
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Equals);
          this.SUBRULE(this.expression);
        },
      },
      { ALT: () => this.SUBRULE(this.flowBody) },
    ]);
  });

  readonly flowBody = this.RULE("flowBody", () => {
    this.CONSUME(t.LBrace);
    this.sequence("direction", () => this.SUBRULE(this.flowDirection));
    this.closeBlock();
  });

  readonly flowDirection = this.RULE("flowDirection", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Forward) }, { ALT: () => this.CONSUME(t.Inverse) }]);
    this.CONSUME(t.LParen);
    this.CONSUME(t.Name);
    this.CONSUME(t.RParen);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  readonly densityDecl = this.RULE("densityDecl", () => {
    this.CONSUME(t.Density);
    this.CONSUME(t.Name);
    this.SUBRULE(this.head);
    this.SUBRULE(this.statements);
  });

  readonly objectiveDecl = this.RULE("objectiveDecl", () => {
    this.CONSUME(t.Objective);
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.formals));
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  readonly trainDecl = this.RULE("trainDecl", () => {
    this.CONSUME(t.Train);
    this.SUBRULE(this.trainBody);
  });

  readonly evaluateDecl = this.RULE("evaluateDecl", () => {
    this.CONSUME(t.Evaluate);
    this.CONSUME(t.LBrace);
    this.sequence("setting", () => this.SUBRULE(this.settings));
    this.closeBlock();
  });

  // ---- heads of declarations ----------------------------------------------------------------------

  readonly formals = this.RULE("formals", () => {
    this.headList(() => {
      this.CONSUME(t.LParen);
      this.OPTION(() => this.commaSeparated(1, this.formal));
      this.CONSUME(t.RParen);
    });
  });

  readonly conditionedFormals = this.RULE("conditionedFormals", () => {
    this.headList(() => {
      this.CONSUME(t.LParen);
      this.OPTION(() => {
        this.commaSeparated(1, this.formal);
        this.OPTION1(() => this.SUBRULE(this.givenFormals));
      });
      this.CONSUME(t.RParen);
    });
  });

  readonly givenFormals = this.RULE("givenFormals", () => {
    this.CONSUME(t.Bar);
    this.commaSeparated(1, this.formal);
  });

  readonly formal = this.RULE("formal", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => {
      this.CONSUME(t.Equals);
      this.SUBRULE(this.expression);
    });
  });

  readonly head = this.RULE("head", () => {
    this.headList(() => {
      this.CONSUME(t.LParen);
      this.commaSeparated(1, this.variable);
      this.OPTION(() => this.SUBRULE(this.givenVariables));
      this.CONSUME(t.RParen);
    });
  });

  readonly givenVariables = this.RULE("givenVariables", () => {
    this.CONSUME(t.Bar);
    this.commaSeparated(1, this.variable);
  });

  readonly variable = this.RULE("variable", () => {
    this.CONSUME(t.Name);
  });

  readonly declarator = this.RULE("declarator", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => {
      this.CONSUME(t.LBracket);
      this.SUBRULE(this.rangeBinder);
      this.CONSUME(t.RBracket);
    });
    this.CONSUME(t.Colon);
    this.SUBRULE(this.domain);
  });

  readonly domain = this.RULE("domain", () => {
    this.CONSUME(t.Name);
    this.MANY(() => this.SUBRULE(this.shape));
    this.OPTION(() => this.CONSUME(t.Question));
    this.OPTION1(() => {
      this.CONSUME(t.AtMostOne);
      this.CONSUME(t.LParen);
      this.commaSeparated(1, this.expression);
      this.CONSUME(t.RParen);
    });
  });

  readonly shape = this.RULE("shape", () => {
    this.CONSUME(t.LBracket);
    this.commaSeparated(1, this.expression);
    this.CONSUME(t.RBracket);
  });

  readonly paramItem = this.RULE("paramItem", () => {
    this.SUBRULE(this.declarator);
    this.OPTION(() => {
      this.OR([
        { ALT: () => this.SUBRULE(this.initClause) },
        {
          ALT: () => {
            this.CONSUME(t.Equals);
            this.SUBRULE(this.expression);
          },
        },
      ]);
    });
  });

  readonly initClause = this.RULE("initClause", () => {
    this.CONSUME(t.Init);
    this.OR({
      IGNORE_AMBIGUITIES: true,
      DEF: [
        { GATE: () => this.LA(2).tokenType !== t.LParen, ALT: () => this.CONSUME(t.Data) },
        {
          ALT: () => {
            this.CONSUME(t.Name);
            this.SUBRULE(this.args);
          },
        },
      ],
    });
  });

  // ---- statements of nets and densities -------------------------------------------------------------

  readonly statements = this.RULE("statements", () => {
    this.CONSUME(t.LBrace);
    this.sequence("statement", () => this.SUBRULE(this.statement));
    this.closeBlock();
  });

  readonly statement = this.RULE("statement", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.forStmt) },
      { ALT: () => this.SUBRULE(this.energyStmt) },
      { ALT: () => this.SUBRULE(this.returnStmt) },
      { ALT: () => this.SUBRULE(this.bindStmt) },
    ]);
  });

  /** `h = e` binds, `z ~ d` draws. */
  readonly bindStmt = this.RULE("bindStmt", () => {
    this.SUBRULE(this.target);
    this.OR([{ ALT: () => this.CONSUME(t.Equals) }, { ALT: () => this.CONSUME(t.Tilde) }]);
    this.SUBRULE(this.expression);
  });

  readonly target = this.RULE("target", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.shape));
  });

  readonly energyStmt = this.RULE("energyStmt", () => {
    this.CONSUME(t.Energy);
    this.SUBRULE(this.expression);
  });

  readonly returnStmt = this.RULE("returnStmt", () => {
    this.CONSUME(t.Return);
    this.SUBRULE(this.expression);
  });

  readonly forStmt = this.RULE("forStmt", () => {
    this.CONSUME(t.For);
    this.beforeBody(() => this.SUBRULE(this.rangeBinder));
    this.SUBRULE(this.statements);
  });

  // ---- training and evaluation ------------------------------------------------------------------------

  readonly trainBody = this.RULE("trainBody", () => {
    this.CONSUME(t.LBrace);
    this.sequence("trainItem", () => this.SUBRULE(this.trainItem));
    this.closeBlock();
  });

  readonly trainItem = this.RULE("trainItem", () => {
    this.OR([
      { ALT: () => this.SUBRULE(this.updateItem) },
      { ALT: () => this.SUBRULE(this.constrainItem) },
      { ALT: () => this.SUBRULE(this.phaseItem) },
      { ALT: () => this.SUBRULE(this.settings) },
    ]);
  });

  readonly updateItem = this.RULE("updateItem", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Maximize) }, { ALT: () => this.CONSUME(t.Minimize) }]);
    this.SUBRULE(this.expression);
    this.OPTION(() => this.SUBRULE(this.overClause));
    this.OPTION1(() => this.SUBRULE(this.byClause));
    this.MANY(() => {
      this.CONSUME(t.Comma);
      this.SUBRULE(this.namedArg);
    });
  });

  readonly overClause = this.RULE("overClause", () => {
    this.CONSUME(t.Over);
    this.SUBRULE(this.operand);
    this.MANY({
      GATE: () => !this.optionFollows(),
      DEF: () => {
        this.CONSUME(t.Comma);
        this.SUBRULE1(this.operand);
      },
    });
  });

  readonly byClause = this.RULE("byClause", () => {
    this.CONSUME(t.By);
    this.SUBRULE(this.estimate);
    this.MANY({
      GATE: () => !this.optionFollows(),
      DEF: () => {
        this.CONSUME(t.Comma);
        this.SUBRULE1(this.estimate);
      },
    });
  });

  readonly estimate = this.RULE("estimate", () => {
    this.OPTION({
      GATE: () => this.LA(2).tokenType === t.Colon || this.LA(2).tokenType === t.LBracket,
      DEF: () => {
        this.SUBRULE(this.target);
        this.CONSUME(t.Colon);
      },
    });
    this.SUBRULE(this.estimator);
    this.MANY(() => {
      this.CONSUME(t.And);
      this.SUBRULE1(this.estimator);
    });
  });

  readonly estimator = this.RULE("estimator", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => this.SUBRULE(this.args));
  });

  readonly constrainItem = this.RULE("constrainItem", () => {
    this.CONSUME(t.Constrain);
    this.SUBRULE(this.operand);
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.In);
          this.CONSUME(t.LBracket);
          this.SUBRULE(this.expression);
          this.CONSUME(t.Comma);
          this.SUBRULE1(this.expression);
          this.CONSUME(t.RBracket);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.AtMost);
          this.SUBRULE2(this.expression);
        },
      },
    ]);
  });

  readonly phaseItem = this.RULE("phaseItem", () => {
    this.CONSUME(t.Phase);
    this.CONSUME(t.StringLiteral);
    this.SUBRULE(this.trainBody);
  });

  readonly settings = this.RULE("settings", () => {
    this.commaSeparated(1, this.namedArg, false);
  });

  readonly namedArg = this.RULE("namedArg", () => {
    this.CONSUME(t.Name);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  // ---- expressions, loosest first ---------------------------------------------------------------------

  /** Operators of all precedences in a row; cst-to-ast.ts groups them (precedence.ts), which spares a rule per level. */
  readonly expression = this.RULE("expression", () => {
    this.SUBRULE(this.operand);
    this.MANY(() => {
      this.CONSUME(t.Operator);
      this.SUBRULE1(this.operand);
    });
  });

  /** `-` at will, a primary, and what is applied to it: calls, indices, fields, blocks. */
  readonly operand = this.RULE("operand", () => {
    this.MANY(() => this.CONSUME(t.Minus));
    this.OR({
      IGNORE_AMBIGUITIES: true,
      DEF: [
        { GATE: () => this.LA(2).tokenType === t.LBracket, ALT: () => this.SUBRULE(this.binder) },
        { ALT: () => this.CONSUME(t.Name) },
        { ALT: () => this.CONSUME(t.NumberLiteral) },
        { ALT: () => this.CONSUME(t.StringLiteral) },
        { ALT: () => this.CONSUME(t.True) },
        { ALT: () => this.CONSUME(t.False) },
        { GATE: () => this.LA(3).tokenType === t.Equals, ALT: () => this.SUBRULE(this.record) },
        { ALT: () => this.SUBRULE(this.group) },
        { ALT: () => this.SUBRULE(this.list) },
        { GATE: () => this.densityFollowsLog(), ALT: () => this.SUBRULE(this.logDensity) },
        { ALT: () => this.CONSUME(t.Log) },
      ],
    });
    this.MANY1({
      GATE: () => !this.blockForbidden || this.LA(1).tokenType !== t.LBrace,
      DEF: () => {
        this.OR1([
          { ALT: () => this.SUBRULE(this.args) },
          { ALT: () => this.SUBRULE(this.indices) },
          { ALT: () => this.SUBRULE(this.field) },
          { ALT: () => this.SUBRULE(this.block) },
        ]);
      },
    });
  });

  readonly args = this.RULE("args", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LParen);
      this.OPTION(() => {
        this.commaSeparated(1, this.arg);
        this.OPTION1(() => this.SUBRULE(this.givenArgs));
      });
      this.CONSUME(t.RParen);
    });
  });

  readonly givenArgs = this.RULE("givenArgs", () => {
    this.CONSUME(t.Bar);
    this.commaSeparated(1, this.arg);
  });

  readonly arg = this.RULE("arg", () => {
    this.OR({
      IGNORE_AMBIGUITIES: true,
      DEF: [
        { GATE: () => this.LA(2).tokenType === t.Equals, ALT: () => this.SUBRULE(this.namedArg) },
        { ALT: () => this.SUBRULE(this.expression) },
      ],
    });
  });

  readonly indices = this.RULE("indices", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LBracket);
      this.commaSeparated(1, this.index);
      this.CONSUME(t.RBracket);
    });
  });

  readonly index = this.RULE("index", () => {
    this.SUBRULE(this.expression);
    this.OPTION(() => {
      this.CONSUME(t.DotDot);
      this.SUBRULE1(this.expression);
    });
  });

  readonly field = this.RULE("field", () => {
    this.CONSUME(t.Dot);
    this.CONSUME(t.Name);
  });

  readonly block = this.RULE("block", () => {
    this.CONSUME(t.LBrace);
    this.SUBRULE(this.expression);
    this.CONSUME(t.RBrace);
  });

  readonly group = this.RULE("group", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LParen);
      this.SUBRULE(this.expression);
      this.CONSUME(t.RParen);
    });
  });

  readonly record = this.RULE("record", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LParen);
      this.commaSeparated(1, this.namedArg);
      this.CONSUME(t.RParen);
    });
  });

  readonly list = this.RULE("list", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LBracket);
      this.OPTION(() => this.commaSeparated(1, this.expression));
      this.CONSUME(t.RBracket);
    });
  });

  readonly logDensity = this.RULE("logDensity", () => {
    this.CONSUME(t.Log);
    this.CONSUME(t.Name);
    this.SUBRULE(this.args);
  });

  readonly binder = this.RULE("binder", () => {
    this.CONSUME(t.BinderWord);
    this.inBrackets(() => {
      this.CONSUME(t.LBracket);
      this.commaSeparated(1, this.binding);
      this.CONSUME(t.RBracket);
      this.CONSUME(t.LParen);
      this.SUBRULE(this.expression);
      this.CONSUME(t.RParen);
    });
  });

  readonly binding = this.RULE("binding", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => {
      this.CONSUME(t.LBracket);
      this.SUBRULE(this.range);
      this.CONSUME(t.RBracket);
    });
    this.OPTION1(() => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.In);
            this.SUBRULE1(this.range);
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Tilde);
            this.SUBRULE(this.expression);
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Equals);
            this.SUBRULE1(this.expression);
          },
        },
      ]);
    });
  });

  readonly rangeBinder = this.RULE("rangeBinder", () => {
    this.CONSUME(t.Name);
    this.CONSUME(t.In);
    this.SUBRULE(this.range);
  });

  readonly range = this.RULE("range", () => {
    this.SUBRULE(this.expression);
    this.CONSUME(t.DotDot);
    this.SUBRULE1(this.expression);
  });

  // ---- helpers ------------------------------------------------------------------------------------------

  /** Reads what stands right before a body in braces. */
  private beforeBody(read: () => void): void {
    this.withBlocks(false, read);
  }

  /** Reads what brackets set apart from what follows. */
  private inBrackets(read: () => void): void {
    if (this.blockForbidden) this.withBlocks(true, read);
    else read();
  }

  private withBlocks(allowed: boolean, read: () => void): void {
    const before = this.blockForbidden;
    this.blockForbidden = !allowed;
    try {
      read();
    } finally {
      this.blockForbidden = before;
    }
  }

  /** A list in parentheses in the head of a declaration; where it is broken, the body is read all the same. */
  private headList(read: () => void): void {
    this.recover("list", () => this.beforeBody(read));
  }

  /** One or more of a rule with commas between; `trailing` allows one more comma before the closing bracket. */
  private commaSeparated(index: number, rule: Rule, trailing = true): void {
    this.subrule(10 * index, rule);
    this.many(10 * index, {
      GATE: () => !trailing || !this.listEndsAfterComma(),
      DEF: () => {
        this.consume(10 * index, t.Comma);
        this.subrule(10 * index + 1, rule);
      },
    });
    if (trailing) this.option(10 * index, () => this.consume(10 * index + 1, t.Comma));
  }

  private listEndsAfterComma(): boolean {
    const type = this.LA(2).tokenType;
    return type === t.RParen || type === t.RBracket;
  }

  /** Whether `, name =` follows: an option of an update, not another item of `over` or `by`. */
  private optionFollows(): boolean {
    return this.LA(3).tokenType === t.Equals;
  }

  /** `log p(…)` against the function `log`; `forward` and `inverse` begin what follows in a flow's body. */
  private densityFollowsLog(): boolean {
    const name = this.LA(2).tokenType;
    const isName = name === t.Identifier || (name.CATEGORIES ?? []).includes(t.Name);
    return isName && name !== t.Forward && name !== t.Inverse && this.LA(3).tokenType === t.LParen;
  }
}
