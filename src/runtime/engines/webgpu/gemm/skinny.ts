/**
 * Products with at most eight rows or columns ("gemv"). The long operand is most of the traffic: each of its elements is read once, straight
 * into a register, and used for all short rows (columns) there. The short operand is staged in workgroup memory, a chunk of K at a time.
 *
 * Thread layout: `places` of the long axis times `splitK` shares of K. Neighbouring threads lie along whichever axis of the long operand is
 * contiguous. With vector loads a thread takes four elements at once: four places, or four depths. At the end the shares' sums are added in
 * fixed order in workgroup memory; or within a subgroup, where its lanes are the shares of one place.
 *
 * The short elements at one depth are packed into one `f32`, `vec2f` or `vec4f`, or two `vec4f`: one read for all.
 */
import { readers, sideOf, type Side } from "./operands.js";
import { component, findTile, gridOf, lines, over, plus, range, times, within } from "./text.js";
import type { GemmSpec, SkinnyChoice } from "./types.js";

/** Depths staged at once, about; a multiple of what all threads take in one go. */
const chunkDepth = 256;

interface Plan {
  readonly spec: GemmSpec;
  readonly choice: SkinnyChoice;
  readonly short: Side;
  readonly long: Side;
  readonly threads: number;
  /** Type and count of the packs that hold the short elements of one depth, and numbers in one. */
  readonly pack: string;
  readonly packs: number;
  readonly packed: number;
  /** Places of one thread, depths of one read. */
  readonly wide: 1 | 4;
  readonly deep: 1 | 4;
  readonly chunk: number;
  /** Extent of the long axis that a workgroup covers. */
  readonly cover: number;
}

function planOf(spec: GemmSpec, choice: SkinnyChoice): Plan {
  const [a, b] = [sideOf(spec, "a"), sideOf(spec, "b")];
  const [short, long] = choice.short === "m" ? [a, b] : [b, a];
  const packed = short.outer <= 1 ? 1 : short.outer <= 2 ? 2 : 4;
  const deep = choice.width === 4 && long.along === "depth" ? 4 : 1;
  const wide = choice.width === 4 && long.along === "outer" ? 4 : 1;
  const once = choice.splitK * deep;
  const chunk = Math.ceil(Math.min(chunkDepth, Math.max(spec.k, 1)) / once) * once;
  return {
    spec,
    choice,
    short,
    long,
    threads: choice.places * choice.splitK,
    pack: packed === 1 ? "f32" : `vec${packed}f`,
    packs: Math.ceil(short.outer / 4),
    packed,
    wide,
    deep,
    chunk,
    cover: choice.places * wide,
  };
}

export const skinnyThreads = (choice: SkinnyChoice): number => choice.places * choice.splitK;

/** Bytes of workgroup memory by type; the sums lie where the short operand was. */
export function skinnyPools(spec: GemmSpec, choice: SkinnyChoice): Readonly<Record<string, number>> {
  const plan = planOf(spec, choice);
  return { [plan.pack]: spaceOf(plan) * (plan.packed * 4) };
}

const spaceOf = (plan: Plan): number => Math.max(plan.chunk * plan.packs, sumsApart(plan) ? plan.threads * plan.packs * plan.wide : 0);

const sumsApart = ({ choice }: Plan): boolean => choice.splitK > 1 && !choice.subgroup;

export function skinnyGroups(spec: GemmSpec, choice: SkinnyChoice): number {
  const { long, cover } = planOf(spec, choice);
  return Math.ceil(long.outer / cover) * spec.batch;
}

/** The kernel's text after the caller's declarations. */
export function skinnyBody(spec: GemmSpec, choice: SkinnyChoice, groupLimit: number): string {
  const plan = planOf(spec, choice);
  const { short, long, threads, cover } = plan;
  const tiles = Math.ceil(long.outer / cover);
  const total = tiles * spec.batch;
  const grid = gridOf(total, groupLimit);
  const whole = grid[0] * grid[1] === total;
  const [tileM, tileN] = choice.short === "n" ? [cover, 0] : [0, cover];
  const find = findTile(grid[0], total, whole, tileM > 0 ? tiles : 1, tileN > 0 ? tiles : 1, tileM, tileN);
  const longRead = readers(long, { outer: long.outer % cover !== 0, depth: true }, [choice.width]);
  const lanes = choice.subgroup ? ", @builtin(subgroup_id) place: u32, @builtin(subgroup_invocation_id) share: u32" : "";
  const thread = choice.subgroup
    ? []
    : choice.lanes === "k"
      ? [`let place = ${over("thread", choice.splitK, choice.places)};`, `let share = ${within("thread", choice.splitK)};`]
      : [`let place = ${within("thread", choice.places)};`, `let share = ${over("thread", choice.places, choice.splitK)};`];
  const first = `${choice.short === "m" ? "firstColumn" : "firstRow"} + ${times("place", plan.wide)}`;
  return `var<workgroup> mm_short: array<${plan.pack}, ${spaceOf(plan)}>;

${readers(short, { outer: false, depth: true }, [1])}
${longRead}
${storeOne(plan)}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32${lanes}) {
${find}${lines(2, [...thread, `let outer = ${first};`, ...sums(plan).map(({ name }) => `var ${name} = ${plan.pack}();`)])}${loop(plan)}${finish(plan)}}`;
}

