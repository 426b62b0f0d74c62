/**
 * Rows of two `data` statements are drawn independently of one another. A log-density that couples variables of both, in one conditional, in one energy
 * or through what is summed out, would be trained on the product of their distributions. Terms of one statement each are fine, and so are expectations
 * over both that are no densities: critics, distances, moments. And so is what says that the product is meant: a variable that is given an expression of
 * others, `noisy = x + n`, or a row that is drawn under a name of its own, `nr ~ data(n)`.
 */
import { report } from "../../base/report.js";
import { type Span, textOf } from "../../base/source.js";
import type { DrawStep, Factor, LinearGaussian, Quantity, Term } from "../quantity.js";
import type { DistCall, Expr } from "../types.js";
import { childrenOf, distExprs } from "../walk.js";
import { type DeriveContext, variablesIn, variableName } from "./context.js";
import { energyOf } from "./energy.js";

/** Data variables by name, and what is summed out by a name of its own. */
type Names = ReadonlySet<string>;

/** What a factor of a density couples. */
interface Group {
  readonly names: Names;
  readonly span: Span;
}

/** What variables (by name) and locals (by id) come from; those that are not listed are the row's data, or nothing of it. */
type Origins = ReadonlyMap<string, Names>;

const NOTHING: Names = new Set();

/** False after an error has been reported: a log-density that is trained couples variables of two `data` statements. */
export function requireOneStream(context: DeriveContext, quantity: Quantity, at: Span): boolean {
  const { streams, variables } = context.model;
  if (streams.length < 2) return true;
  const streamOf = (name: string): number => streams.findIndex((s) => s.includes(name));
  for (const { names, span } of new Couplings(context).of(quantity, new Map())) {
    const data = [...variables.keys()].filter((n) => names.has(n) && streamOf(n) >= 0);
    const [a] = data;
    const b = data.find((n) => a !== undefined && streamOf(n) !== streamOf(a));
    if (a === undefined || b === undefined) continue;
    const met = [...new Set(data.map(streamOf))].sort((x, y) => x - y);
    const together = met.flatMap((s) => streams[s] ?? []).flatMap((name) => variables.get(name) ?? []);
    report(
      context.diagnostics,
      "GM3535",
      at,
      { a, b },
      {
        labels: [
          { span, text: `${variableName(a)} and ${variableName(b)} meet here` },
          ...[a, b].flatMap((name) => {
            const variable = variables.get(name);
            return variable ? [{ span: variable.span, text: `rows of ${variableName(name)}` }] : [];
          }),
        ],
        help: [
          `declare them in one statement, and row i of each is of one pair: \`data ${[...new Set(together.map((v) => textOf(v.span)))].join(", ")}\``,
          ...independently(
            [b, a].find((name) => /^[\p{ID_Start}_][\p{ID_Continue}]*$/u.test(name)),
            variables,
          ),
        ],
      },
    );
    return false;
  }
  return true;
}

/** How to say that rows which have nothing to do with one another are meant. */
function independently(name: string | undefined, taken: ReadonlyMap<string, unknown>): readonly string[] {
  if (name === undefined) return [];
  let drawn = `${name}r`;
  while (taken.has(drawn)) drawn += "r";
  return [
    `where the product of independent rows is meant, draw one under another name and give it: \`E[${drawn} ~ data(${name})](…)\` around the log-density, with \`${name} = ${drawn}\` in its brackets`,
  ];
}

class Couplings {
  private summed = 0;
  /** What names of gradients stand for, by id. */
  private readonly values = new Map<string, Expr>();

  constructor(private readonly context: DeriveContext) {}

