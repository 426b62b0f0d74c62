/**
 * Models of finite latents and objectives over them as plain trees, and their text in the language. The tree is what a test evaluates by itself
 * (objective-oracle.ts), so it knows nothing of how the compiler reads the text.
 */

/** A variable with finitely many values, or a real number. */
export interface Variable {
  readonly name: string;
  readonly role: "data" | "latent";
  readonly domain: "binary" | "category" | "real";
  /** Of a category. */
  readonly classes: number;
  /** Entries of a vector, 0 of a number. */
  readonly size: number;
  /** Of a family `z[l in 1..n]`, 0 of a single variable. */
  readonly members: number;
}

export type Index = number | string;

/** The value of a name in scope: `z`, the sample `z[i]`, the member `z[1]`, the member of a sample `z[i][1]`. */
export interface Ref {
  readonly name: string;
  readonly sample?: Index;
  readonly member?: Index;
}

/** What stands at a point: a value in scope, a constant, or one made of a value. */
export type Value =
  | { readonly kind: "ref"; readonly ref: Ref }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "flip"; readonly ref: Ref }
  | { readonly kind: "scaled"; readonly by: number; readonly ref: Ref };

/** `z = value`; bare where the text names the value alone. */
export interface Slot {
  readonly variable: string;
  readonly value: Value;
  readonly bare: boolean;
}

/** How a number is read off a value. `weight` is a parameter of as many entries as the value has entries or classes. */
export type Reading =
  | { readonly how: "number" | "sum" | "isOne" }
  | { readonly how: "entry"; readonly at: number }
  | { readonly how: "dot" | "lookup" | "onehot"; readonly weight: string };

export type Node =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "weight"; readonly name: string }
  | { readonly kind: "read"; readonly ref: Ref; readonly reading: Reading }
  | { readonly kind: "unary"; readonly fn: Unary; readonly a: Node }
  | { readonly kind: "binary"; readonly fn: Binary; readonly a: Node; readonly b: Node }
  | {
      readonly kind: "where";
      readonly cmp: "greater" | "less";
      readonly a: Node;
      readonly b: Node;
      readonly then: Node;
      readonly other: Node;
    }
  | { readonly kind: "density"; readonly density: string; readonly head: readonly Slot[]; readonly given: readonly Slot[] }
  | { readonly kind: "expect"; readonly sources: readonly Source[]; readonly body: Node }
  | { readonly kind: "plate"; readonly op: Plate; readonly index: string; readonly count: number; readonly body: Node }
  | { readonly kind: "optimum"; readonly op: "max" | "min"; readonly variables: readonly string[]; readonly body: Node }
  /** A net of one number; its weights are parameters that every call shares. */
  | { readonly kind: "net"; readonly name: string; readonly of: Node }
  /** A call of the library, or the name of an objective that the model declares as `body`. */
  | { readonly kind: "named"; readonly text: string; readonly declared: boolean; readonly body: Node };

export const unaries = ["neg", "tanh", "sigmoid", "softplus", "square", "relu", "abs", "stop", "exp", "logsquare"] as const;
export type Unary = (typeof unaries)[number];
export const binaries = ["+", "-", "*", "ratio", "maximum", "minimum", "logaddexp"] as const;
export type Binary = (typeof binaries)[number];
export const plates = ["sum", "mean", "logmeanexp", "logsumexp", "max", "min"] as const;
export type Plate = (typeof plates)[number];

/** A draw of several names from a density, k times as samples where `samples` is above 0; or of a helper from a Bernoulli. */
export type Source =
  | {
      readonly kind: "density";
      readonly density: string;
      readonly draws: readonly { readonly variable: string; readonly as: string }[];
      readonly samples: number;
      readonly given: readonly Slot[];
    }
  | { readonly kind: "helper"; readonly as: string; readonly samples: number; readonly logit: Node };

/** A conditional of a density: logits (a location of a real variable) are a parameter, plus parameters times numbers, or plus rows of a table. */
export interface Conditional {
  readonly variable: string;
  readonly base: string;
  readonly terms: readonly { readonly weight: string; readonly of: Node }[];
  readonly rows: readonly { readonly table: string; readonly of: Ref }[];
  /** Of a real variable. */
  readonly scale: number;
}

