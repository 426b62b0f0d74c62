/**
 * Randomness: counter-based words, the same bits on every engine, host included.
 *
 * Generator: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11).
 * `threefry(key, counter)` takes two words each and gives two words. All arithmetic is modulo 2^32.
 *
 * Layout of a `random` node. Its first operand is rng u32[4] = [seed low, seed high, step, row offset]; its second, where given, is
 * the iteration i32[] (read as u32). `site` and `stage` are parameters:
 *
 *   site counter   c = fnv1a32(utf8(site)) xor stage
 *   node key       k = threefry((seed low, seed high), (c, step))
 *   with iteration k = threefry(k, (iteration, 0xffffffff))
 *   element e of row r:
 *                  pair = threefry(k, (r, e >> 1));  word = pair[e & 1]
 *
 * The row of an element is its position on `rowAxis` plus the row offset (mod 2^32); e counts the elements of one row in C order over the
 * other axes. Where `rowAxis` is null the whole tensor is one row, r = 0, whatever the offset. So the draw for a row of the data
 * depends on the row, not on how a batch was cut; a pass cannot change a draw, since the site is named after the statement.
 * (0xffffffff as second counter word is out of reach of rows: a row has fewer than 2^32 elements.)
 *
 * Kinds: "bits" is the word w. "uniform" is (w >>> 8) * 2^-24, in [0, 1), exact in f32. "normal" is the standard normal quantile of
 * ((w >>> 8) + 0.5) * 2^-24. In f32 that argument rounds to 1 at the upper end, so an engine writes s = (w >>> 8) - 2^23 + 0.5, exact in f32,
 * and takes sqrt(2) * erfinv(s * 2^-23), where 1 - |s| * 2^-23 is exact too. The largest magnitude is 5.42.
 */
import { sizeOf } from "./shape.js";

const PARITY = 0x1bd11bda;

/** Threefry-2x32-20. Writes the two words to `out` at `at`. */
export function threefry2x32(k0: number, k1: number, c0: number, c1: number, out: Uint32Array, at = 0): void {
  const k2 = k0 ^ k1 ^ PARITY;
  let x0 = (c0 + k0) | 0;
  let x1 = (c1 + k1) | 0;
  // Five groups of four rounds; the rotations alternate, and a key word and the group's number are injected after each group.
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k1) | 0;
  x1 = (x1 + k2 + 1) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k2) | 0;
  x1 = (x1 + k0 + 2) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k0) | 0;
  x1 = (x1 + k1 + 3) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k1) | 0;
  x1 = (x1 + k2 + 4) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k2) | 0;
  x1 = (x1 + k0 + 5) | 0;
  out[at] = x0;
  out[at + 1] = x1;
}

/** FNV-1a over the UTF-8 bytes of `text`, 32 bits (Fowler, Noll & Vo). */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** First counter word of a node's key. */
export function siteCounter(site: string, stage: number): number {
  return (fnv1a32(site) ^ stage) >>> 0;
}

/** The stage number after folding `i` in: a bijective mix of 32 bits (finaliser of MurmurHash3, Appleby), so different i give different stages. */
export function foldStage(stage: number, i: number): number {
  let h = (stage + 0x9e3779b9 + Math.imul(i, 0x85ebca6b)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A seed as the two words of a key: its low and high 32 bits. */
export function seedWords(seed: number): [low: number, high: number] {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/** The value of the `rng` input: u32[4]. */
export function rngState(seed: number, step: number, rowOffset = 0): Uint32Array {
  const [low, high] = seedWords(seed);
  return Uint32Array.of(low, high, step, rowOffset);
}

export interface DrawSpec {
  readonly site: string;
  readonly stage: number;
  /** undefined where the node has no iteration operand */
  readonly iteration: number | undefined;
}

/** The node key k of the layout above. */
export function drawKey(rng: ArrayLike<number>, draw: DrawSpec): [number, number] {
  const k = new Uint32Array(2);
  threefry2x32(rng[0]!, rng[1]!, siteCounter(draw.site, draw.stage), rng[2]!, k);
  if (draw.iteration !== undefined) threefry2x32(k[0]!, k[1]!, draw.iteration, 0xffffffff, k);
  return [k[0]!, k[1]!];
}

/** Fills `out` (C order over `shape`) with the words of a draw. */
export function fillWords(
  out: Uint32Array,
  shape: readonly number[],
  rowAxis: number | null,
  rowOffset: number,
  key: readonly [number, number],
): void {
  const size = out.length;
  const rows = rowAxis === null ? 1 : shape[rowAxis]!;
  if (size === 0 || rows === 0) return;
  const perRow = size / rows;
  // With rowAxis in the middle, element (a, r, b) of [A, rows, B] is element a * B + b of row r.
  const inner = rowAxis === null ? perRow : sizeOf(shape.slice(rowAxis + 1));
  const pair = new Uint32Array(2);
  const [k0, k1] = key;
  for (let r = 0; r < rows; r++) {
    const row = rowAxis === null ? 0 : (r + rowOffset) | 0;
    let outer = r * inner; // position of element e = 0 of this row
    let within = 0;
    for (let e = 0; e < perRow; e++) {
      if ((e & 1) === 0) threefry2x32(k0, k1, row, e >>> 1, pair);
      out[outer + within] = pair[e & 1]!;
      if (++within === inner) {
        within = 0;
        outer += rows * inner;
      }
    }
  }
}

/** A stream of words for host work (shuffling, initial weights): pairs 0, 1, 2, … of row 0 of the draw `site` at `step`. */
export interface HostStream {
  word(): number;
  /** in [0, 1), 53 bits */
  uniform(): number;
  /** an integer in 0..n-1, without bias */
  below(n: number): number;
  /** standard normal */
  normal(): number;
}

export function hostStream(seed: number, site: string, step = 0): HostStream {
  const [k0, k1] = drawKey(rngState(seed, step), { site, stage: 0, iteration: undefined });
  const pair = new Uint32Array(2);
  let count = 0;
  const word = (): number => {
    const e = count++;
    if ((e & 1) === 0) threefry2x32(k0, k1, Math.floor(e / 2 ** 33), (e / 2) >>> 0, pair);
    return pair[e & 1]!;
  };
  const uniform = (): number => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) * 2 ** -53;
  return {
    word,
    uniform,
    below(n) {
      // Rejection above the largest multiple of n keeps every residue equally likely.
      const limit = 2 ** 32 - (2 ** 32 % n);
      for (;;) {
        const w = word();
        if (w < limit) return w % n;
      }
    },
    // Box & Muller 1958; 1 - u lies in (0, 1].
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}

/** A uniformly random order of 0..n-1 (Fisher & Yates; Durstenfeld 1964). The same for the same seed, site and step. */
export function permutation(n: number, seed: number, site: string, step = 0): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const stream = hostStream(seed, site, step);
  for (let i = n - 1; i > 0; i--) {
    const j = stream.below(i + 1);
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
