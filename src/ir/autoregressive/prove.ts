/**
 * Variables that stand in their own parameters: `x ~ Bernoulli(logits = made(x))` is a density where the parameters of each entry read entries
 * alone that are drawn before it, p(x) = prod_i p(x_i | x_<i). That is proven here, or refused with the way by which a later entry is read.
 */
import type { Label } from "../../base/diagnostic.js";
import { report } from "../../base/report.js";
import { type Span, textOf } from "../../base/source.js";
import { type Definition, type DeriveContext, inHeader, parentsOf, readsItself, weightEntries } from "../derive/context.js";
import { distributions } from "../distributions.js";
import { layers } from "../layers.js";
import type { DistCall, Expr, LayerInstance } from "../types.js";
import { entries, greatest, type Grid, least, NONE, readsNothing } from "./grid.js";
import { type MaskRule, type Order, orderText, placesOf, ranksOf, sameOrder, whyNoOrder } from "./order.js";
import { type Stop, track, type Tracked, type Tracker } from "./track.js";

/** A variable that is drawn entry after entry, and the proof that it may be. */
export interface Sequential {
  readonly density: string;
  readonly variable: string;
  readonly shape: readonly number[];
  /** So many leading axes of the event are positions; what is at one of them is drawn at once. */
  readonly positionAxes: number;
  readonly positions: number;
  /** Over the positions. */
  readonly order: Order;
  /** Variables of the density's header that the parameters read besides. */
  readonly reads: readonly string[];
  /** The layers that hold the order, as they stand on the way, and what is read by what they give. */
  readonly layers: readonly { readonly instance: LayerInstance; readonly reach: Reach }[];
  readonly span: Span;
}

type Drawn = Extract<Definition, { kind: "draw" }>;

/** Proofs of all densities, and the masks that they decide; undefined after an error. */
export function proveOrders(context: DeriveContext): Pick<DeriveContext, "sequential" | "masks"> | undefined {
  const sequential = new Map<string, Sequential>();
  const masks = new Map<string, MaskRule>();
  let ok = true;
  for (const index of context.densities.values()) {
    for (const definition of index.definitions.values()) {
      if (definition.kind !== "draw" || !readsItself(context, definition)) continue;
      const before = sequential.get(index.density.name);
      const proof = proveOne(context, index.density.name, definition, masks);
      const alone = !before && !index.energy;
      if (before) {
        const labels = [{ span: before.span, text: `\`${before.variable}\` is drawn entry after entry, too` }];
        tooMany(context, index.density.name, `\`${before.variable}\` and \`${definition.variable}\` entry after entry`, definition, labels);
      } else if (index.energy) {
        const names = index.energy.variables.map((v) => `\`${v}\``).join(", ");
        const labels = index.energy.energies.map((e) => ({ span: e.span, text: `${names} by a chain` }));
        tooMany(context, index.density.name, `\`${definition.variable}\` entry after entry and ${names} by a chain`, definition, labels);
      }
      if (!proof || !alone) ok = false;
      else sequential.set(index.density.name, { ...proof, reads: inHeader(index, parentsOf(context, definition)) });
    }
  }
  return ok && settled(context, masks) ? { sequential, masks } : undefined;
}

function tooMany(context: DeriveContext, density: string, what: string, { variable, span }: Drawn, labels: readonly Label[]): void {
  const help = [`give \`${variable}\` parameters that do not read it, or have the other one in a density of its own`];
  report(context.diagnostics, "GM3726", span, { density, what }, { labels, help });
}

/** Layers that are masked by a rule have one. */
function settled(context: DeriveContext, masks: ReadonlyMap<string, MaskRule>): boolean {
  let ok = true;
  for (const { of } of weightEntries(context)) {
    if (of.kind !== "layer" || !layers.get(of.instance.layer)?.masked || masks.has(of.instance.path)) continue;
    ok = false;
    const { layer, span } = of.instance;
    report(
      context.diagnostics,
      "GM3723",
      span,
      { layer },
      { help: ["`dense` reads all of its input; masked layers belong into the parameters of `x ~ …` that read `x` itself"] },
    );
  }
  return ok;
}

/** Parameters of a distribution, each with how many of its last axes belong to one draw. */
function parametersOf(dist: DistCall, more = 0): readonly { readonly name: string; readonly expr: Expr; readonly rank: number }[] {
  const ranks = new Map(
    distributions.get(dist.dist)?.parameters.flatMap((list) => list.map((p) => [p.runtime ?? p.name, p.rank] as const)),
  );
  const own = Object.entries(dist.params).map(([name, expr]) => ({ name, expr, rank: (ranks.get(name) ?? 0) + more }));
  return dist.of ? [...own, ...parametersOf(dist.of, more + 1)] : own;
}