export interface Density {
  readonly name: string;
  readonly given: readonly string[];
  /** In the order in which they are drawn. */
  readonly body: readonly Conditional[];
}

/** The number that a net's body reads. */
export const ARGUMENT = "a";

export interface Case {
  readonly variables: Readonly<Record<string, Variable>>;
  /** Bodies, in the order in which they are declared: one may call those before it. */
  readonly nets: Readonly<Record<string, Node>>;
  readonly densities: Readonly<Record<string, Density>>;
  /** Shapes of the parameters. */
  readonly weights: Readonly<Record<string, readonly number[]>>;
  readonly objective: Node;
  /** "", ` over p`. */
  readonly over: string;
  /** "", ` by score`. */
  readonly by: string;
}

// ---- text ---------------------------------------------------------------------------------------

const at = (index: Index | undefined): string => (index === undefined ? "" : `[${index}]`);
export const refText = (r: Ref): string => `${r.name}${at(r.sample)}${at(r.member)}`;

function valueText(v: Value): string {
  switch (v.kind) {
    case "ref":
      return refText(v.ref);
    case "constant":
      return String(v.value);
    case "flip":
      return `1 - ${refText(v.ref)}`;
    case "scaled":
      return `${v.by} * ${refText(v.ref)}`;
  }
}

/** Bare values stand before named ones. */
const slotsText = (slots: readonly Slot[]): string =>
  [
    ...slots.filter((s) => s.bare).map((s) => valueText(s.value)),
    ...slots.filter((s) => !s.bare).map((s) => `${s.variable} = ${valueText(s.value)}`),
  ].join(", ");
const conditionText = (slots: readonly Slot[]): string => (slots.length > 0 ? ` | ${slotsText(slots)}` : "");

function readText(r: string, reading: Reading): string {
  switch (reading.how) {
    case "number":
      return r;
    case "sum":
      return `sum(${r})`;
    case "isOne":
      return `where(equal(${r}, 1), 1, 0)`;
    case "entry":
      return `${r}[${reading.at}]`;
    case "dot":
      return `sum(${r} * ${reading.weight})`;
    case "lookup":
      return `${reading.weight}[${r}]`;
    case "onehot":
      return `(onehot(${r}) @ ${reading.weight})`;
  }
}

export function textOf(n: Node): string {
  switch (n.kind) {
    case "number":
      return n.value < 0 ? `(${n.value})` : String(n.value);
    case "weight":
      return n.name;
    case "read":
      return readText(refText(n.ref), n.reading);
    case "unary":
      return n.fn === "neg"
        ? `(-${textOf(n.a)})`
        : n.fn === "logsquare"
          ? `log(1 + ${textOf(n.a)}^2)`
          : n.fn === "square"
            ? `(${textOf(n.a)})^2`
            : `${n.fn}(${textOf(n.a)})`;
    case "binary":
      switch (n.fn) {
        case "ratio":
          return `(${textOf(n.a)} / (1 + (${textOf(n.b)})^2))`;
        case "maximum":
        case "minimum":
          return `${n.fn}(${textOf(n.a)}, ${textOf(n.b)})`;
        case "logaddexp":
          return `log(exp(${textOf(n.a)}) + exp(${textOf(n.b)}))`;
        default:
          return `(${textOf(n.a)} ${n.fn} ${textOf(n.b)})`;
      }
    case "where":
      return `where(${n.cmp}(${textOf(n.a)}, ${textOf(n.b)}), ${textOf(n.then)}, ${textOf(n.other)})`;
    case "density":
      return `log ${n.density}(${slotsText(n.head)}${conditionText(n.given)})`;
    case "expect":
      return `E[${n.sources.map(sourceText).join(", ")}](${textOf(n.body)})`;
    case "plate":
      return `${n.op}[${n.index} in 1..${n.count}](${textOf(n.body)})`;
    case "optimum":
      return `${n.op}[${n.variables.join(", ")}](${textOf(n.body)})`;
    case "net":
      return `${n.name}(${textOf(n.of)})`;
    case "named":
      return n.text;
  }
}

