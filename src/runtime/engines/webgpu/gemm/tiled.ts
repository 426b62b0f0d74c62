/**
 * Products by tiles: a workgroup computes tileM x tileN of C. It brings tiles of A and B, tileK deep, into workgroup memory, and each thread
 * multiplies a threadM x threadN block in registers.
 *
 * - Tiles are kept as vec4 ("slots") over four rows of A, or four columns of B, at one depth. A thread always writes whole vec4: WGSL lets the
 *   write of a component touch the other three, so components written by two threads would be a race.
 * - Which four belong together is free. Element by element, slot q holds rows q, q + Q, q + 2Q, q + 3Q (Q slots a tile): neighbouring threads
 *   then read neighbouring addresses, and so write C at the end. With vector loads along the outer axis slot q holds rows 4q … 4q + 3.
 *   With vector loads along the depth a thread takes four runs and transposes 4 x 4 in registers.
 * - Where neighbouring threads lie along the depth, one depth's slots lie one vec4 apart from the next one's: their writes fall on different banks.
 * - splitK > 1: teams of threads take a share of each tile's depth each; at the end every element's sums are added in the order of the teams:
 *   the same bits at every run.
 */
import { elementOf, readers, sideOf, type Checks, type Side } from "./operands.js";
import { component, findTile, gridOf, lines, over, plus, range, times, within } from "./text.js";
import type { GemmSpec, LoadWidth, TiledChoice } from "./types.js";

/** vec4 of registers that a thread may hold for the next tile. */
const held = 4;

/** Two stages are for tiles that a thread can hold in few registers. */
export function canPrefetch(spec: GemmSpec, choice: TiledChoice): boolean {
  const { a, b, threads } = planOf(spec, choice);
  const registers = (tile: Tile): number => Math.ceil(tile.pieces / threads) * tile.deep;
  return registers(a) + registers(b) <= held;
}

/** How one operand's tile lies in workgroup memory and comes there. */
interface Tile {
  readonly side: Side;
  readonly width: LoadWidth;
  readonly element: "f32" | "f16";
  /** Slots at one depth, and their distance from one depth to the next. */
  readonly slots: number;
  readonly pitch: number;
  /** vec4 in all, and the first one's place in its pool. */
  readonly size: number;
  readonly offset: number;
  /** Distance of the four rows (columns) of a slot; 1 where they are neighbours. */
  readonly spread: number;
  /** Pieces that threads fetch: one slot over 1 or 4 depths. */
  readonly pieces: number;
  readonly deep: 1 | 4;
  readonly checks: Checks;
}

/** A kernel's measures, worked out once. */
interface Plan {
  readonly spec: GemmSpec;
  readonly choice: TiledChoice;
  readonly a: Tile;
  readonly b: Tile;
  /** Threads of a team along columns and rows. */
  readonly teamX: number;
  readonly teamY: number;
  readonly threads: number;
  /** vec4 of workgroup memory, by type; the sums of the teams lie where the f32 tiles were. */
  readonly full: number;
  readonly half: number;
}

function planOf(spec: GemmSpec, choice: TiledChoice): Plan {
  const [teamX, teamY] = [choice.tileN / choice.threadN, choice.tileM / choice.threadM];
  const a = tileOf(spec, choice, "a", 0);
  const free = tileOf(spec, choice, "b", 0);
  const b = free.element === a.element ? tileOf(spec, choice, "b", a.size) : free;
  const of = (element: "f32" | "f16"): number => (a.element === element ? a.size : 0) + (b.element === element ? b.size : 0);
  const sums = choice.splitK > 1 ? (choice.splitK * choice.tileM * choice.tileN) / 4 : 0;
  return { spec, choice, a, b, teamX, teamY, threads: teamX * teamY * choice.splitK, full: Math.max(of("f32"), sums), half: of("f16") };
}

function tileOf(spec: GemmSpec, choice: TiledChoice, letter: "a" | "b", offset: number): Tile {
  const side = sideOf(spec, letter);
  const [extent, width] = letter === "a" ? [choice.tileM, choice.widthA] : [choice.tileN, choice.widthB];
  const slots = extent / 4;
  const pitch = side.along === "depth" ? slots + 1 : slots;
  const deep = width === 4 && side.along === "depth" ? 4 : 1;
  return {
    side,
    width,
    element: elementOf(side),
    slots,
    pitch,
    size: choice.tileK * pitch,
    offset,
    spread: width === 4 && side.along === "outer" ? 1 : slots,
    pieces: (slots * choice.tileK) / deep,
    deep,
    checks: { outer: side.outer % extent !== 0, depth: side.depth % choice.tileK !== 0 },
  };
}

