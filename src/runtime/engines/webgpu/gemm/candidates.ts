/**
 * Which kernels can compute a product on a device: every shape that the generator knows and the limits allow, then the likely best of them by
 * the cost model.
 */
import { estimate, typicalGpu, type GpuNumbers } from "./cost.js";
import { measuresOf } from "./kernel.js";
import { sideOf, type Side } from "./operands.js";
import { canPrefetch } from "./tiled.js";
import type { DirectChoice, GemmChoice, GemmLimits, GemmSpec, LoadWidth, SkinnyChoice, TiledChoice } from "./types.js";

/** tileM, tileN, threadM, threadN */
const blocks: readonly (readonly [number, number, number, number])[] = [
  [128, 128, 8, 8],
  [128, 64, 8, 8],
  [64, 128, 8, 8],
  [128, 64, 8, 4],
  [64, 128, 4, 8],
  [64, 64, 8, 8],
  [64, 64, 8, 4],
  [64, 64, 4, 4],
  [64, 32, 4, 4],
  [32, 64, 4, 4],
  [32, 32, 4, 4],
  [32, 16, 4, 4],
  [16, 32, 4, 4],
  [64, 16, 4, 4],
  [16, 64, 4, 4],
  [16, 16, 4, 4],
  [128, 8, 4, 4],
  [8, 128, 4, 4],
  [32, 8, 4, 4],
  [8, 32, 4, 4],
  [16, 8, 4, 4],
  [8, 16, 4, 4],
  [8, 8, 4, 4],
];
const teams = [1, 2, 4, 8, 16, 32, 64];
const depths = [8, 16, 32, 64, 128];
/** Most threads of a workgroup, and the fewest that keep a unit busy. */
const mostThreads = 256;
const fewestThreads = 64;
/** The longest short axis of the skinny form. */
const shortest = 8;
/** Up to so many multiply-adds an element, or for so few elements a matrix, it can be best to use no workgroup memory. */
const directDepth = 64;
const directElements = 64;

/** Candidates at most, and how many of them share a tile and split. */
const kept = 16;
const keptOfOneKind = 2;

/**
 * The likely best kernels for a product, best first by the cost model; at least one, at most sixteen. Only those with `threads` a workgroup where
 * that is said, which may be none.
 */
export function gemmCandidates(spec: GemmSpec, limits: GemmLimits, threads?: number, gpu: GpuNumbers = typicalGpu): readonly GemmChoice[] {
  const ranked = gemmVariants(spec, limits)
    .filter((choice) => threads === undefined || measuresOf(spec, choice).threads === threads)
    .map((choice) => ({ choice, cost: estimate(spec, choice, gpu) }))
    .sort((x, y) => x.cost - y.cost);
  const seen = new Map<string, number>();
  const chosen: GemmChoice[] = [];
  for (const { choice } of ranked) {
    const count = seen.get(kindOf(choice)) ?? 0;
    if (count >= keptOfOneKind) continue;
    seen.set(kindOf(choice), count + 1);
    chosen.push(choice);
    if (chosen.length === kept) break;
  }
  return chosen;
}

function kindOf(choice: GemmChoice): string {
  switch (choice.form) {
    case "tiled":
      return `${choice.tileM} ${choice.tileN} ${choice.splitK}`;
    case "skinny":
      return `${choice.form} ${choice.width} ${choice.subgroup}`;
    case "direct":
      return choice.form;
  }
}

/** Every kernel that computes the product and respects the limits, in a fixed order. */
export function gemmVariants(spec: GemmSpec, limits: GemmLimits): readonly GemmChoice[] {
  const all: GemmChoice[] = [...tiledVariants(spec), ...skinnyVariants(spec, limits), ...directVariants(spec)];
  return all.filter((choice) => {
    if (choice.form === "tiled" && choice.stages === 2 && !canPrefetch(spec, choice)) return false;
    const { threads, storage } = measuresOf(spec, choice);
    return threads <= Math.min(mostThreads, limits.invocations) && storage <= limits.workgroupStorage;
  });
}

function tiledVariants(spec: GemmSpec): TiledChoice[] {
  const [a, b] = [sideOf(spec, "a"), sideOf(spec, "b")];
  return blocks.flatMap(([tileM, tileN, threadM, threadN]) => {
    if (tooLarge(tileM, spec.m) || tooLarge(tileN, spec.n)) return [];
    const team = (tileM / threadM) * (tileN / threadN);
    return teams.flatMap((splitK) => {
      if (team * splitK < fewestThreads || team * splitK > mostThreads) return [];
      return depths
        .filter((tileK) => tileK >= splitK && (tileK <= Math.max(8, splitK) || tileK < 2 * spec.k))
        .flatMap((tileK) =>
          widthsOf(a).flatMap((widthA) =>
            widthsOf(b).flatMap((widthB) =>
              ([1, 2] as const).map((stages): TiledChoice => ({
                form: "tiled",
                tileM,
                tileN,
                tileK,
                threadM,
                threadN,
                splitK,
                stages,
                widthA,
                widthB,
              })),
            ),
          ),
        );
    });
  });
}

/** More than half of the tile would lie outside. */
const tooLarge = (tile: number, extent: number): boolean => tile > 8 && tile / 2 >= extent;

const widthsOf = (side: Side): readonly LoadWidth[] => (side.vector ? [1, 4] : [1]);

function skinnyVariants(spec: GemmSpec, limits: GemmLimits): SkinnyChoice[] {
  return (["m", "n"] as const).flatMap((short) => {
    if (spec[short] > shortest) return [];
    const long = sideOf(spec, short === "m" ? "b" : "a");
    const lanes = long.along === "depth" ? "k" : "long";
    const splits = lanes === "k" ? [32, 64, 128, 256] : [1, 2, 4, 8, 16];
    return widthsOf(long).flatMap((width) =>
      [64, 128, 256].flatMap((threads): SkinnyChoice[] => {
        const plain = splits
          .filter((splitK) => splitK <= threads)
          .map((splitK): SkinnyChoice => ({ form: "skinny", short, places: threads / splitK, splitK, lanes, width, subgroup: false }));
        const size = limits.subgroupSize;
        if (lanes !== "k" || size === undefined || size < 4 || threads % size !== 0) return plain;
        return [...plain, { form: "skinny", short, places: threads / size, splitK: size, lanes, width, subgroup: true }];
      }),
    );
  });
}

function directVariants(spec: GemmSpec): DirectChoice[] {
  return spec.k <= directDepth || spec.m * spec.n <= directElements
    ? [
        { form: "direct", threads: 64 },
        { form: "direct", threads: 256 },
      ]
    : [];
}