function sourceText(s: Source): string {
  const samples = s.samples > 0 ? `[1..${s.samples}]` : "";
  if (s.kind === "helper") return `${s.as}${samples} ~ Bernoulli(logits = ${textOf(s.logit)})`;
  const head = s.draws.map((d) => d.variable).join(", ");
  return `${s.draws.map((d) => `${d.as}${samples}`).join(", ")} ~ ${s.density}(${head}${conditionText(s.given)})`;
}

const domainText = (v: Variable): string =>
  `${v.domain}${v.domain === "category" ? `[${v.classes}]` : ""}${v.size > 0 ? `[${v.size}]` : ""}`;

/** What a node holds directly. */
export function childrenOf(n: Node): readonly Node[] {
  switch (n.kind) {
    case "unary":
      return [n.a];
    case "binary":
      return [n.a, n.b];
    case "where":
      return [n.a, n.b, n.then, n.other];
    case "expect":
      return [...n.sources.flatMap((s) => (s.kind === "helper" ? [s.logit] : [])), n.body];
    case "plate":
    case "optimum":
    case "named":
      return [n.body];
    case "net":
      return [n.of];
    default:
      return [];
  }
}

function declaredIn(n: Node): readonly Extract<Node, { kind: "named" }>[] {
  const inner = childrenOf(n).flatMap(declaredIn);
  return n.kind === "named" && n.declared ? [...inner, n] : inner;
}

function conditionalText({ variable, base, terms, rows, scale }: Conditional, variables: Case["variables"]): string {
  const sum = [base, ...terms.map((t) => `${t.weight} * ${textOf(t.of)}`), ...rows.map((r) => `${r.table}[${refText(r.of)}]`)].join(" + ");
  const [name, member] = variable.split(".");
  const domain = variables[name ?? ""]?.domain;
  const target = member === undefined ? variable : `${name}[${member}]`;
  return domain === "real"
    ? `${target} ~ Normal(${sum}, ${scale})`
    : domain === "category"
      ? `${target} ~ Categorical(logits = ${sum})`
      : `${target} ~ Bernoulli(logits = ${sum})`;
}

/** Variables that a density draws, a family once. */
export const headOf = (d: Density): readonly string[] => [...new Set(d.body.map((c) => c.variable.split(".")[0] ?? ""))];

/** `evaluation`: weights start spread out, and the objective is also what is measured. */
export function modelText(c: Case, evaluation = false): string {
  const variables = Object.values(c.variables);
  const data = variables.filter((v) => v.role === "data").map((v) => `${v.name} : ${domainText(v)}`);
  const latents = variables.filter((v) => v.role === "latent");
  const lines = [
    `  data ${data.join(", ")}`,
    ...latents.map((v) => `  latent ${v.name}${v.members > 0 ? `[l in 1..${v.members}]` : ""} : ${domainText(v)}`),
    ...Object.entries(c.weights).map(
      ([name, shape]) =>
        `  param ${name} : real${shape.length > 0 ? `[${shape.join(", ")}]` : ""}${evaluation ? " init Normal(0, 1)" : ""}`,
    ),
    ...Object.entries(c.nets).map(([name, body]) => `  net ${name}(${ARGUMENT}) = ${textOf(body)}`),
    ...Object.values(c.densities).map((d) => {
      const given = d.given.length > 0 ? ` | ${d.given.join(", ")}` : "";
      return `  density ${d.name}(${headOf(d).join(", ")}${given}) {\n${d.body.map((f) => `    ${conditionalText(f, c.variables)}`).join("\n")}\n  }`;
    }),
    ...declaredIn(c.objective).map((n) => `  objective ${n.text} = ${textOf(n.body)}`),
    `  train {\n    maximize ${textOf(c.objective)}${c.over}${c.by}\n    optimizer = sgd(lr = ${evaluation ? 0.1 : 1}), batch = 2, steps = 1\n  }`,
    ...(evaluation ? [`  evaluate { measured = ${textOf(c.objective)} }`] : []),
  ];
  return `model M {\n${lines.join("\n")}\n}\n`;
}
