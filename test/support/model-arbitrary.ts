/**
 * Random directed models that are valid by construction, with rows of data for them: latents of several domains, layers and families, conditions,
 * nets of the model and of the library, records, mixtures, and objectives that fit the latents. A model is made by a list of choices, each of
 * which is simplest at 0, so that what fails shrinks to little.
 */
import fc from "fast-check";

export interface RandomModel {
  readonly text: string;
  /** By data variable, `rows` rows. */
  readonly data: Readonly<Record<string, Float32Array>>;
}

export const rows = 6;

export const randomModel: fc.Arbitrary<RandomModel> = fc
  .array(fc.nat(9_999), { minLength: 160, maxLength: 160 })
  .map((choices) => new Maker(choices).model());

type DomainName = "real" | "positive" | "unit" | "binary" | "category" | "count" | "byte" | "simplex";

interface Variable {
  readonly name: string;
  readonly domain: DomainName;
  /** K of a category. */
  readonly classes: number;
  readonly shape: readonly number[];
  /** Members of a family; they are named `h[1]`, … */
  readonly members: number;
}

/** A vector expression. */
interface Vector {
  readonly text: string;
  readonly size: number;
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

class Maker {
  private at = 0;
  private fresh = 0;
  private readonly declarations: string[] = [];
  /** Bindings of the density that is being made. */
  private body: string[] = [];

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

  private some<T>(list: readonly T[]): readonly T[] {
    return list.filter(() => this.chance(60));
  }

  private name(base: string): string {
    return `${base}${++this.fresh}`;
  }

  model(): RandomModel {
    const condition = this.chance(30) ? [this.pick([variable("y", "category", [], 3), variable("y", "real", [2])])] : [];
    const data = Array.from({ length: 1 + this.next(2) }, (_, i) => this.dataVariable(["x", "words"][i] ?? "x"));
    const latents = Array.from({ length: this.next(4) }, (_, i) => this.latent(["z", "c", "h"][i] ?? "z"));
    const p = this.density("p", [...latents, ...data], condition, true);
    const seen = [...this.observed(data), ...condition];
    const q = this.density("q", this.chance(50) ? [...latents].reverse() : latents, seen, false);
    const lists = { data, latents, condition, seen };
    const train = this.train(lists);
    const evaluate = this.evaluate(lists);
    const text = [
      "model Random(H = 4) {",
      `  data ${[...data, ...condition].map(declaration).join(", ")}`,
      ...latents.map((l) => `  latent ${declaration(l)}`),
      ...this.declarations.map((d) => `  ${d}`),
      ...p,
      ...(latents.length > 0 ? q : []),
      ...train,
      ...evaluate,
      "}\n",
    ].join("\n");
    return { text, data: Object.fromEntries([...data, ...condition].map((v) => [v.name, this.rowsOf(v)])) };
  }

  private dataVariable(name: string): Variable {
    return this.pick([
      variable(name, "real", [3]),
      variable(name, "binary", [3]),
      variable(name, "category", [], 3),
      variable(name, "count", [3]),
      variable(name, "unit", [2]),
      variable(name, "positive", [2]),
      variable(name, "byte", [2]),
      variable(name, "simplex", [3]),
      variable(name, "real", []),
      variable(name, "real", [2, 3]),
      variable(name, "binary", [4, 4, 1]),
      variable(name, "category", [2], 3),
    ]);
  }

  private latent(name: string): Variable {
    return this.pick([
      variable(name, "real", [2]),
      variable(name, "category", [], 3),
      variable(name, "binary", [2]),
      variable(name, "real", [2], 0, 2),
      variable(name, "positive", [2]),
      variable(name, "real", []),
      variable(name, "unit", [2]),
      variable(name, "real", [2, 2]),
    ]);
  }

  /** What q is conditioned on: all of the data or a part. */
  private observed(data: readonly Variable[]): readonly Variable[] {
    const part = this.chance(20) ? this.some(data) : data;
    return part.length > 0 ? part : data;
  }

  // ---- densities ---------------------------------------------------------------------------------