export function tiledThreads(choice: TiledChoice): number {
  return (choice.tileM / choice.threadM) * (choice.tileN / choice.threadN) * choice.splitK;
}

/** Bytes of workgroup memory by type. */
export function tiledPools(spec: GemmSpec, choice: TiledChoice): Readonly<Record<string, number>> {
  const { full, half } = planOf(spec, choice);
  return { ...(full > 0 ? { vec4f: full * 16 } : {}), ...(half > 0 ? { "vec4<f16>": half * 8 } : {}) };
}

/** Workgroups along rows, columns, and in all. */
function tilesOf(spec: GemmSpec, choice: TiledChoice): { readonly down: number; readonly right: number; readonly total: number } {
  const [down, right] = [Math.ceil(spec.m / choice.tileM), Math.ceil(spec.n / choice.tileN)];
  return { down, right, total: down * right * spec.batch };
}

export const tiledGroups = (spec: GemmSpec, choice: TiledChoice): number => tilesOf(spec, choice).total;

/** The kernel's text after the caller's declarations. */
export function tiledBody(spec: GemmSpec, choice: TiledChoice, groupLimit: number): string {
  const plan = planOf(spec, choice);
  const { a, b, threads, teamX, teamY } = plan;
  const { down, right, total } = tilesOf(spec, choice);
  const grid = gridOf(total, groupLimit);
  const teams = choice.splitK > 1;
  const pools = [
    ...(plan.full > 0 ? [`var<workgroup> mm_tiles: array<vec4f, ${plan.full}>;`] : []),
    ...(plan.half > 0 ? [`var<workgroup> mm_tilesHalf: array<vec4<f16>, ${plan.half}>;`] : []),
  ];
  const thread = [
    `let x = ${within("thread", teamX)};`,
    `let y = ${teams ? within(`(${over("thread", teamX, 2)})`, teamY) : over("thread", teamX, teamY)};`,
    ...(teams ? [`let team = thread / ${teamX * teamY}u;`] : []),
    ...blocks(plan).map(({ name }) => `var ${name} = vec4f();`),
  ];
  return `${lines(0, pools)}
${readers(a.side, a.checks, [a.width])}
${readers(b.side, b.checks, [b.width])}
${storeFour(plan)}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
${findTile(grid[0], total, grid[0] * grid[1] === total, down, right, choice.tileM, choice.tileN)}${lines(2, thread)}${loop(plan)}${
    teams ? addTeams(plan) : storeBlock(plan)
  }}`;
}

/**
 * Over the depth: fetch into registers, write to workgroup memory, multiply. With two stages the next fetch comes before the product; with one, a tile of many pieces is fetched in a loop, to keep the text short.
 */
function loop(plan: Plan): string {
  const { spec, choice } = plan;
  const tiles = [plan.a, plan.b];
  const [barrier, head] = [`    workgroupBarrier();\n`, `  for (var depth = 0u; depth < ${spec.k}u; depth += ${choice.tileK}u) {\n`];
  if (choice.stages === 1) {
    const short = tiles.filter((tile) => tile.pieces <= unrolled * plan.threads).map((tile) => inRegisters(plan, tile));
    const long = tiles.filter((tile) => tile.pieces > unrolled * plan.threads).map((tile) => fetchLoop(plan, tile));
    const [first, write] = [short.flatMap((f) => [...f.registers, ...f.read("depth")]), short.flatMap((f) => f.write)];
    return `${head}${lines(4, first)}${barrier}${lines(4, write)}${long.join("")}${barrier}${multiply(plan)}  }\n`;
  }
  // the loop's head fetches a tile while its body multiplies the one before; one more turn multiplies the last
  const fetches = tiles.map((tile) => inRegisters(plan, tile));
  const end = Math.ceil(spec.k / choice.tileK) * choice.tileK;
  const registers = fetches.flatMap((f) => f.registers);
  const read = fetches.flatMap((f) => f.read("depth"));
  const write = fetches.flatMap((f) => f.write);
  return `${lines(2, registers)}  for (var depth = 0u; depth <= ${end}u; depth += ${choice.tileK}u) {
    if (depth < ${end}u) {
${lines(6, read)}    }
    if (depth > 0u) {
${multiply(plan)}    }
${barrier}${lines(4, write)}${barrier}  }
`;
}

