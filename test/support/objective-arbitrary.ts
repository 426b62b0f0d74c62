/**
 * Random models of finite latents with random objectives over them. A case is made by a list of choices, each of which is simplest at 0; what is
 * made is well-formed, but the compiler may refuse it (a log of a mean that is estimated, an estimator that does not fit).
 */
import fc from "fast-check";
import type { Case, Conditional, Density, Index, Node, Plate, Ref, Slot, Source, Value, Variable } from "./objective-tree.js";
import { ARGUMENT, binaries, headOf, plates, unaries } from "./objective-tree.js";

export const randomCase: fc.Arbitrary<Case> = fc
  .array(fc.nat(9_999), { minLength: 400, maxLength: 400 })
  .map((choices) => new Maker(choices).made());

interface Named {
  readonly name: string;
  readonly variable: Variable;
  readonly samples: number;
}

interface Scope {
  readonly names: readonly Named[];
  readonly indices: readonly { readonly name: string; readonly count: number }[];
}

const estimators = [
  "score(baseline = none)",
  "score",
  "enumerate",
  "score(baseline = leave_one_out, k = 3)",
  "vimco",
  "disarm",
  "arm",
  "local_expectation",
  "rebar",
  "reparam",
  "stl",
  "dreg",
];

const helper: Variable = { name: "", role: "latent", domain: "binary", classes: 0, size: 0, members: 0 };
const statesIn = ({ domain, classes, size, members }: Variable): number =>
  (domain === "real" ? 65 : domain === "binary" ? 2 : classes) ** (Math.max(size, 1) * Math.max(members, 1));
const product = (xs: readonly number[]): number => xs.reduce((a, b) => a * b, 1);

class Maker {
  private at = 0;
  private fresh = 0;
  private readonly weights: Record<string, readonly number[]> = {};
  private readonly variables: Record<string, Variable> = {};
  private readonly nets: Record<string, Node> = {};
  private readonly densities: Record<string, Density> = {};

  constructor(private readonly choices: readonly number[]) {}