  private density(name: string, head: readonly Variable[], given: readonly Variable[], generative: boolean): readonly string[] {
    this.body = [];
    const known: Variable[] = [...given];
    for (const v of head) {
      if (v.members > 1 && this.chance(40)) this.chain(v, known, generative);
      else {
        for (let m = 1; m <= Math.max(1, v.members); m++) {
          const one = v.members > 1 ? { ...v, name: `${v.name}[${m}]`, members: 0 } : v;
          const parents = generative && given.length === 0 && this.chance(30) ? [] : this.parents(known);
          this.body.push(`${one.name} ~ ${this.distribution(one, parents, generative)}`);
          known.push(one);
        }
        continue;
      }
      known.push(...Array.from({ length: v.members }, (_, i) => ({ ...v, name: `${v.name}[${i + 1}]`, members: 0 })));
    }
    const names = (list: readonly Variable[]): string => list.map((v) => v.name).join(", ");
    const heads = generative ? [...head].reverse() : head;
    return [
      `  density ${name}(${names(heads)}${given.length > 0 ? ` | ${names(given)}` : ""}) {`,
      ...this.body.map((s) => `    ${s}`),
      "  }",
    ];
  }

  /** A family drawn by a `for`, each member from the one before. */
  private chain(v: Variable, known: readonly Variable[], generative: boolean): void {
    const first = { ...v, name: `${v.name}[1]`, members: 0 };
    this.body.push(`${first.name} ~ ${this.distribution(first, this.parents(known), generative)}`);
    this.body.push(`for l in 2..${v.members} { ${v.name}[l] ~ Normal(${v.name}[l-1] |> dense(${size(v.shape)}), 1) }`);
  }

  private parents(known: readonly Variable[]): readonly Variable[] {
    const some = this.some(known);
    return some.length > 0 ? some : known.slice(-1);
  }

  /** A distribution for a variable; `generative`: no gradient goes through its samples, so any will do. */
  private distribution(v: Variable, parents: readonly Variable[], generative: boolean): string {
    const h = parents.length > 0 ? this.hidden(this.features(parents)) : undefined;
    const loc = (): string => this.tensor(h, v.shape);
    const scale = (): string => this.positive(h, v.shape);
    const n = size(v.shape);
    switch (v.domain) {
      case "real": {
        if (h && v.shape.length === 1 && this.chance(40)) {
          const e = this.name("e");
          this.body.push(`${e} = ${this.record(h, n)}`);
          return `${this.pick(["Normal", "Laplace", "Logistic"])}(${e}.loc, ${e}.scale)`;
        }
        if (!generative) return `${this.pick(["Normal", "Laplace", "Logistic", "Gumbel"])}(${loc()}, ${scale()})`;
        return this.pick<() => string>([
          () => `Normal(${loc()}, ${scale()})`,
          () => `StudentT(4, ${loc()}, ${scale()})`,
          () => `Cauchy(${loc()}, 1)`,
          () => `Mixture(${this.tensor(h, [3])}, Normal(${this.tensor(h, [...v.shape, 3])}, ${this.positive(h, [...v.shape, 3], false)}))`,
          () =>
            `LogisticMixture(${this.tensor(h, [...v.shape, 2])}, ${this.tensor(h, [...v.shape, 2])}, ${this.positive(h, [...v.shape, 2], false)})`,
          () => (v.shape.length === 1 ? `LowRankNormal(${loc()}, ${this.tensor(undefined, [2, n])}, ${scale()})` : `Laplace(${loc()}, 1)`),
        ])();
      }
      case "positive":
        return generative
          ? this.pick<() => string>([
              () => `LogNormal(${loc()}, ${scale()})`,
              () => `Gamma(2, ${scale()})`,
              () => `Exponential(${scale()})`,
              () => `HalfNormal(${scale()})`,
              () => `Mixture(probs = softmax(${this.tensor(h, [2])}), of = Exponential(${this.positive(h, [...v.shape, 2], false)}))`,
            ])()
          : `LogNormal(${loc()}, ${scale()})`;
      case "unit":
        return generative ? `Beta(${scale()} + 1, ${scale()} + 1)` : "Uniform(0, 1)";
      case "binary":
        return this.pick<() => string>([
          () => `Bernoulli(logits = ${loc()})`,
          () => `Bernoulli(probs = sigmoid(${loc()}))`,
          () =>
            generative && h && v.shape.length === 1
              ? `Bernoulli(probs = softmax(${h.text} |> dense(2)) @ ${this.param("unit", [2, n])})`
              : `Bernoulli(logits = ${loc()})`,
        ])();
      case "category": {
        const logits = this.tensor(h, [...v.shape, v.classes]);
        return this.chance(30) ? `Categorical(probs = softmax(${logits}))` : `Categorical(logits = ${logits})`;
      }
      case "count":
        return this.pick<() => string>([
          () => `Poisson(${scale()})`,
          () => `Multinomial(sum(${v.name}), logits = ${loc()})`,
          () => `Multinomial(sum(${v.name}), probs = softmax(${this.tensor(h, [2])}) @ ${this.param("simplex", [2, n])})`,
          () => `NegativeBinomial(${scale()}, logits = ${loc()})`,
          () => `Binomial(9, logits = ${loc()})`,
        ])();
      case "byte":
        return this.pick<() => string>([
          () => `DiscretizedLogistic(255 * sigmoid(${loc()}), 20 * ${scale()})`,
          () =>
            `DiscretizedLogisticMixture(${this.tensor(h, [...v.shape, 2])}, 128 + 50 * ${this.tensor(h, [...v.shape, 2])}, 20 * ${this.positive(h, [...v.shape, 2], false)})`,
        ])();
      case "simplex":
        return `Dirichlet(${this.positive(h, v.shape, false)} + 0.5)`;
    }
  }