  /** What each factor of the densities couples. */
  of(q: Quantity, origins: Origins): readonly Group[] {
    switch (q.kind) {
      case "value":
        return [];
      case "factor":
        return [this.factor(q, origins)];
      case "logDet":
        return [{ names: this.inDensity(variablesIn(this.context, q.calls), q, origins), span: q.span }];
      case "sum":
        return this.terms(q.terms, origins);
      case "apply":
        return q.args.flatMap((a) => this.of(a, origins));
      case "grad":
        for (const { local, value } of q.expr.locals) this.values.set(local.id, value);
        return this.of(q.body, origins);
      case "byRow":
        return [q.there, q.missing].flatMap((part) => (part ? this.of(part, origins) : []));
      case "kl": {
        // what is drawn from the one has its log-density under the other
        const own = this.fresh(q.q.variable);
        const parts = [q.q, q.p].map((f) => this.factor(f, new Map([...origins, [f.variable, new Set([own])]])));
        return without(parts, [own]).groups;
      }
      case "gaussianMarginal":
        return this.posterior(
          q,
          q.latents.map((f) => f.variable),
          origins,
        ).groups;
      case "expect": {
        const inner = q.steps.reduce((around, step) => this.after(step, around, q.plate?.id), origins);
        return this.of(q.body, inner);
      }
      case "enumerate": {
        const key = q.local?.id ?? q.variable;
        if (q.op === "expect") {
          const origin = this.ofWeight(q.weight, q.variable, origins);
          return this.of(q.body, new Map([...origins, [key, q.fills ? new Set([...origin, q.variable]) : origin]]));
        }
        const own = this.fresh(key);
        const inner = new Map([...origins, [key, new Set([own])]]);
        const parts = [...(q.weight ? this.of(q.weight, inner) : []), ...this.of(q.body, inner)];
        return without(parts, [own]).groups;
      }
      case "eliminate": {
        const own = new Map(q.steps.map(({ variable }) => [variable, this.fresh(variable)]));
        const inner = new Map([...origins, ...[...own].map(([v, name]): [string, Names] => [v, new Set([name])])]);
        const parts = q.steps.flatMap((s) => this.terms(s.terms, inner));
        const { groups, joined } = without(parts, [...own.values()]);
        if (q.op !== "expect") return groups;
        const drawn = new Map([...origins, ...[...own].map(([v, name]): [string, Names] => [v, joined.get(name) ?? NOTHING])]);
        return q.steps.flatMap((s) => this.terms(s.values ?? [], drawn));
      }
      case "reduce": {
        const parts = this.of(q.body, origins);
        if (q.op === "sum" || q.op === "mean") return parts;
        // the log of a mean over samples is one of what they are drawn from
        const drawn = parts.flatMap((p) => [...p.names].filter((n) => n.startsWith(ofPlate(q.plate))));
        return without(parts, [...new Set(drawn)]).groups;
      }
      case "optimum": {
        const own = q.variables.map((v): [string, string] => [v, this.fresh(v)]);
        const inner = new Map([...origins, ...own.map(([v, name]): [string, Names] => [v, new Set([name])])]);
        return without(
          this.of(q.body, inner),
          own.map(([, name]) => name),
        ).groups;
      }
      case "unnormalised": {
        const hidden = energyOf(this.context, q.density).variables.filter((v) => !q.given.includes(v));
        return this.energy(q, hidden, origins).groups;
      }
      case "logPartition":
        return this.energy(q, energyOf(this.context, q.density).variables, origins).groups;
      case "matching": {
        const { sum, joint = [], paired = {}, enumerate } = q.hidden;
        return this.energy(q, [...sum, ...joint, ...Object.keys(paired), ...enumerate], origins).groups;
      }
    }
  }

  private terms(terms: readonly Term[], origins: Origins): readonly Group[] {
    return terms.flatMap((t) => this.of(t.quantity, origins));
  }

  private fresh(name: string): string {
    return `#${this.summed++} ${name}`;
  }

  /** A variable given what its distribution reads. */
  private factor(f: Factor, origins: Origins): Group {
    const read = new Set([f.variable, ...variablesIn(this.context, distExprs(f.dist))]);
    return { names: this.inDensity(read, f, origins), span: f.span };
  }

  /** What variables of a density come from. */
  private inDensity(read: Iterable<string>, { at, through }: Pick<Factor, "at" | "through">, origins: Origins): Names {
    const found = new Set<string>();
    const seen = new Set<string>();
    const visit = (variable: string): void => {
      if (seen.has(variable)) return;
      seen.add(variable);
      const behind = through?.get(variable);
      if (behind) for (const v of variablesIn(this.context, [behind])) visit(v);
      const value = at.get(variable);
      if (value) for (const name of this.inScope(value, origins, variable)) found.add(name);
      else if (!behind) for (const name of this.variable(variable, origins)) found.add(name);
    };
    for (const v of read) visit(v);
    return found;
  }

  private variable(name: string, origins: Origins): Names {
    return origins.get(name) ?? (this.context.model.variables.get(name)?.role === "data" ? new Set([name]) : NOTHING);
  }

  /** What an expression of the objective comes from; as the value of a variable `of` a density, but for data of other variables, which it names itself. */
  private inScope(expr: Expr, origins: Origins, of?: string): Names {
    const read = (name: string): Names => {
      const from = this.variable(name, origins);
      return of !== undefined && of !== name && from.size === 1 && from.has(name) ? NOTHING : from;
    };
    if (expr.kind === "variable") return read(expr.variable);
    if (expr.kind === "local") {
      const value = this.values.get(expr.local.id);
      if (value) return this.inScope(value, origins, of);
      const through = this.context.reads.get(expr.local.id) ?? [];
      return origins.get(expr.local.id) ?? new Set([...through].flatMap((v) => [...read(v)]));
    }
    return new Set(childrenOf(expr).flatMap((child) => [...this.inScope(child, origins, of)]));
  }

  private distribution(dist: DistCall, origins: Origins): Names {
    return new Set(distExprs(dist).flatMap((e) => [...this.inScope(e, origins)]));
  }

