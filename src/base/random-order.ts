/**
 * Orders by chance from a seed, the same as the runtime draws (`permutation` and `hostStream` of `src/runtime/graph/random.ts`, where the layout
 * is stated; a test holds them alike). The compiler needs them to prove what a seeded order reads.
 *
 * Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011).
 */
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

function threefry(key: readonly [number, number], counter: readonly [number, number]): readonly [number, number] {
  const keys = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bda];
  let [a, b] = [(counter[0] + key[0]) | 0, (counter[1] + key[1]) | 0];
  for (let group = 0; group < 5; group++) {
    for (const turn of ROTATIONS[group % 2] ?? []) {
      a = (a + b) | 0;
      b = ((b << turn) | (b >>> (32 - turn))) ^ a;
    }
    a = (a + (keys[(group + 1) % 3] ?? 0)) | 0;
    b = (b + (keys[(group + 2) % 3] ?? 0) + group + 1) | 0;
  }
  return [a >>> 0, b >>> 0];
}

/** FNV-1a over ASCII text. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** Whole numbers below n in turn, without bias. */
export function chance(seed: number, site: string): (n: number) => number {
  const key = threefry([seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0], [hash(site), 0]);
  let count = 0;
  const word = (): number => {
    const e = count++;
    return threefry(key, [0, e >>> 1])[e & 1] ?? 0;
  };
  return (n) => {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const w = word();
      if (w < limit) return w % n;
    }
  };
}

/** 0..n-1 in a random order (Durstenfeld 1964). */
export function shuffled(n: number, seed: number, site: string): readonly number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  const below = chance(seed, site);
  for (let i = n - 1; i > 0; i--) {
    const j = below(i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}