  // ---- expressions -------------------------------------------------------------------------------

  private features(parents: readonly Variable[]): Vector {
    const parts = parents.flatMap((v) =>
      v.members > 1 ? Array.from({ length: v.members }, (_, i) => this.feature({ ...v, name: `${v.name}[${i + 1}]` })) : [this.feature(v)],
    );
    const total = parts.reduce((n, p) => n + p.size, 0);
    const [only] = parts;
    if (parts.length === 1 && only && !only.text.startsWith("scalar ")) return only;
    return { text: `concat(${parts.map((p) => p.text.replace("scalar ", "")).join(", ")})`, size: total };
  }

  private feature(v: Variable): Vector {
    const n = size(v.shape);
    if (v.domain === "category") {
      const width = v.classes;
      if (v.shape.length === 0)
        return this.chance(40) ? { text: `(${v.name} |> embedding(2))`, size: 2 } : { text: `onehot(${v.name})`, size: width };
      return { text: `flatten(onehot(${v.name}))`, size: n * width };
    }
    const value = v.domain === "count" ? `log1p(${v.name})` : v.domain === "byte" ? `(${v.name} / 255)` : v.name;
    if (v.shape.length === 3 && this.chance(50)) return { text: `flatten(${value} |> conv(2, 3, stride = 2) |> relu)`, size: 8 };
    if (v.shape.length > 1) return { text: `flatten(${value})`, size: n };
    return { text: v.shape.length === 0 ? `scalar ${value}` : value, size: n };
  }