  private next(n: number): number {
    return (this.choices[this.at++] ?? 0) % n;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.next(list.length)] as T;
  }

  private chance(percent: number): boolean {
    return this.next(100) >= 100 - percent;
  }

  private some<T>(list: readonly T[], percent = 50): readonly T[] {
    return list.filter(() => this.chance(percent));
  }

  private shuffled<T>(list: readonly T[]): readonly T[] {
    const left = [...list];
    return list.map(() => left.splice(this.next(left.length), 1)[0] as T);
  }

  private weight(...shape: readonly number[]): string {
    const name = `w${++this.fresh}`;
    this.weights[name] = shape;
    return name;
  }

  private name(stem: string): string {
    return `${stem}${++this.fresh}`;
  }

  made(): Case {
    this.declare();
    const objective = this.top();
    return {
      variables: this.variables,
      nets: this.nets,
      densities: this.densities,
      weights: this.weights,
      objective,
      over: this.chance(12) ? this.pick([" over p", " over q"]) : "",
      by: this.chance(40) ? ` by ${this.chance(60) ? this.pick(estimators) : this.perLatent()}` : "",
    };
  }

  /** An estimator for each latent, `b: score, z[1]: enumerate, z[2]: disarm`. */
  private perLatent(): string {
    const latents = Object.values(this.variables).filter((v) => v.role === "latent");
    const names = latents.flatMap(({ name, members }) =>
      members > 0 ? Array.from({ length: members }, (_, i) => `${name}[${i + 1}]`) : [name],
    );
    return names.map((name) => `${name}: ${this.pick(estimators)}`).join(", ");
  }

  // ---- model ---------------------------------------------------------------------------------------

  private add(name: string, role: Variable["role"], domain: Variable["domain"], rest: Partial<Variable> = {}): Variable {
    const v: Variable = { name, role, domain, classes: 0, size: 0, members: 0, ...rest };
    this.variables[name] = v;
    return v;
  }

  private declare(): void {
    const x = this.pick([
      () => this.add("x", "data", "real"),
      () => this.add("x", "data", "binary"),
      () => this.add("x", "data", "binary", { size: 2 }),
      () => this.add("x", "data", "category", { classes: 3 }),
    ])();
    const y = this.chance(30) ? [this.add("y", "data", "category", { classes: 2 })] : [];
    const latents: Variable[] = [];
    const kinds = [
      () => this.add("b", "latent", "binary"),
      () => this.add("c", "latent", "category", { classes: 3 }),
      () => this.add("v", "latent", "binary", { size: 2 }),
      () => this.add("z", "latent", "binary", { members: 2 }),
      () => this.add("g", "latent", "real"),
    ];
    const count = 1 + this.next(3);
    for (const make of this.shuffled(kinds).slice(0, count)) latents.push(make());
    for (let i = this.pick([0, 1, 2]); i > 0; i--) this.nets[this.name("n")] = this.net(2);
    const order = this.shuffled(latents);
    const place = x.domain === "real" || this.chance(70) ? order.length : this.next(order.length);
    this.density("p", y, [...order.slice(0, place), x, ...order.slice(place)]);
    this.density("q", [x, ...y], this.shuffled(latents));
    const inner = this.shuffled(latents).slice(0, 1 + this.next(latents.length));
    const others = [x, ...latents].filter((v) => !inner.includes(v));
    this.density("r", this.some(others, 35), inner);
  }

  private density(name: string, given: readonly Variable[], drawn: readonly Variable[]): void {
    const body: Conditional[] = [];
    const seen: Ref[] = given.map((v) => ({ name: v.name }));
    for (const v of drawn) {
      const members = v.members > 0 ? Array.from({ length: v.members }, (_, i) => i + 1) : [undefined];
      for (const member of members) {
        body.push(this.conditional(member === undefined ? v.name : `${v.name}.${member}`, v, this.some(seen, 60)));
        seen.push(member === undefined ? { name: v.name } : { name: v.name, member });
      }
    }
    this.densities[name] = { name, given: given.map((v) => v.name), body };
  }

  private conditional(variable: string, { domain, classes, size }: Variable, parents: readonly Ref[]): Conditional {
    const shape = domain === "category" ? [classes] : size > 0 ? [size] : [];
    const terms: { weight: string; of: Node }[] = [];
    const rows: { table: string; of: Ref }[] = [];
    for (const ref of parents) {
      const parent = this.variables[ref.name];
      if (parent?.domain === "category" && this.chance(70)) rows.push({ table: this.weight(parent.classes, ...shape), of: ref });
      else if (parent) terms.push({ weight: this.weight(...shape), of: this.called(this.reading(ref, parent, false)) });
    }
    return { variable, base: this.weight(...shape), terms, rows, scale: domain === "real" ? this.pick([1, 0.75]) : 1 };
  }

  /** A smooth function of one number, which the oracle integrates well. */
  private net(depth: number): Node {
    if (depth === 0) {
      const argument: Node = { kind: "read", ref: { name: ARGUMENT }, reading: { how: "number" } };
      return this.pick<() => Node>([
        () => argument,
        () => argument,
        () => this.called(argument),
        () => ({ kind: "weight", name: this.weight() }),
      ])();
    }
    const inner = (): Node => this.net(depth - 1 + (this.chance(15) ? 1 : 0));
    const weighed: Node = { kind: "binary", fn: "*", a: { kind: "weight", name: this.weight() }, b: inner() };
    return this.pick<() => Node>([
      () => ({ kind: "unary", fn: "tanh", a: weighed }),
      () => ({ kind: "unary", fn: this.pick(["sigmoid", "softplus", "logsquare"]), a: weighed }),
      () => ({ kind: "binary", fn: this.pick(["+", "-", "*"]), a: weighed, b: inner() }),
    ])();
  }

  /** A number, or what a net makes of it. */
  private called(of: Node): Node {
    const names = Object.keys(this.nets);
    return names.length > 0 && this.chance(50) ? { kind: "net", name: this.pick(names), of } : of;
  }

  /** A number that is read off a value; `weighed` may take a parameter. */
  private reading(ref: Ref, v: Variable, weighed = true): Node {
    const of = (reading: Extract<Node, { kind: "read" }>["reading"]): Node => ({ kind: "read", ref, reading });
    if (v.domain === "category") {
      if (!weighed || this.chance(30)) return of({ how: "isOne" });
      return of({ how: this.pick(["lookup", "onehot"]), weight: this.weight(v.classes) });
    }
    if (v.size > 0) {
      if (weighed && this.chance(40)) return of({ how: "dot", weight: this.weight(v.size) });
      return this.chance(50) ? of({ how: "entry", at: 1 + this.next(v.size) }) : of({ how: "sum" });
    }
    return of({ how: "number" });
  }

  // ---- objectives ----------------------------------------------------------------------------------

  private get rows(): Scope {
    const names = Object.values(this.variables).filter((v) => v.role === "data");
    return { names: names.map((variable) => ({ name: variable.name, variable, samples: 0 })), indices: [] };
  }

  private top(): Node {
    const count = this.pick([1, 1, 1, 2]);
    let all: Node | undefined;
    for (let i = 0; i < count; i++) {
      const term = this.term();
      all = all ? { kind: "binary", fn: this.pick(["+", "+", "-", "*", "*", "ratio"]), a: all, b: term } : term;
    }
    return all ?? this.term();
  }

  private term(): Node {
    const scope = this.rows;
    const node = this.pick<() => Node>([
      () => this.expectation(scope, 2),
      () => this.expectation(scope, 3),
      () => this.expectation(scope, 2),
      () => this.expectation(scope, 3),
      () => this.library(),
      () => this.logDensity(scope),
      () => this.expr(scope, 3),
      () => this.optimum(scope, 2),
    ])();
    if (!this.chance(12)) return node;
    return { kind: "named", text: this.name("V"), declared: true, body: node };
  }

  private expr(scope: Scope, depth: number): Node {
    if (depth <= 0) return this.atom(scope);
    const inner = (): Node => this.expr(scope, depth - 1 - this.next(2));
    return this.pick<() => Node>([
      () => this.atom(scope),
      () => this.logDensity(scope),
      () => this.logDensity(scope),
      () => ({ kind: "binary", fn: this.pick(["+", "-", "*"]), a: inner(), b: inner() }),
      () => ({ kind: "binary", fn: this.pick(["-"]), a: this.logDensity(scope), b: this.logDensity(scope) }),
      () => ({ kind: "binary", fn: this.pick(binaries), a: inner(), b: inner() }),
      () => ({ kind: "unary", fn: this.pick(unaries), a: inner() }),
      () => ({ kind: "unary", fn: "stop", a: inner() }),
      () => ({
        kind: "where",
        cmp: this.pick(["greater", "less"]),
        a: this.atom(scope),
        b: this.pick<() => Node>([() => ({ kind: "number", value: 0.5 }), () => this.atom(scope)])(),
        then: inner(),
        other: inner(),
      }),
      () => this.expectation(scope, depth - 1),
      () => this.expectation(scope, depth - 1),
      () => this.plate(scope, depth - 1),
      () => this.plate(scope, depth - 1),
      () => this.optimum(scope, depth - 1),
    ])();
  }

  private atom(scope: Scope): Node {
    const named = this.chance(80) && scope.names.length > 0 ? this.pick([...scope.names].reverse()) : undefined;
    if (!named) return this.chance(60) ? { kind: "weight", name: this.weight() } : { kind: "number", value: this.pick([1, 2, 0.5, -1]) };
    const ref = this.ref(scope, named);
    const { members } = named.variable;
    return this.called(this.reading(members > 0 ? { ...ref, member: 1 + this.next(members) } : ref, named.variable));
  }

  private ref(scope: Scope, { name, samples }: Named): Ref {
    if (samples === 0) return { name };
    const indices = scope.indices.filter((i) => i.count === samples);
    const sample: Index = indices.length > 0 && this.chance(85) ? this.pick(indices).name : 1 + this.next(samples);
    return { name, sample };
  }

  /** A value for a variable: something in scope of the same kind. */
  private slot(scope: Scope, variable: string): Slot | undefined {
    const v = this.variables[variable];
    if (!v) return undefined;
    const alike = scope.names.filter(
      ({ variable: o }) => o.domain === v.domain && o.classes === v.classes && o.size === v.size && o.members === v.members,
    );
    const own = alike.filter((n) => n.variable.name === variable);
    const named = own.length > 0 && !this.chance(10) ? this.pick([...own].reverse()) : alike.length > 0 ? this.pick(alike) : undefined;
    if (!named || (v.members === 0 && v.size === 0 && v.domain !== "real" && this.chance(8))) {
      if (v.size > 0 || v.members > 0) return undefined;
      const value = v.domain === "real" ? 0.5 : this.next(v.domain === "binary" ? 2 : v.classes);
      return { variable, value: { kind: "constant", value }, bare: false };
    }
    const ref = this.ref(scope, named);
    const value: Value =
      v.domain === "binary" && v.members === 0 && this.chance(12)
        ? { kind: "flip", ref }
        : v.domain === "real" && this.chance(12)
          ? { kind: "scaled", by: this.pick([2, -1]), ref }
          : { kind: "ref", ref };
    const bare = value.kind === "ref" && named.variable.name === variable && !(named.name !== variable && this.chance(50));
    return { variable, value, bare };
  }

  private logDensity(scope: Scope): Node {
    const density = this.densities[this.pick(["p", "q", "p", "q", "r"])];
    if (!density) return this.atom(scope);
    const bound = new Set(scope.names.map((n) => n.variable.name));
    const head: Slot[] = [];
    const given: Slot[] = [];
    const free = headOf(density);
    const inScope = free.filter((v) => bound.has(v));
    const wanted = inScope.length > 0 && !this.chance(8) ? inScope : free;
    const chosen = this.chance(70) ? wanted : this.some(wanted, 60);
    const behind = this.chance(25) ? this.some(chosen, 40) : [];
    for (const variable of chosen) {
      const slot = this.slot(scope, variable);
      if (slot) (behind.includes(variable) ? given : head).push(slot);
    }
    if (head.length === 0) return this.atom(scope);
    for (const variable of density.given) {
      const slot = this.slot(scope, variable);
      if (!slot) return this.atom(scope);
      given.push(slot);
    }
    return { kind: "density", density: density.name, head, given };
  }

  private expectation(scope: Scope, depth: number): Node {
    const sources: Source[] = [];
    let inner = scope;
    const count = this.chance(20) ? 2 : 1;
    for (let i = 0; i < count; i++) {
      const source = this.chance(8) ? this.helper(inner) : this.source(inner);
      if (!source) continue;
      sources.push(source);
      const bound: Named[] =
        source.kind === "helper"
          ? [{ name: source.as, variable: helper, samples: source.samples }]
          : source.draws.map((d) => ({ name: d.as, variable: this.variables[d.variable] ?? helper, samples: source.samples }));
      const hidden = new Set(bound.map((b) => b.name));
      inner = { ...inner, names: [...inner.names.filter((n) => !hidden.has(n.name)), ...bound] };
    }
    if (sources.length === 0) return this.expr(scope, depth - 1);
    const samples = sources.find((s) => s.samples > 0)?.samples;
    const body = samples !== undefined && this.chance(85) ? this.plate(inner, depth, samples) : this.expr(inner, depth);
    return { kind: "expect", sources, body };
  }

  private helper(scope: Scope): Source {
    return {
      kind: "helper",
      as: this.name("u"),
      samples: this.chance(25) ? 2 : 0,
      logit: { kind: "unary", fn: "tanh", a: this.atom(scope) },
    };
  }

  private source(scope: Scope): Source | undefined {
    const density = this.densities[this.pick(["q", "q", "q", "p", "r"])];
    if (!density) return undefined;
    const free = headOf(density).filter((v) => this.variables[v]?.domain !== "real" || this.variables[v]?.role === "latent");
    const drawn = this.chance(65) ? free.filter((v) => this.variables[v]?.role === "latent" || this.chance(25)) : this.some(free, 50);
    if (drawn.length === 0) return undefined;
    const given: Slot[] = [];
    const open = headOf(density).filter((v) => !drawn.includes(v) && scope.names.some((n) => n.variable.name === v));
    for (const variable of [...this.some(open, 40), ...density.given]) {
      const slot = this.slot(scope, variable);
      if (!slot) return undefined;
      given.push(slot);
    }
    const all = product(drawn.map((v) => statesIn(this.variables[v] ?? helper)));
    const most = all <= 4 ? 3 : all <= 12 ? 2 : 0;
    const samples = most > 0 && this.chance(35) ? 2 + this.next(most - 1) : 0;
    const taken = new Set(scope.names.map((n) => n.name));
    const draws = drawn.map((variable) => ({
      variable,
      as:
        (taken.has(variable) && this.variables[variable]?.role === "latent" && !this.chance(10)) || this.chance(10)
          ? this.name(`${variable}_`)
          : variable,
    }));
    return { kind: "density", density: density.name, draws, samples, given };
  }

  private plate(scope: Scope, depth: number, samples?: number): Node {
    const counts = scope.names.flatMap((n) => (n.samples > 0 ? [n.samples] : []));
    const count = samples ?? (counts.length > 0 && this.chance(80) ? this.pick(counts) : 2);
    const index = this.name("i");
    const inner = { ...scope, indices: [{ name: index, count }, ...scope.indices] };
    const op: Plate = this.pick(["mean", "logmeanexp", "sum", "logmeanexp", ...plates]);
    return { kind: "plate", op, index, count, body: this.expr(inner, depth) };
  }

  private optimum(scope: Scope, depth: number): Node {
    const taken = new Set(scope.names.map((n) => n.name));
    const latents = Object.values(this.variables).filter((v) => v.role === "latent" && v.domain !== "real" && !taken.has(v.name));
    const [first] = latents;
    if (!first) return this.expr(scope, depth - 1);
    const chosen = this.chance(60) ? latents : [first];
    const inner = { ...scope, names: [...scope.names, ...chosen.map((variable) => ({ name: variable.name, variable, samples: 0 }))] };
    const body = this.chance(60) ? this.logDensity(inner) : this.expr(inner, depth - 1);
    return { kind: "optimum", op: this.pick(["max", "max", "min"]), variables: chosen.map((v) => v.name), body };
  }

  // ---- objectives of the library ---------------------------------------------------------------------

  private library(): Node {
    const latents = Object.values(this.variables).filter((v) => v.role === "latent");
    const data = Object.values(this.variables).filter((v) => v.role === "data");
    const [x, y] = [data.filter((v) => v.name === "x"), data.filter((v) => v.name === "y")];
    const slots = (of: readonly Variable[], sample?: Index): Slot[] =>
      of.map((v) => ({
        variable: v.name,
        value: { kind: "ref", ref: sample === undefined || v.role === "data" ? { name: v.name } : { name: v.name, sample } },
        bare: true,
      }));
    const log = (density: string, head: readonly Variable[], given: readonly Variable[], i?: Index): Node => ({
      kind: "density",
      density,
      head: slots(head, i),
      given: slots(given, i),
    });
    const over = (samples: number, body: Node): Node => ({
      kind: "expect",
      sources: [
        { kind: "density", density: "q", draws: latents.map((v) => ({ variable: v.name, as: v.name })), samples, given: slots(data) },
      ],
      body,
    });
    const minus = (a: Node, b: Node): Node => ({ kind: "binary", fn: "-", a, b });
    const times = (value: number, b: Node): Node => ({ kind: "binary", fn: "*", a: { kind: "number", value }, b });
    const plus = (a: Node, b: Node): Node => ({ kind: "binary", fn: "+", a, b });
    const unary = (fn: "stop" | "exp" | "neg", a: Node): Node => ({ kind: "unary", fn, a });
    const ratio = (i?: Index): Node => minus(log("p", [...x, ...latents], y, i), log("q", latents, data, i));
    const k = product(latents.map(statesIn)) <= 4 ? 3 : 2;
    const each = (op: Plate, index: string, body: (i: string) => Node): Node => ({ kind: "plate", op, index, count: k, body: body(index) });
    const named = (text: string, body: Node): Node => ({ kind: "named", text, declared: false, body });
    const beta = this.pick([1, 2, 0.5]);
    return this.pick<() => Node>([
      () =>
        named(
          `ELBO(p, q${beta === 1 ? "" : `, beta = ${beta}`})`,
          over(0, plus(log("p", x, [...latents, ...y]), times(beta, minus(log("p", latents, y), log("q", latents, data))))),
        ),
      () => named(`IWAE(p, q, k = ${k})`, over(k, each("logmeanexp", "i", ratio))),
      () =>
        named(
          `VR(p, q, alpha = 0.5, k = ${k})`,
          over(
            k,
            times(
              2,
              each("logmeanexp", "i", (i) => times(0.5, ratio(i))),
            ),
          ),
        ),
      () =>
        named(
          `WakePhi(p, q, k = ${k})`,
          over(
            k,
            each("sum", "i", (i) => ({
              kind: "binary",
              fn: "*",
              a: unary("stop", unary("exp", minus(ratio(i), each("logsumexp", "j", ratio)))),
              b: log("q", latents, data, i),
            })),
          ),
        ),
      () =>
        named(
          `EffectiveSampleSize(p, q, k = ${k})`,
          over(
            k,
            unary(
              "exp",
              minus(
                times(2, each("logsumexp", "i", ratio)),
                each("logsumexp", "i", (i) => times(2, ratio(i))),
              ),
            ),
          ),
        ),
      () => named("Rate(p, q)", over(0, minus(log("q", latents, data), log("p", latents, y)))),
      () => named("Distortion(p, q)", unary("neg", over(0, log("p", x, [...latents, ...y])))),
      () => named("Wake(p, q)", over(0, log("p", [...x, ...latents], y))),
      () => named("LogLikelihood(p)", log("p", x, y)),
      () =>
        x.some((v) => v.domain === "real")
          ? named("LogLikelihood(p)", log("p", x, y))
          : named("Sleep(p, q)", {
              kind: "expect",
              sources: [
                {
                  kind: "density",
                  density: "p",
                  draws: [...x, ...latents].map((v) => ({ variable: v.name, as: v.name })),
                  samples: 0,
                  given: slots(y),
                },
              ],
              body: log("q", latents, data),
            }),
    ])();
  }
}
