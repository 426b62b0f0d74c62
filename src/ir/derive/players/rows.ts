/**
 * What couples the rows of a batch: functions of the whole batch (`mmd`), layers that read other rows (`minibatch_discrimination`; `batch_norm` while it
 * trains), independent rows of a stream. Such a quantity is no value of an example by itself, so no mean over the rows of an evaluation. Objectives
 * may hold it: a training batch is a sample of independent rows. A density is about one example, and so is a gradient `grad[…]`: there it is refused.
 */
import { remembered } from "../../../base/remembered.js";
import { report } from "../../../base/report.js";
import type { Span } from "../../../base/source.js";
import { builtins } from "../../builtins.js";
import { mentions } from "../../energy/algebra.js";
import { layers } from "../../layers.js";
import type { Quantity } from "../../quantity.js";
import { exprsOf, walkQuantity } from "../../quantity-walk.js";
import type { Expr, Net } from "../../types.js";
import { childrenOf, walkExpr } from "../../walk.js";
import { definitionInputs, type DeriveContext, flowOf, netOf, partsOfFlow } from "../context.js";
import { walk } from "../walk-bindings.js";

/** A layer or function that reads the batch, where it stands or is called. */
interface Reader {
  readonly name: string;
  readonly when: "always" | "training";
  /** Rows that a batch holds at least. */
  readonly least: number;
  readonly span: Span;
  /** Where the layer itself stands. */
  readonly layer: Span;
}

/** What in a quantity couples rows, as a message names it; undefined where nothing does. */
export function couplesRows(context: DeriveContext, quantity: Quantity): string | undefined {
  const fn = readerIn(context, quantity);
  if (fn !== undefined) return `\`${fn}\``;
  let moved = false;
  walkQuantity(quantity, (q) => {
    moved ||= q.kind === "expect" && q.steps.some((s) => s.kind === "data" && (s.shift > 0 || s.family !== undefined));
  });
  return moved ? "a second, independent row of a stream" : undefined;
}

/** A latent that is summed over around what reads the whole batch, and the name of that: the batch then holds states, not samples. */
export function summedAround(context: DeriveContext, quantity: Quantity): { readonly variable: string; readonly fn: string } | undefined {
  let found: { readonly variable: string; readonly fn: string } | undefined;
  walkQuantity(quantity, (q) => {
    const variable = q.kind === "enumerate" ? q.variable : q.kind === "eliminate" ? q.steps[0]?.variable : undefined;
    const fn = variable === undefined ? undefined : readerIn(context, q);
    if (variable !== undefined && fn !== undefined) found ??= { variable, fn };
  });
  return found;
}

/** Does what a quantity holds always read the batch? Through nets, too. */
function readerIn(context: DeriveContext, quantity: Quantity): string | undefined {
  let found: string | undefined;
  walkQuantity(quantity, (q) => {
    if (q.kind === "apply" && builtins.get(q.expr.fn)?.wholeBatch) found ??= q.expr.fn;
  });
  for (const expr of exprsOf(quantity)) found ??= readersIn(context, expr).find((r) => r.when === "always")?.name;
  return found;
}

/** What in a quantity takes the most rows of a batch, and how many; undefined where a single one does. */
export function leastRows(context: DeriveContext, quantity: Quantity): { readonly fn: string; readonly rows: number } | undefined {
  const readers = exprsOf(quantity).flatMap((expr) => readersIn(context, expr));
  walkQuantity(quantity, (q) => {
    if (q.kind === "apply" && q.expr.kind === "builtin") readers.push(...batchFunction(q.expr));
  });
  const most = readers.reduce<Reader | undefined>((a, b) => (a && a.least >= b.least ? a : b), undefined);
  return most && most.least > 1 ? { fn: most.name, rows: most.least } : undefined;
}

function batchFunction(e: Extract<Expr, { kind: "builtin" }>): readonly Reader[] {
  const entry = builtins.get(e.fn);
  if (!entry?.wholeBatch) return [];
  return [{ name: e.fn, when: "always", least: entry.leastRows?.(e.options) ?? 1, span: e.span, layer: e.span }];
}

