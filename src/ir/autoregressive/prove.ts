/**
 * Variables that stand in their own parameters: `x ~ Bernoulli(logits = made(x))` is a density where the parameters of each entry read entries
 * alone that are drawn before it, p(x) = prod_i p(x_i | x_<i). That is proven here, or refused with the way by which a later entry is read. So are
 * the nets of autoregressive bijections, whose Jacobian is triangular only then.
 */
import { InternalError } from "../../base/internal-error.js";
import { placeOfLayer } from "../attribution.js";
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { type Definition, type DensityIndex, type DeriveContext, inHeader, netOf, parentsOf } from "../derive/context.js";
import { readsItself } from "../derive/own-reads.js";
import { weightEntries } from "../derive/weights.js";
import { distributions } from "../distributions.js";
import { bijections, bijectionsOf } from "../flows.js";
import { layers } from "../layers.js";
import type { BijectionInstance, DistCall, Expr, LayerInstance, Net } from "../types.js";
import { entries, type Grid } from "./grid.js";
import { type MaskRule, type Order, orderOfMask, orderText, placesOf, ranksOf, reseeded, sameOrder, whyNoOrder } from "./order.js";
import {
  entryName,
  firstWrong,
  byEntry,
  insteadOf,
  losesPlaces,
  type Reach,
  reachOf,
  sameSpan,
  spanOf,
  slip,
  storyOf,
  waysOut,
  type Wrong,
} from "./reach.js";
import { track, type Tracked, type Tracker } from "./track.js";

/** A variable that is drawn entry after entry, and the proof that it may be. */
export interface Sequential {
  readonly density: string;
  readonly variable: string;
  readonly shape: readonly number[];
  /** So many leading axes of the event are positions; what is at one of them is drawn at once. */
  readonly positionAxes: number;
  readonly positions: number;
  /** Over the positions; where there are several, the first. */
  readonly order: Order;
  /** How many orders the layers mask by, each of them proven: 1 unless told. */
  readonly orders: number;
  /** Each of several, the first among them; empty where there is one. */
  readonly each: readonly Order[];
  /** Variables of the density that the parameters read besides. */
  readonly reads: readonly string[];
  /** The layers that hold the order, as they stand on the way, and what is read by what they give. */
  readonly layers: readonly OrderedLayer[];
  readonly span: Span;
}

export interface OrderedLayer {
  readonly instance: LayerInstance;
  readonly reach: Reach;
}

/** The net of an autoregressive bijection, and the proof that it may be one. */
export interface OrderedNet {
  /** The flow and the bijection in it that the net belongs to. */
  readonly flow: string;
  readonly bijection: string;
  /** Of its first parameter. */
  readonly shape: readonly number[];
  readonly positions: number;
  readonly order: Order;
  readonly span: Span;
  readonly layers: readonly OrderedLayer[];
}

type Drawn = Extract<Definition, { kind: "draw" }>;

/** Proofs of all densities and of the nets of autoregressive bijections, and the masks that they decide; undefined after an error. */
export function proveOrders(context: DeriveContext): Pick<DeriveContext, "sequential" | "masks" | "orders"> | undefined {
  const sequential = new Map<string, readonly Sequential[]>();
  const masks = new Map<string, MaskRule>();
  let ok = true;
  for (const index of context.densities.values()) {
    for (const definition of index.definitions.values()) {
      if (definition.kind !== "draw" || !readsItself(context, definition)) continue;
      const before = sequential.get(index.density.name) ?? [];
      // a layer of the library is shown in the draw that it is of
      const proof = context.diagnostics.attributing({ span: definition.span, text: "in this draw" }, () =>
        proveOne(context, index.density.name, definition, masks),
      );
      if (index.energy) besideEnergy(context, index.density.name, index.energy, definition);
      if (!proof || index.energy) ok = false;
      else sequential.set(index.density.name, [...before, { ...proof, reads: readsOf(context, index, definition) }]);
    }
  }
  const orders = provenFlows(context, masks);
  return ok && orders && settled(context, masks) ? { sequential, masks, orders } : undefined;
}

/** Orders of the nets of autoregressive bijections; undefined after an error. A flow is refused for the first that is wrong. */
function provenFlows(context: DeriveContext, masks: Map<string, MaskRule>): ReadonlyMap<string, OrderedNet> | undefined {
  const orders = new Map<string, OrderedNet>();
  let ok = true;
  for (const flow of context.model.flows) {
    for (const { instance, conditioner } of bijectionsOf(flow.steps)) {
      if (!conditioner || bijections.get(instance.bijection)?.autoregressive !== true) continue;
      const net = netOf(context, conditioner.net);
      const proven = proveMap(context, net, instance, masks);
      if (proven === undefined) {
        ok = false;
        break;
      }
      orders.set(conditioner.net, { ...proven, flow: flow.name, bijection: instance.bijection, span: net.span });
    }
  }
  return ok ? orders : undefined;
}

