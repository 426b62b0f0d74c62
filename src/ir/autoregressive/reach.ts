/**
 * What entries of a value read, judged against an order: where a parameter reads too far, and the way by which it does, told for people.
 */
import { type Span, textOf } from "../../base/source.js";
import { builtins } from "../builtins.js";
import { layers } from "../layers.js";
import type { Expr } from "../types.js";
import { entries, greatest, type Grid, least, NONE, readsNothing } from "./grid.js";
import type { Stop, Tracked } from "./track.js";

export interface Wrong {
  /** Of the parameter. */
  readonly entry: number;
  /** Of the variable, whose parameter it is. */
  readonly of: number;
  /** The greatest rank that it reads. */
  readonly degree: number;
}

/** The first entry of a parameter that reads an entry which is not drawn before its own. `lead`: axes over which draws are independent. */
export function firstWrong(grid: Grid, rank: number, lead: readonly number[], tracked: Tracked): Wrong | undefined {
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
export function entryName(variable: string, shape: readonly number[], entry: number): string {
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

/** `axes`: so many leading axes of the variable are told apart at most; what lies at one place of them counts as one. */
export function reachOf(grid: Grid, { shape, size, ranks }: Tracked, axes = shape.length): Reach {
  if (size > 1 && least(grid) === greatest(grid)) return "all";
  // The value's leading axes are those of the variable, as many as agree, or all of them in one.
  const agree = shape.findIndex((s, axis) => grid.shape[axis] !== s);
  const leading = Math.min(agree < 0 ? shape.length : agree, axes);
  const placesOf = (n: number): number => shape.slice(0, n).reduce((count, s) => count * s, 1);
  const places = placesOf(grid.shape[0] === size ? axes : leading);
  if (places === 1 && size > 1) return "units";
  const [perPlace, inValue] = [size / places, grid.shape.reduce((n, s) => n * s, 1) / places];
  const [lowest, highest] = [Math.min, Math.max].map((pick) =>
    Array.from({ length: places }, (_, p) => ranks.slice(p * perPlace, (p + 1) * perPlace).reduce((a, b) => pick(a, b))),
  ) as [number[], number[]];
  const degrees = entries(grid);
  if (degrees.every((degree, i) => degree < (lowest[Math.floor(i / inValue)] ?? 0))) return "before";
  return degrees.every((degree, i) => degree <= (highest[Math.floor(i / inValue)] ?? 0)) ? "upTo" : "later";
}

export const spanOf = (expr: Expr): Span => (expr.kind === "layer" ? expr.instance.span : expr.span);

/** Text of a place in one line. */
function shortText(span: Span): string {
  const text = textOf(span).replaceAll(/\s+/gu, " ");
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

interface Story {
  readonly told: readonly Told[];
  readonly culprit: Told | undefined;
  readonly read: number | undefined;
}

/** The way from a variable to a parameter of its entry `of` that reads too far: what is told of it, where it went wrong, and the entry that is read. */
export function storyOf(way: readonly Stop[], tracked: Tracked, of: number): Story {
  const read = way[0]?.entry;
  const { shape } = tracked;
  const channels = shape.length > 1 ? (shape.at(-1) ?? 1) : 1;
  // An entry of another place is read: what mixes the channels of one is not to blame.
  const elsewhere = read !== undefined && Math.floor(read / channels) !== Math.floor(of / channels);
  const seen = (axes: number): Story => {
    const told = tellingStops(way, tracked, axes);
    const last = told.at(-1);
    // a masked layer that did not leave the place itself out is followed by what mixes the channels of it, in whatever way
    const already = !elsewhere && told.slice(0, -1).some(({ stop, reach }) => masked(stop.expr) && reach === "upTo");
    return { told, culprit: last && isTooFar(last.reach) && !already ? last : undefined, read };
  };
  const byPlace = elsewhere && channels > 1 ? seen(shape.length - 1) : undefined;
  return byPlace?.culprit ? byPlace : seen(shape.length);
}

export interface Told {
  readonly stop: Stop;
  readonly reach: Reach;
  readonly text: string;
}

const isTooFar = (reach: Reach): boolean => reach === "all" || reach === "later";

export const sameSpan = (a: Span, b: Span): boolean => a.file === b.file && a.start === b.start && a.end === b.end;

/** Most places that an error shows. */
const SHOWN = 6;

/** The stops that say something, up to the one that is wrong: where the variable is read, where what an entry reads becomes more or other, and the last layers. */
function tellingStops(way: readonly Stop[], tracked: Tracked, axes: number): readonly Told[] {
  const told: Told[] = [];
  const own = tracked.variable === undefined ? "the input of the net" : `\`${tracked.variable}\` itself`;
  let before: Reach | undefined;
  way.forEach((stop) => {
    const reach = reachOf(stop.grid, tracked, axes);
    const { expr } = stop;
    const name = shortText(expr.kind === "layer" ? expr.instance.span : expr.span);
    const texts: Readonly<Record<Reach, string>> = {
      before: `\`${name}\`: each entry reads those before it`,
      upTo: `\`${name}\`: each entry reads those up to its own`,
      all: readsBatch(expr)
        ? `\`${name}\` reads the whole batch in training, later entries of each row with it`
        : `\`${name}\` mixes all entries`,
      later: `\`${name}\`: entries read later ones, too`,
      units:
        expr.kind === "layer" && layers.get(expr.instance.layer)?.masked === true
          ? `\`${name}\`: each unit reads the entries up to its degree`
          : `\`${name}\`: its places are not those of \`${tracked.variable ?? ""}\``,
    };
    if (before === undefined) told.push({ stop, reach, text: `${own} is read here` });
    else if (reach !== before || (expr.kind === "layer" && !isTooFar(reach))) told.push({ stop, reach, text: texts[reach] });
    before = reach;
  });
  // What stands at the places that it may read is right, whatever it was made of; what follows on the first that is wrong makes it no better.
  const right = told.findLastIndex(({ reach }, i) => i > 0 && (reach === "before" || reach === "upTo"));
  const worst = told.findIndex(({ reach }, i) => i > Math.max(0, right) && isTooFar(reach));
  const kept = worst >= 0 ? told.slice(0, worst + 1) : told;
  return kept.length <= SHOWN ? kept : [...kept.slice(0, 2), ...kept.slice(kept.length - SHOWN + 2)];
}

const readsBatch = (expr: Expr): boolean => expr.kind === "layer" && layers.get(expr.instance.layer)?.readsBatch !== undefined;

/** What reads in an order what the culprit mixes, or why nothing does. */
export function insteadOf(culprit: Stop | undefined): readonly string[] {
  const expr = culprit?.expr;
  if (expr && readsBatch(expr)) return ["leave it out, or normalise what stands at one place by `layer_norm`"];
  if (expr?.kind === "builtin" && builtins.get(expr.fn)?.reads === "contract")
    return [
      "a product over places counts as reading all of them, whatever numbers stand in it: a mask of numbers, such as `tril`, is not followed",
    ];
  const instead = expr?.kind === "layer" ? layers.get(expr.instance.layer)?.inOrder : undefined;
  if (instead === undefined || expr?.kind !== "layer") return [];
  return [`\`${instead}\` in place of \`${expr.instance.layer}\` reads the entries in an order`];
}

const masked = (expr: Expr): boolean => expr.kind === "layer" && layers.get(expr.instance.layer)?.masked === true;

/** Where no layer on the way has an order, and a variable that is known is read by nothing, that one is likely meant. */
export function slip({ told }: Story, variable: string, unread: readonly string[]): readonly string[] {
  if (unread.length === 0 || told.some(({ stop }) => masked(stop.expr))) return [];
  const known = unread.map((v) => `\`${v}\``).join(" or ");
  return [`is ${known} meant in place of \`${variable}\`? Nothing reads it here`];
}

/** A value of several numbers for each entry that is made flat before a masked layer: in its place the numbers stay with their entry. */
export function losesPlaces({ told }: Story): Told | undefined {
  const flat = told.findIndex(
    ({ stop: { expr }, reach }, i) =>
      expr.kind === "builtin" &&
      builtins.get(expr.fn)?.runtime === "reshape" &&
      !isInPlace(reach) &&
      isInPlace(told[i - 1]?.reach) &&
      told.slice(i + 1).some(({ stop }) => masked(stop.expr)),
  );
  return told[flat];
}

const isInPlace = (reach: Reach | undefined): boolean => reach === "before" || reach === "upTo";

/**
 * Where a layer makes values for all entries in one, `dense(2 * D) |> reshape(D, 2)`, in which a masked layer has hidden units: the masked layer that makes
 * them entry by entry.
 */
export function byEntry(way: readonly Stop[], { shape }: Tracked): readonly string[] {
  const [places = 0] = shape;
  const at = way.findLastIndex(
    ({ expr }) => masked(expr) || (expr.kind === "layer" && layers.get(expr.instance.layer)?.inOrder === "masked_dense"),
  );
  const layer = way[at];
  const values = layer?.grid.shape.length === 1 ? (layer.grid.shape[0] ?? 0) / places : 0;
  const apart = way.slice(at + 1).find(({ grid }) => grid.shape.length === 2 && grid.shape[0] === places && grid.shape[1] === values);
  if (!layer || !apart || shape.length !== 1 || values < 2 || layer.expr.kind !== "layer") return [];
  return [
    `\`masked_dense(${places}, channels = ${values})\` in place of \`${shortText(layer.expr.instance.span)}\`, without the \`reshape\` after it: \`[${places}, ${values}]\`, values of each entry that read those before it`,
  ];
}

export function waysOut(story: Story, variable: string): readonly string[] {
  const { told, culprit } = story;
  const flat = losesPlaces(story);
  const apart = told.findIndex(({ stop, reach }) => reach === "units" && !masked(stop.expr));
  const inPart = apart >= 0 && told.slice(apart).some(({ stop }) => masked(stop.expr));
  return [
    ...insteadOf(culprit?.stop),
    ...(flat
      ? [
          `\`masked_dense(n)\` without \`${shortText(flat.stop.expr.span)}\` before it keeps the numbers of an entry of \`${variable}\` together, \`[D, c]\` to \`[D, n]\``,
        ]
      : []),
    ...(inPart && !flat
      ? [
          `a masked layer counts all places of its input in the order: hand it \`${variable}\` whole, and what is read besides as \`features\` of \`made_values_given(${variable}, features, …)\``,
        ]
      : []),
    `layers in an order are \`masked_dense\`, \`masked_conv\` (the first with mask = "A"), \`causal_conv\` (the first strict) and \`nade\`; nets of them \`made(${variable}, …)\`, \`pixelcnn(${variable}, …)\`, \`wavenet(${variable}, …)\``,
  ];
}
