/**
 * The grammar as a chevrotain parser: tokens -> concrete syntax tree. It agrees with `grammar/gm.ebnf`, rule by rule.
 * It is a little wider than the language: what can be said better with the whole construct in sight (a `latent` outside
 * a model, a net without `return`) is checked when the syntax tree is made (cst-to-ast.ts).
 */
import { ExpressionGrammar } from "./expression-grammar.js";
import * as t from "./tokens.js";

export class Grammar extends ExpressionGrammar {
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

  private readonly declarationKinds = [
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
  ];

  readonly declaration = this.RULE("declaration", () => {
    this.OR(this.declarationKinds);
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
    this.OPTION(() => this.SUBRULE(this.symmetry));
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

  readonly symmetry = this.RULE("symmetry", () => {
    this.OR([{ ALT: () => this.CONSUME(t.Invariant) }, { ALT: () => this.CONSUME(t.Equivariant) }]);
    this.OPTION(() => {
      this.CONSUME(t.LParen);
      this.commaSeparated(1, this.variable);
      this.CONSUME(t.RParen);
    });
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
    this.OR([
      {
        ALT: () => {
          this.OR1([{ ALT: () => this.CONSUME(t.Forward) }, { ALT: () => this.CONSUME(t.Inverse) }]);
          this.CONSUME(t.LParen);
          this.CONSUME(t.Name);
          this.CONSUME(t.RParen);
          this.CONSUME(t.Equals);
          this.SUBRULE(this.expression);
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Jacobian);
          this.CONSUME1(t.Equals);
          this.CONSUME1(t.Name);
        },
      },
    ]);
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
    this.sequence("setting", () => this.SUBRULE(this.metrics));
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

  private readonly statementKinds = [
    { ALT: () => this.SUBRULE(this.forStmt) },
    { ALT: () => this.SUBRULE(this.energyStmt) },
    { ALT: () => this.SUBRULE(this.returnStmt) },
    { ALT: () => this.SUBRULE(this.bindStmt) },
  ];

  readonly statement = this.RULE("statement", () => {
    this.OR(this.statementKinds);
  });

  private readonly bindSigns = [{ ALT: () => this.CONSUME(t.Equals) }, { ALT: () => this.CONSUME(t.Tilde) }];

  /** `h = e` binds, `z ~ d` draws. */
  readonly bindStmt = this.RULE("bindStmt", () => {
    this.SUBRULE(this.target);
    this.OR(this.bindSigns);
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

  readonly metrics = this.RULE("metrics", () => {
    this.commaSeparated(1, this.metric, false);
  });

  readonly metric = this.RULE("metric", () => {
    this.SUBRULE(this.namedArg);
    this.OPTION(() => this.SUBRULE(this.byClause));
  });

  // ---- helpers ------------------------------------------------------------------------------------------

  /** A list in parentheses in the head of a declaration; where it is broken, the body is read all the same. */
  private headList(read: () => void): void {
    this.recover("list", () => this.beforeBody(read));
  }

  /** Whether `, name =` follows: an option of an update, not another item of `over` or `by`. */
  private optionFollows(): boolean {
    return this.LA(3).tokenType === t.Equals;
  }
}