/** Readers of the batch that evaluating an expression meets: those of nets at their calls. */
function readersIn(context: DeriveContext, expr: Expr): readonly Reader[] {
  const found: Reader[] = [];
  walkExpr(expr, (e) => found.push(...readersAt(context, e)));
  return found;
}

function readersAt(context: DeriveContext, e: Expr): readonly Reader[] {
  switch (e.kind) {
    case "builtin":
      return batchFunction(e);
    case "layer": {
      const { readsBatch: when, leastRows: least = 1 } = layers.get(e.instance.layer) ?? {};
      return when ? [{ name: e.instance.layer, when, least, span: e.instance.span, layer: e.instance.span }] : [];
    }
    case "netCall":
      return readersOf(context)(netOf(context, e.net)).map((r) => ({ ...r, span: e.span }));
    case "flowCall":
      return partsOfFlow(context, flowOf(context, e.flow)).nets.flatMap((net) =>
        readersOf(context)(net).map((r) => ({ ...r, span: e.span })),
      );
    default:
      return [];
  }
}

/** Those of a net's body; each body is looked through once. */
const readersOf = remembered((context: DeriveContext) =>
  remembered((net: Net): readonly Reader[] => [...net.body.map((b) => b.value), net.result].flatMap((e) => readersIn(context, e))),
);

/**
 * Reports layers in densities that always read the batch; in an energy also those that do while they train, of a variable that it defines: its
 * states, at the data, in chains and in sums, are no samples of one batch, and a row's energy would depend on which others stand beside it.
 */
export function refuseReadersInDensities(context: DeriveContext): void {
  for (const { density, definitions, energy } of context.densities.values()) {
    const always = firstReader(context, [...definitions.values()].flatMap(definitionInputs), (r) => r.when === "always");
    const { variables = [], energies = [] } = energy ?? {};
    const inEnergy = energies.map((e) => e.value);
    const found = always ?? firstReader(context, inEnergy, (_, e) => variables.some((v) => mentions(context, e, v)));
    if (!found) continue;
    report(
      context.diagnostics,
      "GM3754",
      found.span,
      { layer: found.name, density: density.name },
      {
        labels: layerOf(found),
        help: [found.when === "always" ? "it belongs in a net that an objective calls: a critic" : BY_ITSELF],
      },
    );
  }
}

const BY_ITSELF = "`layer_norm` and `instance_norm` normalise each example by itself";

function firstReader(context: DeriveContext, exprs: readonly Expr[], is: (reader: Reader, at: Expr) => boolean): Reader | undefined {
  const seen = new Set<string>();
  let found: Reader | undefined;
  for (const expr of exprs) walk(context, expr, (e) => (found ??= readersAt(context, e).find((r) => is(r, e))), seen);
  return found;
}

/** Reports a gradient of what reads the batch through the names that it is taken in; true where it did. */
export function refuseReadersUnderGradients(context: DeriveContext, exprs: readonly Expr[]): boolean {
  let refused = false;
  const visit = (e: Expr): void => {
    if (e.kind === "grad") {
      const names = new Set(e.locals.map(({ local }) => local.id));
      walkExpr(e.body, (inner) => {
        const reader = refused ? undefined : readersAt(context, inner)[0];
        if (!reader || !childrenOf(inner).some((child) => readsLocal(child, names))) return;
        refused = true;
        report(
          context.diagnostics,
          "GM3755",
          reader.span,
          { layer: reader.name },
          {
            labels: layerOf(reader),
            help: [reader.when === "always" ? "leave it out of the net whose slope is taken, or take the slope of another" : BY_ITSELF],
          },
        );
      });
    }
    for (const child of childrenOf(e)) visit(child);
  };
  exprs.forEach(visit);
  return refused;
}

/** Where the layer stands, unless it is shown. */
function layerOf({ name, span, layer }: Reader): readonly { readonly span: Span; readonly text: string }[] {
  return span === layer ? [] : [{ span: layer, text: `\`${name}\` stands here` }];
}

function readsLocal(expr: Expr, ids: ReadonlySet<string>): boolean {
  return (expr.kind === "local" && ids.has(expr.local.id)) || childrenOf(expr).some((e) => readsLocal(e, ids));
}