function proveOne(context: DeriveContext, density: string, definition: Drawn, masks: Map<string, MaskRule>): Sequential | undefined {
  const { variable, dist, span } = definition;
  const shape = (context.model.variables.get(variable)?.domain.shape ?? []).map((d) => d.size);
  const size = shape.reduce((n, s) => n * s, 1);
  const natural: Tracked = { variable, shape, size, order: "natural", ranks: Array.from({ length: size }, (_, i) => i) };
  const params = parametersOf(dist);
  const look = (tracked: Tracked): Tracker => {
    const tracker = track(context, tracked);
    for (const { expr } of params) tracker.of(expr);
    return tracker;
  };
  const first = look(natural);
  const order = orderOf(context, variable, size, first);
  if (!order) return undefined;
  const inOrder =
    order.places === "natural" ? natural : { ...natural, order: order.places, ranks: ranksIn(order.places, order.size, size) };
  const tracker = inOrder === natural ? first : look(inOrder);
  const lead = shape.slice(0, shape.length - (distributions.get(dist.dist)?.eventRank ?? 0));
  const worst = params.map(({ name, expr, rank }) => ({ name, expr, finding: firstWrong(tracker.of(expr), rank, lead, inOrder) }));
  const wrong = worst.find(({ finding }) => finding);
  if (wrong?.finding) {
    refuse(context, inOrder, tracker, wrong.name, wrong.expr, wrong.finding);
    return undefined;
  }
  let ok = true;
  for (const [path, { instance, rules }] of tracker.rules) {
    const [rule, other] = [masks.get(path) ?? rules[0], rules[1]];
    if (!rule) continue;
    if (other || JSON.stringify(rule) !== JSON.stringify(rules[0])) {
      ok = false;
      report(
        context.diagnostics,
        "GM3724",
        instance.span,
        { layer: instance.layer },
        { help: ["move the net out of the model: each call then has weights of its own"] },
      );
    } else masks.set(path, rule);
  }
  if (!ok) return undefined;
  const grids = params.map(({ expr, rank }) => ({ grid: tracker.of(expr), rank }));
  const positionAxes = positionAxesOf(grids, lead, inOrder);
  const positions = shape.slice(0, positionAxes).reduce((n, s) => n * s, 1);
  return {
    density,
    variable,
    shape,
    positionAxes,
    positions,
    order: orderOver(inOrder.ranks, positions, order.places),
    reads: [],
    layers: [...tracker.ordered].map(([instance, grid]) => ({ instance, reach: reachOf(grid, inOrder) })),
    span,
  };
}

/** Ranks of entries where places of several entries each are in order. */
function ranksIn(order: Order, places: number, size: number): readonly number[] {
  const ranks = ranksOf(order, places);
  const perPlace = size / places;
  return Array.from({ length: size }, (_, i) => (ranks[Math.floor(i / perPlace)] ?? 0) * perPlace + (i % perPlace));
}

// ---- the order ------------------------------------------------------------------------------------

/** The order that the layers on the way name, and over how many places it runs; undefined after an error. */
function orderOf(
  context: DeriveContext,
  variable: string,
  size: number,
  tracker: Tracker,
): { readonly places: Order; readonly size: number } | undefined {
  const named = [...tracker.ordered.keys()].flatMap((instance) => {
    const rule = tracker.rules.get(instance.path)?.rules[0];
    const sides = rule ? [rule.from, rule.to].flatMap((side) => (side.kind === "order" ? [side.size] : [])) : [size];
    const [places] = sides;
    return places === undefined ? [] : [{ instance, order: instance.masking?.order ?? ("natural" as const), places }];
  });
  const [first] = named;
  if (!first) return { places: "natural", size };
  const other = named.find((n) => !sameOrder(n.order, first.order) || (first.order !== "natural" && n.places !== first.places));
  if (other) {
    const over = (n: typeof first): string =>
      `${orderText(n.order)}${n.places === first.places && n.places === other.places ? "" : ` of ${n.places} places`}`;
    report(
      context.diagnostics,
      "GM3722",
      other.instance.span,
      { variable, a: over(first), b: over(other) },
      {
        label: `in the order ${over(other)}`,
        labels: [{ span: first.instance.span, text: `in the order ${over(first)}` }],
        help: ["give all layers on the way the same `order`; convolutions and `nade` know the natural one alone"],
      },
    );
    return undefined;
  }
  const why =
    typeof first.order === "object"
      ? whyNoOrder(
          first.order.map((place) => place + 1),
          first.places,
        )
      : undefined;
  if (why === undefined) return { places: first.order, size: first.places };
  report(
    context.diagnostics,
    "GM2086",
    first.instance.span,
    { what: "`order` of `masked_dense`", why },
    { help: [`\`${variable}\` has ${first.places} places: name each of 1 to ${first.places} once`] },
  );
  return undefined;
}