  /** Origins within a draw's scope: what is drawn comes from what it is drawn given. */
  private after(step: DrawStep, origins: Origins, plate: string | undefined): Origins {
    const bind = (bound: readonly (readonly [key: string, from: Names])[]): Origins =>
      new Map([
        ...origins,
        ...bound.map(([key, from]): [string, Names] => [key, plate === undefined ? from : new Set([...from, ofPlate(plate) + key])]),
      ]);
    switch (step.kind) {
      case "data":
        return bind([step.local ? [step.local.id, NOTHING] : [step.variable, new Set([step.variable])]]);
      case "factor": {
        const { factor } = step;
        const read = [...variablesIn(this.context, distExprs(factor.dist))].filter((v) => v !== factor.variable);
        const from = this.inDensity(read, factor, origins);
        return bind([[step.local?.id ?? factor.variable, step.fills ? new Set([...from, factor.variable]) : from]]);
      }
      case "bind": {
        const value = step.at.get(step.variable);
        const key = value?.kind === "local" ? value.local.id : step.variable;
        return bind([[key, this.inDensity(variablesIn(this.context, [step.value]), step, origins)]]);
      }
      case "distribution":
        return bind([[step.local.id, this.distribution(step.dist, origins)]]);
      case "energy": {
        const names = step.variables.map((v) => v.variable);
        const { joined } = this.energy(
          step,
          energyOf(this.context, step.density).variables.filter((v) => !step.given.includes(v)),
          origins,
        );
        return bind(step.variables.map((v, i) => [v.local?.id ?? v.variable, joined.get(names[i] ?? "") ?? NOTHING]));
      }
      case "gaussian": {
        const { joined } = this.posterior(
          step.posterior,
          step.posterior.latents.map((f) => f.variable),
          origins,
        );
        return bind(step.variables.map((v) => [v.local?.id ?? v.variable, joined.get(v.variable) ?? NOTHING]));
      }
    }
  }

  /** Of a variable that is averaged over, what its weight comes from. */
  private ofWeight(weight: Quantity | undefined, variable: string, origins: Origins): Names {
    if (!weight) return NOTHING;
    const own = this.fresh(variable);
    const parts = this.of(weight, new Map([...origins, [variable, new Set([own])]]));
    return without(parts, [own]).joined.get(own) ?? NOTHING;
  }

  /** Factors that are normal, the latents integrated out; `joined` is by latent. */
  private posterior({ latents, children }: LinearGaussian, names: readonly string[], origins: Origins): Without {
    const own = new Map(names.map((v) => [v, this.fresh(v)]));
    // the latents stand under the names of the density, whatever the objective calls them
    const parts = [...latents, ...children].map((f): Group => {
      const read = new Set([f.variable, ...variablesIn(this.context, distExprs(f.dist))]);
      const hidden = [...read].flatMap((v) => own.get(v) ?? []);
      const others = this.inDensity(
        [...read].filter((v) => !own.has(v)),
        f,
        origins,
      );
      return { names: new Set([...hidden, ...others]), span: f.span };
    });
    return byVariable(without(parts, [...own.values()]), own);
  }

  /** Terms of an energy, variables of it summed out; `joined` is by these. */
  private energy(
    q: { readonly density: string; readonly at: ReadonlyMap<string, Expr>; readonly span: Span },
    hidden: readonly string[],
    origins: Origins,
  ): Without {
    const analysis = energyOf(this.context, q.density);
    const own = new Map(hidden.map((v) => [v, this.fresh(v)]));
    const group = (read: readonly string[], span: Span): Group => ({
      names: new Set([
        ...read.flatMap((v) => own.get(v) ?? []),
        ...this.inDensity(
          read.filter((v) => !own.has(v)),
          q,
          origins,
        ),
      ]),
      span,
    });
    const parts = [
      ...analysis.edges.map(({ a, b, terms }) => group([a, b], terms[0]?.span ?? q.span)),
      // pairs are known of the energy's own variables, not of conditions
      ...analysis.terms.flatMap(({ expr, span }) => {
        const read = [...variablesIn(this.context, [expr])];
        return read.some((v) => analysis.reads.includes(v)) ? [group(read, span)] : [];
      }),
    ];
    return byVariable(without(parts, [...own.values()]), own);
  }
}

const ofPlate = (plate: string): string => `#${plate} `;

interface Without {
  readonly groups: readonly Group[];
  /** What each name that was summed out hangs together with. */
  readonly joined: ReadonlyMap<string, Names>;
}

function byVariable({ groups, joined }: Without, own: ReadonlyMap<string, string>): Without {
  return { groups, joined: new Map([...own].map(([variable, name]) => [variable, joined.get(name) ?? NOTHING])) };
}

/** Groups once names are summed out: those that share one become one. */
function without(groups: readonly Group[], summed: readonly string[]): Without {
  const gone = new Set(summed);
  let merged = groups;
  for (const name of summed) {
    const [first, ...more] = merged.filter((g) => g.names.has(name));
    if (!first || more.length === 0) continue;
    const one = { names: new Set([first, ...more].flatMap((g) => [...g.names])), span: first.span };
    merged = [...merged.filter((g) => !g.names.has(name)), one];
  }
  const left = (names: Names): Names => new Set([...names].filter((n) => !gone.has(n)));
  return {
    groups: merged.map((g) => ({ names: left(g.names), span: g.span })),
    joined: new Map(summed.map((name) => [name, left(merged.find((g) => g.names.has(name))?.names ?? NOTHING)])),
  };
}