/** The packs a thread adds up: one for each of its places and each four short elements. */
function sums({ wide, packs }: Plan): { readonly name: string; readonly part: number; readonly q: number }[] {
  return range(wide).flatMap((part) => range(packs).map((q) => ({ name: `sum${part}_${q}`, part, q })));
}

function loop(plan: Plan): string {
  const { spec, short, long, choice, chunk, packs, packed, threads, wide, deep, pack } = plan;
  const element = (i: number, depth: string): string => (i < short.outer ? `mm_${short.letter}(batch, ${i}u, ${depth})` : "0.0");
  const staged = range(packs).map((q) => {
    const elements = range(packed).map((i) => element(q * 4 + i, "depth + at"));
    return `mm_short[${plus("at", q * chunk)}] = ${packed === 1 ? elements[0] : `${pack}(${elements.join(", ")})`};`;
  });
  const read = `mm_${long.letter}${choice.width === 4 ? "4" : ""}(batch, outer, depth + at)`;
  const products = range(deep).flatMap((d) =>
    sums(plan).map(({ name, part, q }) => {
      const factor = wide === 4 ? `value.${component(part)}` : deep === 4 ? `value.${component(d)}` : "value";
      return `${name} = fma(mm_short[${plus("at", q * chunk + d)}], ${packed === 1 ? factor : `${pack}(${factor})`}, ${name});`;
    }),
  );
  return `  for (var depth = 0u; depth < ${spec.k}u; depth += ${chunk}u) {
    for (var at = thread; at < ${chunk}u; at += ${threads}u) {
${lines(6, staged)}    }
    workgroupBarrier();
    for (var at = ${times("share", deep)}; at < ${chunk}u; at += ${choice.splitK * deep}u) {
      let value = ${read};
${lines(6, products)}    }
    workgroupBarrier();
  }
`;
}

/** `mm_store1(batch, outer, i, value)`: element i of the short axis at a place of the long one, in bounds. */
function storeOne({ spec, choice, long, cover }: Plan): string {
  const call = `${spec.store}(batch, ${choice.short === "m" ? "i, outer" : "outer, i"}, value);`;
  const text = long.outer % cover === 0 ? call : `if (outer < ${long.outer}u) { ${call} }`;
  return `fn mm_store1(batch: u32, outer: u32, i: u32, value: f32) {\n${lines(2, [text])}}`;
}

function finish(plan: Plan): string {
  const { choice, short, threads, packs, packed, wide, cover } = plan;
  const ofPack = (text: string, i: number): string => (packed === 1 ? text : `${text}.${component(i)}`);
  const own = range(wide).flatMap((part) => range(short.outer).map((i) => ({ part, i, text: ofPack(`sum${part}_${i >> 2}`, i) })));
  if (!sumsApart(plan)) {
    const added = choice.subgroup ? sums(plan).map(({ name }) => `${name} = subgroupAdd(${name});`) : [];
    const stores = own.map(({ part, i, text }, lane) => {
      const call = `mm_store1(batch, ${plus("outer", part)}, ${i}u, ${text});`;
      return choice.subgroup ? `if (share == ${lane % choice.splitK}u) { ${call} }` : call;
    });
    return lines(2, [...added, ...stores]);
  }
  // [part of the place][pack][share][place]: neighbouring threads add up neighbouring places
  const put = sums(plan).map(
    ({ name, part, q }) => `mm_short[${plus(`share * ${choice.places}u + place`, (part * packs + q) * threads)}] = ${name};`,
  );
  const first = choice.short === "m" ? "firstColumn" : "firstRow";
  const at = within("unit", choice.places);
  const part = wide === 1 ? "0u" : within(`(${over("unit", choice.places, 2)})`, wide);
  return `${lines(2, put)}  workgroupBarrier();
  for (var unit = thread; unit < ${cover * short.outer}u; unit += ${threads}u) {
    let i = ${over("unit", cover, short.outer)};
    let column = (${part}${wide === 1 ? "" : ` * ${packs}u`} + ${packs === 1 ? "0u" : "i / 4u"}) * ${threads}u + ${at};
    var sum = 0.0;
    for (var other = 0u; other < ${choice.splitK}u; other++) { sum += mm_short[column + other * ${choice.places}u]${packed === 1 ? "" : "[i % 4u]"}; }
    mm_store1(batch, ${first} + ${wide === 1 ? at : `(${at}) * ${wide}u + ${part}`}, i, sum);
  }
`;
}