  private hidden({ text, size: n }: Vector): Vector {
    const act = this.pick(["tanh", "relu", "softplus", "gelu", "silu"]);
    return this.pick<() => Vector>([
      () => ({ text, size: n }),
      () => ({ text: `(${text} |> dense(H) |> ${act})`, size: 4 }),
      () => ({ text: `(${text} |> mlp([H, 3], activation = ${act}))`, size: 3 }),
      () => ({ text: `(${text} |> gated_dense(3))`, size: 3 }),
      () => ({ text: `(${text} |> dense(H) |> layer_norm |> ${act})`, size: 4 }),
      () => ({ text: `(${text} |> residual_mlp(H, blocks = 1))`, size: 4 }),
      () => ({ text: `(${text} |> dense(H) |> repeat(2) { dense(H) |> ${act} })`, size: 4 }),
      () => ({ text: `(${text} |> dense(H) |> batch_norm |> ${act})`, size: 4 }),
      () => ({ text: `(${text} |> dense(H) |> dropout(0.25))`, size: 4 }),
      () => ({ text: `(${text} |> highway(activation = ${act}))`, size: n }),
      () => ({ text: `${act}(${text} @ ${this.param("real", [n, 3])} + ${this.param("real", [3])})`, size: 3 }),
      () => {
        const net = this.name("net");
        this.declarations.push(
          `net ${net}(a, b) {\n    h = concat(a, b) |> dense(H) |> ${act}\n    return h * sigmoid(a |> dense(H))\n  }`,
        );
        return { text: `${net}(${text}, ${text})`, size: 4 };
      },
      () => {
        const h = this.name("g");
        this.body.push(`${h} = ${text} |> dense(H) |> ${act}`);
        return { text: h, size: 4 };
      },
    ])();
  }

  /** loc and scale of n entries, by the library or a net of the model. */
  private record({ text }: Vector, n: number): string {
    if (this.chance(50)) return `${text} |> tanh |> gaussian(${n})`;
    const net = this.name("net");
    this.declarations.push(
      `net ${net}(a) {\n    h = a |> dense(H) |> tanh\n    return (loc = h |> dense(${n}), scale = softplus(h |> dense(${n})) + 0.01)\n  }`,
    );
    return `${net}(${text})`;
  }

  /** An expression of a shape; without features a parameter or a constant. */
  private tensor(h: Vector | undefined, shape: readonly number[]): string {
    const n = size(shape);
    if (!h) {
      if (this.chance(50)) return this.param("real", shape);
      return shape.length === 0 ? "0" : `zeros(${shape.join(", ")})`;
    }
    const flat = this.chance(30) ? `${h.text} @ ${this.param("real", [h.size, n])}` : `${h.text} |> dense(${n})`;
    if (shape.length === 1) return `(${flat})`;
    return shape.length === 0 ? `sum(${flat})` : `reshape(${flat}, ${shape.join(", ")})`;
  }

  private positive(h: Vector | undefined, shape: readonly number[], scalar = true): string {
    return this.pick<() => string>([
      () => (scalar && shape.length <= 1 && !h ? "1" : `exp(tanh(${this.tensor(h, shape)}))`),
      () => `(softplus(${this.tensor(h, shape)}) + 0.1)`,
      () => this.param("positive", shape),
    ])();
  }

  private param(domain: string, shape: readonly number[]): string {
    const name = this.name("W");
    this.declarations.push(`param ${name} : ${domain}${shape.length > 0 ? `[${shape.join(", ")}]` : ""}`);
    return name;
  }

  // ---- what is trained and measured --------------------------------------------------------------