/** As few axes of positions as the parameters allow: what is at one position is drawn at once. */
function positionAxesOf(
  grids: readonly { readonly grid: Grid; readonly rank: number }[],
  lead: readonly number[],
  tracked: Tracked,
): number {
  for (let axes = 1; axes < lead.length; axes++) {
    const positions = tracked.shape.slice(0, axes).reduce((n, s) => n * s, 1);
    const width = tracked.size / positions;
    const coarse = tracked.ranks.map((rank) => Math.floor(rank / width) * width);
    const whole = coarse.every((rank, i) => rank === coarse[i - (i % width)]);
    if (whole && grids.every(({ grid, rank }) => !firstWrong(grid, rank, lead, { ...tracked, ranks: coarse }))) return axes;
  }
  return lead.length;
}

/** The order over positions that ranks of entries amount to, by the name that it has. */
function orderOver(ranks: readonly number[], positions: number, named: Order): Order {
  const width = ranks.length / positions;
  const places = Array.from({ length: positions }, (_, i) => i).sort((a, b) => (ranks[a * width] ?? 0) - (ranks[b * width] ?? 0));
  const candidates: readonly Order[] = ["natural", "reverse", ...(typeof named === "number" ? [named] : [])];
  return candidates.find((order) => sameOrder(placesOf(order, positions), places)) ?? places;
}

// ---- what is refused -------------------------------------------------------------------------------

interface Wrong {
  /** Of the parameter. */
  readonly entry: number;
  /** Of the variable, whose parameter it is. */
  readonly of: number;
  /** The greatest rank that it reads. */
  readonly degree: number;
}

/** The first entry of a parameter that reads an entry which is not drawn before its own. `lead`: axes over which draws are independent. */
function firstWrong(grid: Grid, rank: number, lead: readonly number[], tracked: Tracked): Wrong | undefined {
  if (readsNothing(grid)) return undefined;
  const own = grid.shape.slice(0, Math.max(0, grid.shape.length - rank));
  const inner = grid.shape.slice(own.length).reduce((n, s) => n * s, 1);
  const degrees = entries(grid);
  const draws = lead.reduce((n, s) => n * s, 1);
  const perDraw = tracked.size / draws;
  for (let draw = 0; draw < draws; draw++) {
    let limit = tracked.ranks[draw * perDraw] ?? 0;
    for (let i = 1; i < perDraw; i++) limit = Math.min(limit, tracked.ranks[draw * perDraw + i] ?? 0);
    const at = repeated(draw, lead, own) * inner;
    for (let i = 0; i < inner; i++) {
      const degree = degrees[at + i] ?? NONE;
      if (degree >= limit) return { entry: at + i, of: draw * perDraw, degree };
    }
  }
  return undefined;
}

/** Where a draw stands in a parameter that is repeated to the shape of all draws. */
function repeated(draw: number, lead: readonly number[], own: readonly number[]): number {
  let rest = draw;
  let at = 0;
  let step = 1;
  for (let axis = 1; axis <= own.length; axis++) {
    const size = lead.at(-axis) ?? 1;
    const extent = own.at(-axis) ?? 1;
    if (extent > 1) at += (rest % size) * step;
    rest = Math.floor(rest / size);
    step *= extent;
  }
  return at;
}

/** `x[2, 1]`, counted from 1. */
function entryName(variable: string, shape: readonly number[], entry: number): string {
  let rest = entry;
  const places = shape
    .toReversed()
    .map((size) => {
      const at = (rest % size) + 1;
      rest = Math.floor(rest / size);
      return at;
    })
    .toReversed();
  return places.length === 0 ? variable : `${variable}[${places.join(", ")}]`;
}

/** What the entries of a value read: those before their own, up to it, all, later ones too; or units that stand at no place, some. */
export type Reach = "before" | "upTo" | "all" | "later" | "units";

