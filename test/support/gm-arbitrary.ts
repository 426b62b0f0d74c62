/**
 * Random `.gm` texts for property tests. Texts come as words with single blanks between, so that `withLayout` can put any
 * white space and comments where the blanks stand.
 */
import fc from "fast-check";

const name = fc.constantFrom("x", "z", "h1", "mu", "σ", "ψ_2", "dense", "E", "sum", "max", "data", "init", "on", "forward");
const plainName = fc.constantFrom("x", "z", "h1", "mu", "σ", "p", "q");
const number = fc.constantFrom("0", "1", "3.5", "1e-3", "2E+4", "784");
const separated = (item: fc.Arbitrary<string>, separator: string, minLength = 1, maxLength = 3): fc.Arbitrary<string> =>
  fc.array(item, { minLength, maxLength }).map((items) => items.join(` ${separator} `));

interface Tiers {
  expr: string;
  operand: string;
  primary: string;
  args: string;
  range: string;
  closed: string;
  binding: string;
}

/** A list in which no name is given twice. */
const fields = (item: fc.Arbitrary<string>, maxLength = 3): fc.Arbitrary<string> =>
  fc.array(item, { minLength: 1, maxLength }).map((items) => items.map((one, index) => `${"abc"[index]} = ${one}`).join(" , "));

/** One depth for all rules, so that a text stays small however they call each other. */
const depthIdentifier = fc.createDepthIdentifier();

const tiers = fc.letrec<Tiers>((tie: fc.LetrecTypedTie<Tiers>) => ({
  expr: fc.oneof(
    { maxDepth: 5, depthIdentifier, withCrossShrink: true },
    tie("operand"),
    fc
      .array(fc.tuple(fc.constantFrom("+", "-", "*", "/", "@", "^", "|>"), tie("operand")), { minLength: 1, maxLength: 4 })
      .chain((rest) => tie("operand").map((first) => [first, ...rest.map(([op, operand]) => `${op} ${operand}`)].join(" "))),
  ),
  operand: fc.tuple(fc.constantFrom("", "", "", "- ", "- - "), tie("primary")).map(([sign, value]) => sign + value),
  primary: fc.oneof(
    { maxDepth: 5, depthIdentifier, withCrossShrink: true },
    name,
    number,
    fc.constantFrom("true", "false", '"a label"'),
    tie("expr").map((e) => `( ${e} )`),
    separated(tie("expr"), ",", 0).map((items) => `[ ${items} ]`),
    fields(tie("expr")).map((all) => `( ${all} )`),
    fc.tuple(plainName, tie("args")).map(([f, args]) => `${f} ${args}`),
    fc.tuple(plainName, tie("args")).map(([f, args]) => `log ${f} ${args}`),
    tie("expr").map((e) => `log ( ${e} )`),
    fc.tuple(plainName, tie("args"), tie("expr")).map(([f, args, body]) => `${f} ${args} { ${body} }`),
    fc.tuple(plainName, separated(fc.oneof(tie("expr"), tie("range")), ",")).map(([x, index]) => `${x} [ ${index} ]`),
    fc.tuple(plainName, plainName).map(([x, field]) => `${x} . ${field}`),
    fc.tuple(tie("binding"), tie("expr")).map(([binding, body]) => `E [ ${binding} ] ( ${body} )`),
    fc
      .tuple(fc.constantFrom("sum", "mean", "logsumexp", "logmeanexp", "max", "min"), tie("range"), tie("expr"))
      .map(([op, range, body]) => `${op} [ i in ${range} ] ( ${body} )`),
    fc.tuple(plainName, tie("expr"), tie("expr")).map(([x, value, body]) => `grad [ ${x} = ${value} ] ( ${body} )`),
  ),
  args: fc
    .tuple(separated(tie("expr"), ",", 0, 2), fc.option(plainName, { nil: undefined }))
    .map(([args, given]) => (args === "" ? "( )" : given === undefined ? `( ${args} )` : `( ${args} | ${given} )`)),
  // A block may not end a range before a body, nor a default in a head.
  range: fc.tuple(tie("closed"), tie("closed")).map(([low, high]) => `${low} .. ${high}`),
  closed: fc.oneof(
    plainName,
    number,
    tie("expr").map((e) => `( ${e} )`),
  ),
  binding: fc.oneof(
    fc.tuple(plainName, tie("expr")).map(([z, source]) => `${z} ~ ${source}`),
    fc.tuple(plainName, tie("range"), tie("expr")).map(([z, range, source]) => `${z} [ ${range} ] ~ ${source}`),
  ),
}));