/** Pieces a thread fetches without a loop where it need not hold them. */
const unrolled = 2;

/** One piece: the registers it takes, and the statements that read it and write it to workgroup memory. */
interface Fetch {
  readonly registers: readonly string[];
  readonly read: (depth: string) => readonly string[];
  readonly write: readonly string[];
}

function fetchOf(plan: Plan, tile: Tile, piece: string, name: string): Fetch {
  const { side, deep, pitch } = tile;
  const alongDepth = side.along === "depth";
  const depths = plan.choice.tileK / deep;
  const slot = alongDepth ? over(piece, depths, tile.slots) : within(piece, tile.slots);
  const at = alongDepth ? within(piece, depths) : over(piece, tile.slots, depths);
  const names = deep === 1 ? [name] : range(4).map((p) => `${name}_${p}`);
  const element = (c: number, depth: string): string => {
    const outer = `${side.letter === "a" ? "firstRow" : "firstColumn"} + ${plus(times(slot, tile.spread === 1 ? 4 : 1), c * tile.spread)}`;
    return `mm_${side.letter}${tile.width === 4 ? "4" : ""}(batch, ${outer}, ${depth} + ${times(at, deep)})`;
  };
  const values = (depth: string): string[] => {
    if (deep === 4) return range(4).map((c) => element(c, depth));
    if (tile.width === 4) return [element(0, depth)];
    return [
      `vec4f(${range(4)
        .map((c) => element(c, depth))
        .join(", ")})`,
    ];
  };
  return {
    registers: names.map((n) => `var ${n} = vec4f();`),
    read: (depth) => values(depth).map((value, p) => `${names[p]} = ${value};`),
    write: range(deep).map((p) => {
      const value = deep === 1 ? names[0]! : `vec4f(${names.map((n) => `${n}.${component(p)}`).join(", ")})`;
      const row = deep === 1 ? at : p === 0 ? times(at, 4) : `(${plus(times(at, 4), p)})`;
      return `${inPool(tile, `${times(row, pitch)} + ${slot}`)} = ${tile.element === "f16" ? `vec4<f16>(${value})` : value};`;
    }),
  };
}

/** All pieces of a thread: one after every `threads` pieces. */
function inRegisters(plan: Plan, tile: Tile): Fetch {
  const { threads } = plan;
  const parts = range(Math.ceil(tile.pieces / threads)).map((i) => {
    const left = tile.pieces - i * threads;
    const guarded = (texts: readonly string[]): readonly string[] =>
      left >= threads ? texts : [`if (thread < ${left}u) {`, ...texts.map((t) => `  ${t}`), "}"];
    const fetch = fetchOf(plan, tile, i === 0 ? "thread" : `(thread + ${i * threads}u)`, `${tile.side.letter}Next${i}`);
    return { registers: fetch.registers, read: (depth: string) => guarded(fetch.read(depth)), write: guarded(fetch.write) };
  });
  return {
    registers: parts.flatMap((p) => p.registers),
    read: (depth) => parts.flatMap((p) => p.read(depth)),
    write: parts.flatMap((p) => p.write),
  };
}

function fetchLoop(plan: Plan, tile: Tile): string {
  const fetch = fetchOf(plan, tile, "piece", `${tile.side.letter}Next`);
  const body = [...fetch.registers, ...fetch.read("depth"), ...fetch.write];
  return `    for (var piece = thread; piece < ${tile.pieces}u; piece += ${plan.threads}u) {\n${lines(6, body)}    }\n`;
}

function inPool(tile: Tile, index: string): string {
  return `${tile.element === "f16" ? "mm_tilesHalf" : "mm_tiles"}[${plus(index, tile.offset)}]`;
}

/** The vec4 of C that a thread holds: row i of its slots, columns of its slot j. */
function blocks({ choice }: Plan): { readonly name: string; readonly i: number; readonly j: number }[] {
  return range(choice.threadM).flatMap((i) => range(choice.threadN / 4).map((j) => ({ name: `c${i}_${j}`, i, j })));
}