function reachOf(grid: Grid, { shape, size, ranks }: Tracked): Reach {
  if (size > 1 && least(grid) === greatest(grid)) return "all";
  // The value's leading axes are those of the variable, as many as agree, or all of them in one.
  const agree = shape.findIndex((s, axis) => grid.shape[axis] !== s);
  const leading = agree < 0 ? shape.length : agree;
  const places = grid.shape[0] === size ? size : shape.slice(0, leading).reduce((n, s) => n * s, 1);
  if (places === 1 && size > 1) return "units";
  const [perPlace, inValue] = [size / places, grid.shape.reduce((n, s) => n * s, 1) / places];
  const [lowest, highest] = [Math.min, Math.max].map((pick) =>
    Array.from({ length: places }, (_, p) => ranks.slice(p * perPlace, (p + 1) * perPlace).reduce((a, b) => pick(a, b))),
  ) as [number[], number[]];
  const degrees = entries(grid);
  if (degrees.every((degree, i) => degree < (lowest[Math.floor(i / inValue)] ?? 0))) return "before";
  return degrees.every((degree, i) => degree <= (highest[Math.floor(i / inValue)] ?? 0)) ? "upTo" : "later";
}

const spanOf = (expr: Expr): Span => (expr.kind === "layer" ? expr.instance.span : expr.span);

/** Text of a place in one line. */
function shortText(span: Span): string {
  const text = textOf(span).replaceAll(/\s+/gu, " ");
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

function refuse(context: DeriveContext, tracked: Tracked, tracker: Tracker, param: string, expr: Expr, { entry, of, degree }: Wrong): void {
  const { variable = "" } = tracked;
  const way = tracker.way(expr, entry, degree);
  const read = way[0]?.entry ?? of;
  const told = tellingStops(way, tracked);
  const culprit = told.find(({ reach }) => isTooFar(reach));
  const last = told.find(({ stop }) => sameSpan(spanOf(stop.expr), expr.span));
  report(
    context.diagnostics,
    "GM3721",
    expr.span,
    { variable, param, entry: entryName(variable, tracked.shape, of), read: entryName(variable, tracked.shape, read) },
    {
      label: last?.text ?? "the parameters of an entry may read entries that are drawn before it, no others",
      labels: told.filter((t) => t !== last).map(({ stop, text }) => ({ span: spanOf(stop.expr), text })),
      notes: read === of && !culprit ? [`nothing on the way from \`${variable}\` to \`${param}\` leaves the entry itself out`] : [],
      help: waysOut(culprit?.stop, variable),
    },
  );
}

interface Told {
  readonly stop: Stop;
  readonly reach: Reach;
  readonly text: string;
}

const isTooFar = (reach: Reach): boolean => reach === "all" || reach === "later";

const sameSpan = (a: Span, b: Span): boolean => a.file === b.file && a.start === b.start && a.end === b.end;

/** Most places that an error shows. */
const SHOWN = 6;

/** The stops that say something: where the variable is read, where what an entry reads becomes more or other, and the last layers. */
function tellingStops(way: readonly Stop[], tracked: Tracked): readonly Told[] {
  const told: Told[] = [];
  let before: Reach | undefined;
  way.forEach((stop) => {
    const reach = reachOf(stop.grid, tracked);
    const { expr } = stop;
    const name = shortText(expr.kind === "layer" ? expr.instance.span : expr.span);
    const texts: Readonly<Record<Reach, string>> = {
      before: `\`${name}\`: each entry reads those before it`,
      upTo: `\`${name}\`: each entry reads those up to its own`,
      all: `\`${name}\` mixes all entries`,
      later: `\`${name}\`: entries read later ones, too`,
      units: `\`${name}\`: each unit reads the entries up to its degree`,
    };
    if (before === undefined) told.push({ stop, reach, text: `\`${tracked.variable ?? ""}\` itself is read here` });
    else if (reach !== before || (expr.kind === "layer" && !isTooFar(reach))) told.push({ stop, reach, text: texts[reach] });
    before = reach;
  });
  // What follows makes it no better.
  const worst = told.findIndex(({ reach }, i) => i > 0 && isTooFar(reach));
  const kept = worst >= 0 ? told.slice(0, worst + 1) : told;
  return kept.length <= SHOWN ? kept : [...kept.slice(0, 2), ...kept.slice(kept.length - SHOWN + 2)];
}

function waysOut(culprit: Stop | undefined, variable: string): readonly string[] {
  const expr = culprit?.expr;
  const instead = expr?.kind === "layer" ? layers.get(expr.instance.layer)?.inOrder : undefined;
  return [
    ...(instead === undefined || expr?.kind !== "layer"
      ? []
      : [`\`${instead}\` in place of \`${expr.instance.layer}\` reads the entries in an order`]),
    `layers in an order are \`masked_dense\`, \`masked_conv\` (the first with mask = "A"), \`causal_conv\` (the first strict) and \`nade\`; nets of them \`made(${variable}, …)\`, \`pixelcnn(${variable}, …)\`, \`wavenet(${variable}, …)\``,
  ];
}