  private train({ data, latents, condition, seen }: Lists): readonly string[] {
    const reparameterised = latents.every((l) => ["real", "positive", "unit"].includes(l.domain));
    const finite = latents.every((l) => ["binary", "category"].includes(l.domain));
    const names = (list: readonly Variable[]): string => list.map((v) => v.name).join(", ");
    const all = names([...data, ...latents]);
    const given = condition.length > 0 ? ` | ${names(condition)}` : "";
    const family = (index: string): string => latents.map((l) => `${l.name}${index}`).join(", ");
    const renamed = latents.map((l) => `${l.name}_drawn`).join(", ");
    const bound =
      latents.length === 0
        ? ["maximize LogLikelihood(p)", `maximize log p(${names(data)}${given})`]
        : [
            "maximize ELBO(p, q)",
            "maximize ELBO(p, q, beta = 0.5)",
            "maximize ELBO(p, q, beta = linear(0, 1, epochs = 2))",
            "minimize Distortion(p, q) + 0.5 * Rate(p, q)",
            ...(latents.some((l) => l.domain !== "unit") ? ["maximize Wake(p, q) over p\n    maximize Sleep(p, q) over q"] : []),
            `maximize E[${names(latents)} ~ q(${names(latents)} | ${names(seen)})](log p(${names(data)} | ${names([...latents, ...condition])}) - 0.1 * log q(${names(latents)} | ${names(seen)}))`,
            `maximize E[${renamed} ~ q(${names(latents)} | ${names(seen)})](log p(${names(data)}, ${renamed}${given}) - log q(${renamed} | ${names(seen)}))`,
            ...(reparameterised
              ? [
                  `maximize E[${family("[1..2]")} ~ q(${names(latents)} | ${names(seen)})](mean[i in 1..2](log p(${names(data)}, ${family("[i]")}${given}) - log q(${family("[i]")} | ${names(seen)})))`,
                ]
              : []),
            ...(reparameterised ? ["maximize IWAE(p, q, k = 3)", "maximize VR(p, q, alpha = 0.5, k = 2)"] : []),
            ...(finite
              ? [
                  `maximize E[${names(latents)} ~ q(${names(latents)} | ${names(seen)})](log p(${names(latents)} | ${names([...data, ...condition])}))`,
                  `maximize log p(${data[0]?.name ?? ""}${given})`,
                  ...(data.length > 1 ? [`maximize log p(words | ${names([...data.slice(0, 1), ...condition])})`] : []),
                ]
              : []),
            ...(finite ? ["maximize LogLikelihood(p)", `maximize max[${names(latents)}](log p(${all}${given}))`] : []),
          ];
    const optimizer = this.pick(["adam(lr = 1e-3)", "sgd(lr = 1e-4)", "rmsprop(lr = 1e-4)", "adamw(lr = 1e-3, clip_norm = 1)"]);
    return ["  train {", `    ${this.pick(bound)}`, `    optimizer = ${optimizer}, batch = 3`, "  }"];
  }

  private evaluate({ data, latents }: Lists): readonly string[] {
    const finite = latents.every((l) => ["binary", "category"].includes(l.domain));
    const lines = [
      ...(latents.length > 0 ? ["nll = -IWAE(p, q, k = 3)", "elbo = ELBO(p, q)"] : []),
      ...(latents.length > 0 && data.some((v) => v.domain !== "category") ? ["reconstruction = reconstruction(p, q)"] : []),
      ...(latents.some((l) => l.domain !== "category") ? ["active = active_units(q)"] : []),
      ...(finite ? ["exact = LogLikelihood(p)"] : []),
    ];
    const chosen = this.some(lines);
    return chosen.length > 0 ? ["  evaluate {", ...chosen.map((l) => `    ${l}`), "  }"] : [];
  }

  // ---- data --------------------------------------------------------------------------------------

  private rowsOf(v: Variable): Float32Array {
    const one = (): number => {
      switch (v.domain) {
        case "real":
          return (this.next(401) - 200) / 100;
        case "positive":
          return 0.1 + this.next(300) / 100;
        case "unit":
          return 0.05 + this.next(90) / 100;
        case "binary":
          return this.next(2);
        case "category":
          return this.next(v.classes);
        case "count":
          return this.next(6);
        case "byte":
          return this.next(256);
        case "simplex":
          return 1 + this.next(50);
      }
    };
    const values = Float32Array.from({ length: rows * size(v.shape) }, one);
    if (v.domain !== "simplex") return values;
    const n = v.shape.at(-1) ?? 1;
    return values.map((x, i) => x / values.slice(i - (i % n), i - (i % n) + n).reduce((a, b) => a + b, 0));
  }
}

interface Lists {
  readonly data: readonly Variable[];
  readonly latents: readonly Variable[];
  readonly condition: readonly Variable[];
  /** What q is conditioned on. */
  readonly seen: readonly Variable[];
}

function variable(name: string, domain: DomainName, shape: readonly number[], classes = 0, members = 0): Variable {
  return { name, domain, classes, shape, members };
}

function declaration(v: Variable): string {
  const family = v.members > 1 ? `[l in 1..${v.members}]` : "";
  const classes = v.classes > 0 ? `[${v.classes}]` : "";
  return `${v.name}${family} : ${v.domain}${classes}${v.shape.length > 0 ? `[${v.shape.join(", ")}]` : ""}`;
}