function multiply(plan: Plan): string {
  const { choice, a, b, teamX, teamY } = plan;
  const share = choice.tileK / choice.splitK;
  const slots = (tile: Tile, lane: string, count: number, step: number): string[] =>
    range(count).map((i) => {
      const value = inPool(tile, `${times("at", tile.pitch)} + ${plus(lane, i * step)}`);
      return `let ${tile.side.letter}${i} = ${tile.element === "f16" ? `vec4f(${value})` : value};`;
    });
  const body = [
    ...slots(a, "y", choice.threadM / 4, teamY),
    ...slots(b, "x", choice.threadN / 4, teamX),
    ...blocks(plan).map(({ name, i, j }) => `${name} = fma(vec4f(a${i >> 2}.${component(i)}), b${j}, ${name});`),
  ];
  const first = choice.splitK > 1 ? `team * ${share}u` : "0u";
  return `    for (var at = ${first}; at < ${choice.splitK > 1 ? `${first} + ${share}u` : `${share}u`}; at++) {\n${lines(6, body)}    }\n`;
}

/** `mm_store4(batch, row, column, sums)`: the four columns of a slot, in bounds. A loop, so that a long epilogue is there only once: a
 * kernel of 8 x 8 a thread with 64 of them took lavapipe 4.8 s to compile, with one 0.6 s. */
function storeFour({ spec, choice, b }: Plan): string {
  const call = `${spec.store}(batch, row, at, sums[part]);`;
  const body = [`let at = column + ${times("part", b.spread)};`, spec.n % choice.tileN === 0 ? call : `if (at < ${spec.n}u) { ${call} }`];
  const rows = spec.m % choice.tileM === 0 ? [] : [`if (row >= ${spec.m}u) { return; }`];
  return `fn mm_store4(batch: u32, row: u32, column: u32, sums: vec4f) {
${lines(2, rows)}  for (var part = 0u; part < 4u; part++) {
${lines(4, body)}  }
}`;
}

/** Place in C of row `part` of a row slot, and of the first column of a column slot. */
const rowAt = ({ a }: Plan, slot: string, part: string): string =>
  a.spread === 1 ? `firstRow + (${slot}) * 4u + ${part}` : `firstRow + ${slot} + ${part} * ${a.spread}u`;
const columnAt = ({ b }: Plan, slot: string): string => `firstColumn + ${b.spread === 1 ? `(${slot}) * 4u` : slot}`;

/** A thread's block, one vec4 after the other. */
function storeBlock(plan: Plan): string {
  const all = blocks(plan);
  const across = plan.choice.threadN / 4;
  const i = over("block", across, plan.choice.threadM);
  const slotRow = plan.choice.threadM === 4 ? "y" : `y + ${over(`(${i})`, 4, 2)} * ${plan.teamY}u`;
  const slotColumn = across === 1 ? "x" : `x + ${within("block", across)} * ${plan.teamX}u`;
  return `  for (var block = 0u; block < ${all.length}u; block++) {
    var sums = ${all[0]!.name};
    switch block {
${lines(
  6,
  all.slice(1).map(({ name }, at) => `case ${at + 1}u: { sums = ${name}; }`),
)}      default: {}
    }
    mm_store4(batch, ${rowAt(plan, slotRow, `(${within(`(${i})`, 4)})`)}, ${columnAt(plan, slotColumn)}, sums);
  }
`;
}

/** The teams' sums, through workgroup memory: [team][row slot][row of it][column slot]. All threads take part in adding and storing. */
function addTeams(plan: Plan): string {
  const { choice, a, b, threads } = plan;
  const units = (choice.tileM * choice.tileN) / 4;
  const put = blocks(plan).map(({ name, i, j }) => {
    const slot = plus("y", (i >> 2) * plan.teamY);
    return `mm_tiles[team * ${units}u + (${slot}) * ${4 * b.slots}u + ${plus(plus("x", j * plan.teamX), (i & 3) * b.slots)}] = ${name};`;
  });
  return `  workgroupBarrier();
${lines(2, put)}  workgroupBarrier();
  for (var unit = thread; unit < ${units}u; unit += ${threads}u) {
    var sums = mm_tiles[unit];
    for (var other = 1u; other < ${choice.splitK}u; other++) { sums += mm_tiles[other * ${units}u + unit]; }
    mm_store4(batch, ${rowAt(plan, over("unit", 4 * b.slots, a.slots), `(${within(`(${over("unit", b.slots, 2)})`, 4)})`)}, ${columnAt(
      plan,
      within("unit", b.slots),
    )}, sums);
  }
`;
}