/** What the parameters of a variable read besides: of the header in its order, then helpers. */
function readsOf(context: DeriveContext, index: DensityIndex, definition: Drawn): readonly string[] {
  const parents = parentsOf(context, definition);
  return [...inHeader(index, parents), ...[...index.definitions.keys()].filter((v) => parents.has(v) && !index.header.has(v))];
}

function besideEnergy(
  context: DeriveContext,
  density: string,
  { variables, energies }: NonNullable<DensityIndex["energy"]>,
  { variable, span }: Drawn,
): void {
  const names = variables.map((v) => `\`${v}\``).join(", ");
  const what = `\`${variable}\` entry after entry and ${names} by a chain`;
  const labels = energies.map((e) => ({ span: e.span, text: `${names} by a chain` }));
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
      {
        help: [
          "`dense` reads all of its input; masked layers belong into the parameters of `x ~ …` that read `x` itself, or into the net of an autoregressive flow",
        ],
      },
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

/** What is to read entries of a variable in an order: the parameters of its distribution, or what a net makes of its first parameter. */
interface Subject {
  readonly tracked: Omit<Tracked, "size" | "order" | "ranks">;
  /** The name in messages. */
  readonly name: string;
  /** Last axes of the event that are drawn together. */
  readonly eventRank: number;
  readonly params: readonly { readonly name: string; readonly expr: Expr; readonly rank: number }[];
  readonly refuse: (found: Refused) => void;
}

interface Refused {
  readonly tracked: Tracked;
  readonly tracker: Tracker;
  readonly param: string;
  readonly expr: Expr;
  readonly wrong: Wrong;
}

interface Proven {
  readonly tracked: Tracked;
  readonly tracker: Tracker;
  /** The order that the layers name, over as many places as it has; the first of `orders`. */
  readonly places: Order;
  readonly orders: number;
  readonly each: readonly Tracked[];
  /** Axes of the event over which draws are independent. */
  readonly lead: readonly number[];
}

/** Proves a subject, and adds the masks that follow to `masks`. */
function prove(context: DeriveContext, subject: Subject, masks: Map<string, MaskRule>): Proven | undefined {
  const { shape } = subject.tracked;
  const size = shape.reduce((n, s) => n * s, 1);
  const natural: Tracked = { ...subject.tracked, size, order: "natural", ranks: Array.from({ length: size }, (_, i) => i) };
  const look = (tracked: Tracked, decided?: ReadonlyMap<string, MaskRule>, byParts?: boolean): Tracker => {
    const tracker = track(context, tracked, decided, byParts);
    for (const { expr } of subject.params) tracker.of(expr);
    return tracker;
  };
  const first = look(natural);
  const order = orderOf(context, subject.name, size, first);
  if (!order) return undefined;
  const inOrderOf = (mask: number): Tracked => {
    const places = order.places(mask);
    return places === "natural" ? natural : { ...natural, order: places, ranks: ranksIn(places, order.size, size) };
  };
  const tracked = inOrderOf(0);
  const tracker = tracked === natural ? first : look(tracked);
  const lead = shape.slice(0, shape.length - subject.eventRank);
  const each: Tracked[] = [];
  // The first order decides which masks there are; the others are those masks, drawn again.
  for (let mask = 0; mask < order.orders; mask++) {
    const at = mask === 0 ? tracked : inOrderOf(mask);
    each.push(at);
    const seen = mask === 0 ? tracker : look(at, masksAt(tracker, mask));
    for (const { name, expr, rank } of subject.params) {
      const wrong = firstWrong(seen.of(expr), rank, lead, at);
      if (!wrong) continue;
      const found = { tracked: at, tracker: seen, param: name, expr, wrong };
      const strict = mask === 0 && order.orders === 1 && at === natural ? look(natural, undefined, true) : undefined;
      if (strict && subject.params.every((p) => !firstWrong(strict.of(p.expr), p.rank, lead, natural)))
        return settleMasks(context, strict, masks) ? { tracked, tracker: strict, places: "natural", orders: 1, each: [], lead } : undefined;
      if (mask === 0) subject.refuse(found);
      else inFirstAlone(context, subject.name, found, mask, order.orders);
      return undefined;
    }
  }
  return settleMasks(context, tracker, masks) ? { tracked, tracker, places: tracked.order, orders: order.orders, each, lead } : undefined;
}

function masksAt({ rules }: Tracker, mask: number): ReadonlyMap<string, MaskRule> {
  return new Map(
    [...rules].flatMap(
      ([
        path,
        {
          rules: [rule],
        },
      ]) => (rule ? [[path, reseeded(rule, mask)] as const] : []),
    ),
  );
}

/** What holds in the first of several orders and not in another: a part that knows its own. */
function inFirstAlone(context: DeriveContext, variable: string, found: Refused, mask: number, orders: number): void {
  const { tracked, tracker, param, expr, wrong } = found;
  const { told, read } = storyOf(tracker.way(expr, wrong.entry, wrong.degree), tracked, wrong.of);
  report(
    context.diagnostics,
    "GM3729",
    expr.span,
    {
      variable,
      param,
      orders,
      other: orderText(tracked.order),
      entry: entryName(variable, tracked.shape, wrong.of),
      read: entryName(variable, tracked.shape, read ?? wrong.of),
    },
    {
      label: `in order ${mask + 1} of ${orders}`,
      labels: told
        .filter(({ stop }) => !sameSpan(spanOf(stop.expr), expr.span))
        .map(({ stop, text }) => ({ span: spanOf(stop.expr), text })),
      help: [
        "what is shifted, sliced or summed along the entries knows the order in which they lie alone: leave it to `masked_dense`",
        "or have one order: leave out `orders`",
      ],
    },
  );
}

/** One rule for each masked layer, whatever it is used for. */
function settleMasks(context: DeriveContext, tracker: Tracker, masks: Map<string, MaskRule>): boolean {
  let ok = true;
  for (const [path, { instance, rules }] of tracker.rules) {
    const [rule, other] = rules;
    const known = masks.get(path) ?? rule;
    if (!rule) continue;
    if (!other && JSON.stringify(known) === JSON.stringify(rule)) {
      masks.set(path, rule);
      continue;
    }
    ok = false;
    const { span, label, labels } = placeOfLayer(context.model.nets, instance);
    report(
      context.diagnostics,
      "GM3724",
      span,
      { layer: instance.layer },
      { label, labels, help: ["move the net out of the model: each call then has weights of its own"] },
    );
  }
  return ok;
}

function proveOne(context: DeriveContext, density: string, definition: Drawn, masks: Map<string, MaskRule>): Sequential | undefined {
  const { variable, dist, span } = definition;
  const shape = (context.model.variables.get(variable)?.domain.shape ?? []).map((d) => d.size);
  const params = parametersOf(dist);
  const eventRank = distributions.get(dist.dist)?.eventRank ?? 0;
  const subject: Subject = {
    tracked: { variable, shape },
    name: variable,
    eventRank,
    params,
    refuse: (found) => refuse(context, eventRank, found, unreadBefore(context, density, definition)),
  };
  const proven = prove(context, subject, masks);
  if (!proven) return undefined;
  const { tracked, tracker, places, orders, lead } = proven;
  const grids = params.map(({ expr, rank }) => ({ grid: tracker.of(expr), rank }));
  const positionAxes = positionAxesOf(grids, lead, tracked);
  const positions = shape.slice(0, positionAxes).reduce((n, s) => n * s, 1);
  return {
    density,
    variable,
    shape,
    positionAxes,
    positions,
    order: orderOver(tracked.ranks, positions, places),
    orders,
    each: orders === 1 ? [] : proven.each.map((t) => orderOver(t.ranks, positions, t.order)),
    reads: [],
    layers: layersOf(proven),
    span,
  };
}

function layersOf({ tracker, tracked }: Proven): readonly OrderedLayer[] {
  return [...tracker.ordered].map(([instance, { grid }]) => ({ instance, reach: reachOf(grid, tracked) }));
}

/**
 * Proves of a net that entry i of what it gives, [...shape of its first parameter, ...], reads entries of that parameter before i alone, in an
 * order that is given back, and adds the masks that follow to `masks`; undefined after an error. What else the net is given counts for nothing.
 */
export function proveMap(
  context: DeriveContext,
  net: Net,
  asked: Pick<BijectionInstance, "bijection" | "span">,
  masks: Map<string, MaskRule>,
): Omit<OrderedNet, "flow" | "bijection" | "span"> | undefined {
  const [param] = net.params;
  if (param?.type.kind !== "tensor" || net.result.type.kind !== "tensor") throw new InternalError(`${net.name} maps no tensor to a tensor`);
  const shape = param.type.shape.map((d) => d.size);
  const values = net.result.type.shape.length - shape.length;
  const subject: Subject = {
    tracked: { local: param.id, shape },
    name: param.name,
    eventRank: 0,
    params: [{ name: net.name, expr: net.result, rank: values }],
    refuse: ({ tracked, tracker, expr, wrong }) => {
      const way = tracker.way(expr, wrong.entry, wrong.degree);
      const { told, culprit, read } = storyOf(way, tracked, wrong.of);
      const apart = byEntry(way, tracked);
      const labels = told.map(({ stop, text }) => ({ span: spanOf(stop.expr), text }));
      report(
        context.diagnostics,
        "GM3728",
        net.span,
        { what: asked.bijection, entry: String(wrong.of + 1), read: String((read ?? wrong.of) + 1) },
        {
          labels: [...labels, { span: asked.span, text: "in this bijection" }],
          help: [
            ...(apart.length > 0 ? apart : insteadOf(culprit?.stop)),
            "an entry's shift and scale may read the entries before it: `made_values([100])`, `masked_dense` and `nade`, functions of them",
            "`coupling` takes any net",
          ],
        },
      );
    },
  };
  const proven = prove(context, subject, masks);
  if (!proven) return undefined;
  const several = [...proven.tracker.ordered.keys()].find((instance) => instance.masking?.orders !== undefined);
  const { ranks, size: positions } = proven.tracked;
  if (!several) return { shape, positions, order: orderOver(ranks, positions, proven.places), layers: layersOf(proven) };
  const by = placeOfLayer(context.model.nets, several, "by this layer");
  report(
    context.diagnostics,
    "GM3730",
    asked.span,
    { what: asked.bijection, orders: proven.orders },
    {
      labels: [{ span: by.span, text: by.label }],
      help: ["leave out `orders`; several steps, each in an order of its own, are `repeat(5) { maf(made_values([100])) |> reverse }`"],
    },
  );
  return undefined;
}

/** Ranks of entries where places of several entries each are in order. */
function ranksIn(order: Order, places: number, size: number): readonly number[] {
  const ranks = ranksOf(order, places);
  const perPlace = size / places;
  return Array.from({ length: size }, (_, i) => (ranks[Math.floor(i / perPlace)] ?? 0) * perPlace + (i % perPlace));
}

// ---- the order ------------------------------------------------------------------------------------

/** The order that the layers on the way name, how many of them, and over how many places they run; undefined after an error. */
function orderOf(
  context: DeriveContext,
  variable: string,
  size: number,
  tracker: Tracker,
): { readonly places: (mask: number) => Order; readonly size: number; readonly orders: number } | undefined {
  // What is moved on the way to the first layers, `x |> reverse |> made(…)`, is in their order there.
  const moves = [...tracker.ordered.values()].flatMap(({ input }) => movedPlaces(input, size) ?? []);
  const inVariable = (order: Order, moved = moves[0]): Order =>
    moved === undefined || moved.every((p, i) => p === i) ? order : nameOf(placesOf(order, moved.length).map((p) => moved[p] ?? 0));
  const named = [...tracker.ordered].flatMap(([instance, { input }]) => {
    const rule = tracker.rules.get(instance.path)?.rules[0];
    const sides = rule ? [rule.from, rule.to].flatMap((side) => (side.kind === "order" ? [side.size] : [])) : [size];
    const [places] = sides;
    const { order: own = "natural" as const, orders = 1 } = instance.masking ?? {};
    const why =
      typeof own === "object" && places !== undefined
        ? whyNoOrder(
            own.map((place) => place + 1),
            places,
          )
        : undefined;
    const order = why === undefined ? inVariable(own, movedPlaces(input, size)?.[0] ?? moves[0]) : own;
    return places === undefined ? [] : [{ instance, own, order, orders, places, why }];
  });
  const [first] = named;
  if (!first) return { places: () => "natural", size, orders: 1 };
  const wrong = named.find((n) => n.why !== undefined);
  if (wrong?.why !== undefined) {
    const at = placeOfLayer(context.model.nets, wrong.instance);
    report(
      context.diagnostics,
      "GM2086",
      at.span,
      { what: "`order` of `masked_dense`", why: wrong.why },
      {
        label: at.label,
        labels: at.labels,
        help: [`\`${variable}\` has ${wrong.places} places: name each of 1 to ${wrong.places} once`],
      },
    );
    return undefined;
  }
  const known = (n: typeof first): boolean => n.order === "natural" && n.orders === 1;
  const other = named.find(
    (n) => !sameOrder(n.order, first.order) || n.orders !== first.orders || (!known(first) && n.places !== first.places),
  );
  if (other) {
    const over = (n: typeof first): string =>
      `${orderText(n.order)}${n.orders === 1 ? "" : ` with ${n.orders - 1} others`}${n.places === first.places && n.places === other.places ? "" : ` of ${n.places} places`}`;
    const at = placeOfLayer(context.model.nets, other.instance, `in the order ${over(other)}`);
    const before = placeOfLayer(context.model.nets, first.instance, `in the order ${over(first)}`);
    report(
      context.diagnostics,
      "GM3722",
      at.span,
      { variable, a: over(first), b: over(other) },
      {
        label: at.label,
        labels: [{ span: before.span, text: before.label }, ...at.labels],
        help: ["give all layers on the way the same `order` and `orders`; convolutions and `nade` know the natural one alone"],
      },
    );
    return undefined;
  }
  return { places: (mask) => inVariable(orderOfMask(first.own, mask)), size: first.places, orders: first.orders };
}

/** The places of the variable that stand at the places of a value which only moves them about; undefined where it is no such value. */
function movedPlaces(x: Grid, size: number): readonly [readonly number[]] | undefined {
  const [places = 1, channels = 1] = x.shape;
  const perPlace = places === size ? 0 : 1;
  if (x.shape.length > 2 || (perPlace === 1 && places * channels !== size)) return undefined;
  const read = entries(x);
  const step = perPlace === 1 ? channels : 1;
  const moved = Array.from({ length: places }, (_, p) => (read[p * channels] ?? 0) / step);
  const whole = read.every((rank, i) => rank === (moved[Math.floor(i / channels)] ?? 0) * step + perPlace * (i % channels));
  return whole && moved.every(Number.isInteger) && new Set(moved).size === places && Math.min(...moved) === 0 ? [moved] : undefined;
}

/** Places in the order in which they are drawn, by the name that they have. */
function nameOf(places: readonly number[]): Order {
  return (["natural", "reverse"] as const).find((order) => sameOrder(placesOf(order, places.length), places)) ?? places;
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
  return typeof named === "number" && sameOrder(placesOf(named, positions), places) ? named : nameOf(places);
}

/** Variables of the header that are given or drawn before, and that the parameters do not read. */
function unreadBefore(context: DeriveContext, density: string, definition: Drawn): readonly string[] {
  const index = context.densities.get(density);
  if (!index) return [];
  const drawn = [...index.definitions.keys()];
  const later = new Set(drawn.slice(drawn.indexOf(definition.variable)));
  const parents = parentsOf(context, definition);
  return [...index.header.keys()].filter((v) => !later.has(v) && !parents.has(v));
}

function refuse(
  context: DeriveContext,
  eventRank: number,
  { tracked, tracker, param, expr, wrong }: Refused,
  unread: readonly string[],
): void {
  const { variable = "" } = tracked;
  const story = storyOf(tracker.way(expr, wrong.entry, wrong.degree), tracked, wrong.of);
  const { told, culprit, read } = story;
  const last = told.find(({ stop }) => sameSpan(spanOf(stop.expr), expr.span));
  const own = read === undefined || read === wrong.of;
  const together = eventRank === 0 ? undefined : tracked.shape.slice(tracked.shape.length - eventRank).join(" x ");
  report(
    context.diagnostics,
    "GM3721",
    expr.span,
    { variable, param, entry: entryName(variable, tracked.shape, wrong.of), read: entryName(variable, tracked.shape, read ?? wrong.of) },
    {
      label: last?.text ?? "the parameters of an entry may read entries that are drawn before it, no others",
      labels: told.filter((t) => t !== last).map(({ stop, text }) => ({ span: spanOf(stop.expr), text })),
      notes: together
        ? [`the ${together} entries of a draw are drawn at once: the parameters of a draw may read those before it`]
        : own && !culprit
          ? [`nothing on the way from \`${variable}\` to \`${param}\` leaves the entry itself out`]
          : [],
      help: [
        ...slip(story, variable, unread),
        ...(own && !culprit && !together && !losesPlaces(story) ? movedByOne(tracked) : []),
        ...waysOut(story, variable),
      ],
    },
  );
}

/** Of what reads entries up to its own, as a running sum does: the vector one entry later. */
function movedByOne({ variable = "", shape: [size = 1, ...more] }: Tracked): readonly string[] {
  if (size < 2 || more.length > 0) return [];
  const moved = `pad(${variable}, low = [1], high = [0])[1..${size}]`;
  return [
    `\`${moved}\` is \`${variable}\` one entry later: what reads entries up to its own, such as \`cumsum\`, leaves the entry out of that`,
  ];
}
