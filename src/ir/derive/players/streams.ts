/** A net that is called with variables of two streams, and a distance between them, take both for values of one kind: their domains must agree. */
import { report } from "../../../base/report.js";
import type { DerivedUpdate } from "../../derived-model.js";
import type { Domain, Expr } from "../../types.js";
import { childrenOf, distExprs } from "../../walk.js";
import { type DeriveContext, densityOf } from "../context.js";

interface Seen {
  readonly variable: string;
  readonly domain: Domain;
  readonly stream: number;
  readonly expr: Expr;
}

/** Functions of two samples that compare their values. */
const DISTANCES: ReadonlySet<string> = new Set(["mmd"]);

export function checkStreams(context: DeriveContext, { update }: DerivedUpdate): void {
  const { streams, variables } = context.model;
  const seen = new Map<string, Seen>();
  const reported = new Set<string>();
  const densities = new Set<string>();
  /** What names stand for that an `E` has drawn from the data, or a density has drawn under another name. */
  const visit = (e: Expr, names: ReadonlyMap<string, string>): void => {
    if (e.kind === "expectation") {
      const inner = new Map(names);
      for (const draw of e.draws) for (const n of draw.names) if (n.kind === "local" && n.of !== undefined) inner.set(n.local.id, n.of);
      for (const child of childrenOf(e)) visit(child, inner);
      for (const { source } of e.draws) if (source.kind === "density") visitDensity(source.density);
      return;
    }
    if (e.kind === "logDensity") visitDensity(e.density);
    if (e.kind === "netCall") e.args.forEach((arg, i) => note(`${e.net}.${i}`, e.net, arg, names));
    if (e.kind === "builtin" && DISTANCES.has(e.fn)) {
      const place = `${e.fn}@${e.span.file.path}:${e.span.start}`;
      for (const arg of e.args.slice(0, 2)) note(place, e.fn, arg, names);
    }
    for (const child of childrenOf(e)) visit(child, names);
  };
  /** A density reads its conditions under their own names: `density p(b | a) { b = to_b(a) }`. */
  const visitDensity = (name: string): void => {
    if (densities.has(name)) return;
    densities.add(name);
    for (const s of densityOf(context, name).density.statements) {
      const values = s.kind === "draw" ? distExprs(s.dist) : [s.kind === "bind" ? s.binding.value : s.value];
      for (const value of values) visit(value, new Map());
    }
  };
  const note = (place: string, net: string, arg: Expr, names: ReadonlyMap<string, string>): void => {
    // side by side, each is of one kind with what stands at its place
    if (arg.kind === "builtin" && arg.fn === "concat") {
      arg.args.forEach((part, i) => note(`${place}.${i}/${arg.args.length}`, net, part, names));
      return;
    }
    const name = arg.kind === "variable" ? arg.variable : arg.kind === "local" ? names.get(arg.local.id) : undefined;
    const variable = name === undefined ? undefined : variables.get(name);
    const stream = streams.findIndex((s) => name !== undefined && s.includes(name));
    if (!variable || stream < 0) return;
    const before = seen.get(place);
    if (!before) {
      seen.set(place, { variable: variable.name, domain: variable.domain, stream, expr: arg });
      return;
    }
    const agree = before.domain.name === variable.domain.name && before.domain.classes?.size === variable.domain.classes?.size;
    if (before.stream === stream || agree || reported.has(place)) return;
    reported.add(place);
    report(
      context.diagnostics,
      "GM3747",
      arg.span,
      { net, a: before.variable, domainA: before.domain.name, b: variable.name, domainB: variable.domain.name },
      {
        labels: [{ span: before.expr.span, text: `\`${before.variable}\` is ${before.domain.name}` }],
        help: [
          DISTANCES.has(net)
            ? "declare both streams with one domain, or bring one onto that of the other"
            : "declare both streams with one domain, or give each a net of its own",
        ],
      },
    );
  };
  visit(update.value, new Map());
}