const { expr, range, args, closed } = tiers;

export const expressionText = expr;

const call = fc.tuple(plainName, args).map(([f, a]) => `${f} ${a}`);
const domain = fc
  .tuple(fc.constantFrom("real", "binary", "category [ 10 ]", "unit"), fc.option(separated(expr, ","), { nil: undefined }))
  .map(([base, shape]) => (shape === undefined ? base : `${base} [ ${shape} ]`));
const target = fc
  .tuple(plainName, fc.option(expr, { nil: undefined }))
  .map(([x, index]) => (index === undefined ? x : `${x} [ ${index} ]`));
const bind = fc.tuple(target, expr).map(([x, e]) => `${x} = ${e}`);
const draw = fc.tuple(target, call).map(([x, d]) => `${x} ~ ${d}`);
const densityStmt = fc.oneof(
  bind,
  draw,
  expr.map((e) => `energy ${e}`),
  fc.tuple(range, bind, draw).map(([r, a, b]) => `for l in ${r} { ${a} ${b} }`),
);
const items = (item: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(item, { minLength: 0, maxLength: 3 }).map((all) => `{ ${all.join(" ")} }`);
const settings = fields(expr);
const update = fc
  .tuple(
    fc.constantFrom("maximize", "minimize"),
    expr,
    fc.option(separated(plainName, ","), { nil: undefined }),
    fc.option(call, { nil: undefined }),
    fc.option(fields(expr, 2), { nil: undefined }),
  )
  .map(([word, objective, over, by, options]) =>
    [
      `${word} ${objective}`,
      ...(over === undefined ? [] : [`over ${over}`]),
      ...(by === undefined ? [] : [`by ${by} and reparam , z : ${by}`]),
      ...(options === undefined ? [] : [`, ${options}`]),
    ].join(" "),
  );
const trainItem = fc.oneof(
  update,
  settings,
  expr.map((e) => `constrain w in [ - 1 , ${e} ]`),
  expr.map((e) => `constrain norm ( w ) <= ${e}`),
);
const member = fc.oneof(
  domain.map((d) => `data x : ${d} , y : ${d} ?`),
  fc.tuple(domain, range).map(([d, r]) => `latent h [ l in ${r} ] : ${d} , z : ${d} at_most_one ( 2 , 2 )`),
  fc.tuple(domain, call, expr).map(([d, c, e]) => `param W : ${d} init ${c} , b : ${d} = ${e} , c : ${d} init data`),
  expr.map((e) => `const K = ${e}`),
  fc.tuple(expr, closed).map(([e, value]) => `net f ( x , n = ${value} ) = ${e}`),
  fc.tuple(bind, expr).map(([b, e]) => `net g ( x ) { ${b} return ${e} }`),
  fc.tuple(domain, expr).map(([d, e]) => `flow f ( z | e ) on ${d} -> ${d} = ${e}`),
  fc.tuple(expr, expr).map(([e, i]) => `flow g on real [ 2 ] { forward ( z ) = ${e} inverse ( x ) = ${i} }`),
  items(densityStmt).map((body) => `density p ( x , z | y ) ${body}`),
  expr.map((e) => `objective V = ${e}`),
  items(trainItem).map((body) => `train ${body}`),
  items(trainItem).map((body) => `train { phase "layer 1" ${body} }`),
  items(settings).map((body) => `evaluate ${body}`),
);

/** A whole file, as words with single blanks between. */
export const fileText = fc
  .array(member, { maxLength: 4 })
  .map((members) => `import "other.gm" model A ( D = 784 , Zs = [ 1 , 2 ] ) { ${members.join(" ")} }`);

const gap = fc.oneof(
  { weight: 12, arbitrary: fc.constant(" ") },
  { weight: 2, arbitrary: fc.constantFrom("\n", "\n\n\n", "\t", " \r\n  ") },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      " // note\n",
      "\n// own line\n",
      "\n\n  // apart\n\n",
      " /* block */ ",
      "\n/* own\n   block */\n",
      " /* a */ // b\n",
      " /// doc\n",
      "\n/// doc\n",
    ),
  },
);

/** The same words with other white space and with comments. */
export function withLayout(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return text.chain((words) => {
    const parts = words.split(/ (?=(?:[^"]*"[^"]*")*[^"]*$)/);
    return fc
      .array(gap, { minLength: parts.length, maxLength: parts.length })
      .map((gaps) => parts.map((part, index) => part + (gaps[index] ?? " ")).join(""));
  });
}
