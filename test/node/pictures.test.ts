/** Pictures: every pixel of a grid where it belongs, looks chosen by shape, plots that are sound SVG with their points in place. */
import { inflateSync } from "node:zlib";
import { PNG } from "pngjs";
import { describe, expect, it } from "vitest";
import { muLaw, parseWav } from "../../src/runtime/data/index.js";
import { drawCompletions, drawReconstructions, drawRows, drawTurning, lookOf, type Drawing } from "../../src/runtime/node/pictures.js";
import { drawCurves, drawHistogram, drawPlane } from "../../src/runtime/node/plots.js";
import { parsePng } from "../../src/runtime/node/png.js";
import { soundFile, spectrum } from "../../src/runtime/node/sound-pictures.js";
import { cloudTiles, encodePng, grid, tiles, type Rows } from "../../src/runtime/node/raster.js";
import { binary, byte, category, real, unit } from "../../src/runtime/model.js";

const decode = (content: Uint8Array | string): PNG => PNG.sync.read(Buffer.from(content as Uint8Array));
const pixel = (png: PNG, y: number, x: number): number[] => [...png.data.subarray(4 * (y * png.width + x), 4 * (y * png.width + x) + 3)];
const svg = (drawing: Drawing | string): string => (typeof drawing === "string" ? drawing : String(drawing.content));

describe("looks", () => {
  it("follow the declared shape, then that of the file, then the domain", () => {
    expect(lookOf(unit([28, 20]))).toMatchObject({ kind: "image", shape: { height: 28, width: 20, channels: 1 } });
    expect(lookOf(byte([32, 32, 3]))).toMatchObject({ kind: "image", shape: { channels: 3 }, range: [0, 255] });
    expect(lookOf(unit([560]), { picture: [28, 20] })).toMatchObject({ kind: "image", shape: { height: 28, width: 20 } });
    expect(lookOf(binary([784]))).toMatchObject({ kind: "image", shape: { height: 28, width: 28 } });
    expect(lookOf(real([100]))).toEqual({ kind: "lines" });
    expect(lookOf(real([100]), { picture: [10, 10], range: [-2, 2] })).toMatchObject({ kind: "image", range: [-2, 2] });
    expect(lookOf(real([2]))).toEqual({ kind: "plane" });
    expect(lookOf(real())).toEqual({ kind: "scalar" });
    expect(lookOf(category(10))).toEqual({ kind: "scalar" });
    expect(lookOf(real([1024, 3]), { range: [-1, 1] })).toEqual({ kind: "cloud", reach: 1.1 });
    expect(lookOf(real([12]), { picture: [12] })).toEqual({ kind: "lines" });
  });
});

describe("sound", () => {
  const rate = 8000;
  const tone = (hertz: number): number[] => Array.from({ length: 2000 }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / rate));

  it("has the look that the data say it has", () => {
    expect(lookOf(category(256, [2000]), { audio: { rate, levels: 256 } })).toEqual({ kind: "sound", sound: { rate, levels: 256 } });
  });

  it("has a spectrum with its tone where it belongs, and as much power as the window lets through", () => {
    // band k of 256 samples at 8 kHz is k * 31.25 Hz
    const power = spectrum(tone(1000), 1000);
    expect(power.indexOf(Math.max(...power))).toBe(32);
    // a sine of amplitude a under a window of sum s has the peak (a s / 2)^2, the sum of a Hann window of 256 is 128
    expect(power[32]).toBeCloseTo((0.5 * 64) ** 2, 0);
    expect(power[60]! / power[32]!).toBeLessThan(1e-6);
    expect(Math.max(...spectrum(tone(1000), -200))).toBe(0);
  });

  it("is drawn as a wave above its spectrogram, low frequencies at the bottom", async () => {
    const rows: Rows = { shape: [2, 2000], data: [...tone(500), ...tone(3000)] };
    const drawing = await drawRows("x", rows, { kind: "sound", sound: { rate } });
    const png = decode(drawing.content);
    const brightest = (tile: number): number => {
      const x = 2 + tile * 242 + 120;
      const light = Array.from({ length: 128 }, (_, y) => pixel(png, 2 + 48 + y, x).reduce((a, b) => a + b, 0));
      return 127 - light.indexOf(Math.max(...light));
    };
    expect([brightest(0), brightest(1)]).toEqual([500 / 31.25, 3000 / 31.25]);
    // the wave reaches from top to bottom of its part
    expect(pixel(png, 2 + 24, 2 + 120)).toEqual([0, 114, 178]);
  });

  it("stands above what a model makes of it", async () => {
    const [data, shown] = [tone(500), tone(3000)].map((values): Rows => ({ shape: [1, 2000], data: values }));
    const png = decode((await drawReconstructions("x", data!, shown!, { kind: "sound", sound: { rate } })).content);
    const one = decode((await drawRows("x", shown!, { kind: "sound", sound: { rate } })).content);
    const height = 48 + 128;
    expect(png.height).toBeGreaterThanOrEqual(2 * height);
    // the lower tile is that of the second argument
    const column = (from: PNG, top: number): number[][] => Array.from({ length: height }, (_, y) => pixel(from, top + y, 2 + 120));
    expect(column(png, 2 + height + 2)).toEqual(column(one, 2));
    expect(column(png, 2)).not.toEqual(column(one, 2));
  });

  it("comes back from the file that is written, codes as the middle of their steps", () => {
    const levels = 256;
    const codes = tone(1000).map((v) => muLaw(v, levels));
    const { rate: written, samples } = parseWav({ path: "s.wav", bytes: soundFile({ shape: [2, 1000], data: codes }, { rate, levels }) });
    expect([written, samples.length]).toEqual([rate, 2 * (1000 + 1600)]);
    expect(samples[1000]).toBe(0);
    for (const [at, i] of [[3, 3], [999, 999], [2600, 1000], [3599, 1999]] as const) expect(muLaw(samples[at]!)).toBe(codes[i]); // prettier-ignore
    // what is too loud makes all softer
    const loud = parseWav({ path: "s.wav", bytes: soundFile({ shape: [1, 2], data: [4, -1] }, { rate }) }).samples;
    expect([loud[0], loud[1]]).toEqual([32767 / 32768, -0.25]);
  });
});

describe("grids", () => {
  const rows: Rows = { shape: [3, 4], data: Float32Array.from([0, 1, 0.5, 2, -1, 0, 0, NaN, 1, 1, 1, 1]) };

  it("hold each value as its shade, ends clipped, what is not finite in red", async () => {
    const drawing = await drawRows(
      "x",
      rows,
      { kind: "image", shape: { height: 2, width: 2, channels: 1 }, range: [0, 1] },
      { columns: 2 },
    );
    const png = decode(drawing.content);
    // Tiles of 2 x 2 are enlarged eightfold; the gap is 2, so the first tile begins at (2, 2) * 8.
    expect([png.width, png.height]).toEqual([8 * 10, 8 * 10]);
    const at = (tileY: number, tileX: number, y: number, x: number): number[] =>
      pixel(png, 8 * (2 + 4 * tileY + y) + 3, 8 * (2 + 4 * tileX + x) + 3);
    expect([at(0, 0, 0, 0), at(0, 0, 0, 1), at(0, 0, 1, 0), at(0, 0, 1, 1)]).toEqual([[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 255, 255]]); // prettier-ignore
    expect([at(0, 1, 0, 0), at(0, 1, 1, 1)]).toEqual([[0, 0, 0], [255, 0, 0]]); // prettier-ignore
    expect(at(1, 0, 0, 0)).toEqual([255, 255, 255]);
    expect(at(1, 1, 0, 0)).toEqual([200, 200, 200]);
  });

  it("keep colours, and are grey files where all is grey", () => {
    const colour = tiles({ shape: [1, 1, 2, 3], data: [255, 0, 10, 0, 0, 255] }, { height: 1, width: 2, channels: 3 }, [0, 255]);
    const png = decode(encodePng(grid(colour)));
    expect([pixel(png, 2, 2), pixel(png, 2, 3)]).toEqual([[255, 0, 10], [0, 0, 255]]); // prettier-ignore
    const grey = encodePng(grid(tiles(rows, { height: 2, width: 2, channels: 1 }, [0, 4])));
    // Byte 25 of a PNG is its colour type.
    expect(encodePng(grid(colour))[25]).toBe(2);
    expect(encodePng({ height: 1, width: 1, data: Uint8Array.of(9, 9, 9) })[25]).toBe(0);
    expect(grey[25]).toBe(2);
  });

  it("set each reconstruction under its original", async () => {
    const shape = { height: 8, width: 8, channels: 1 } as const;
    const filled = (...values: number[]): Rows => ({
      shape: [values.length, 64],
      data: values.flatMap((value) => Array<number>(64).fill(value)),
    });
    const png = decode(
      (await drawReconstructions("x", filled(0, 0.2, 0.4), filled(1, 0.8, 0.6), { kind: "image", shape, range: [0, 1] }, { columns: 2 }))
        .content,
    );
    const shade = (tile: number, below: boolean): number =>
      pixel(png, 7 * (2 + Math.floor(tile / 2) * 24 + (below ? 10 : 0) + 4), 7 * (2 + (tile % 2) * 10 + 4))[0]!;
    expect([shade(0, false), shade(0, true), shade(1, false), shade(1, true), shade(2, false), shade(2, true)]).toEqual([
      0, 255, 51, 204, 102, 153,
    ]);
  });

  it("show an original, what is known of it, and its completions in a line", async () => {
    const shape = { height: 8, width: 8, channels: 1 } as const;
    const filled = (...values: number[]): Rows => ({ shape: [2, 64], data: values.flatMap((v) => Array<number>(64).fill(v)) });
    // of the first picture the upper half is known, of the second the left one
    const known: Rows = { shape: [2, 64], data: Array.from({ length: 128 }, (_, i) => (i < 64 ? (i < 32 ? 1 : 0) : i % 8 < 4 ? 1 : 0)) };
    const look = { kind: "image", shape, range: [0, 1] } as const;
    const drawing = await drawCompletions("x", filled(0.2, 0.4), known, [filled(0.6, 0.8), filled(1, 0)], look);
    const png = decode(drawing.content);
    const at = (row: number, tile: number, y: number, x: number): number[] => pixel(png, 7 * (2 + row * 10 + y), 7 * (2 + tile * 10 + x));
    expect([at(0, 0, 7, 7), at(1, 0, 7, 7)]).toEqual([[51, 51, 51], [102, 102, 102]]); // prettier-ignore
    expect([at(0, 1, 3, 7), at(0, 1, 4, 0), at(1, 1, 7, 3), at(1, 1, 0, 4)]).toEqual([[51, 51, 51], [120, 150, 200], [102, 102, 102], [120, 150, 200]]); // prettier-ignore
    expect([at(0, 2, 0, 0), at(1, 2, 0, 0), at(0, 3, 0, 0), at(1, 3, 0, 0)].map(([grey]) => grey)).toEqual([153, 204, 255, 0]);
  });

  it("show point clouds upright, what is near darker", () => {
    const [tile] = cloudTiles({ shape: [1, 2, 3], data: [0, 1, 0, 0, -1, 0] }, 1.1, { size: 100 });
    const dark = Array.from({ length: 100 }, (_, y) =>
      Array.from({ length: 100 }, (_, x) => tile!.data[3 * (y * 100 + x)]!).some((shade) => shade < 255),
    );
    const lines = dark.flatMap((is, y) => (is ? [y] : []));
    expect(lines).toHaveLength(4);
    expect(lines[0]).toBeLessThan(20);
    expect(lines[2]).toBeGreaterThan(80);
  });
});

describe("plots", () => {
  it("cut long names of curves in the middle, where they are alike", async () => {
    const name = (beta: string): string => `ELBO(p, q, beta = linear(0, ${beta}, steps = 1000))`;
    const names = [name("1"), `${name("1")}, validation`, "short"];
    const points = [0, 1].map((x) => ({ x, y: x }));
    const text = await drawCurves(
      names.map((each) => ({ name: each, points })),
      { title: "T", x: "step", y: "objective" },
    );
    const shown = [...text.matchAll(/<text[^>]*>([^<]*)</gu)].map(([, t]) => t ?? "");
    expect(shown).toEqual(expect.arrayContaining(["ELBO(p, q, … 1, steps = 1000))", "ELBO(p, q, …1000)), validation", "short"]));
  });

  it("draw curves through their points, text escaped, what is not finite left out", async () => {
    const text = await drawCurves(
      [
        { name: "train <&>", points: [0, 1, 2, 3, 4].map((x) => ({ x, y: x === 2 ? NaN : x })) },
        { name: "validation", points: [{ x: 2, y: 3 }], dots: true },
      ],
      { title: "ELBO(p, q)", x: "epoch", y: "nats" },
    );
    expect(text).toMatch(/^<svg [^]*<\/svg>\n$/);
    for (const word of ["ELBO(p, q)", "epoch", "nats", "train &lt;&amp;&gt;", "validation"]) expect(text).toContain(word);
    expect(text).not.toContain("NaN");
    // The line runs from the lower left to the upper right corner of 560 x 320.
    const line = /d="(M0,320[^"]*L560,0)"/.exec(text);
    expect(line).not.toBeNull();
  });

  it("draw points in the plane and densities below them", async () => {
    const text = await drawPlane([{ name: "data", points: [[0, 0], [1, 1]] }], { title: "p(x)", window: { x: [0, 2], y: [0, 1] }, density: { rows: 2, columns: 4, values: [0, 1, 2, 3, 4, 5, 6, 7] } }); // prettier-ignore
    expect(text).toContain("translate(210,0)");
    expect(text).toContain("translate(0,210)");
    const url = /data:image\/png;base64,([^"]+)"/.exec(text)?.[1];
    const png = decode(Buffer.from(url!, "base64"));
    expect([png.width, png.height]).toEqual([4, 2]);
    expect(pixel(png, 0, 0)).toEqual([255, 255, 255]);
    expect(pixel(png, 1, 3)).toEqual([8, 48, 107]);
  });

  it("draw histograms whose area is one", async () => {
    const text = await drawHistogram([{ name: "x", values: [0, 0, 0, 1] }], "x");
    // Whole numbers get a bin each: shares 0.75 and 0.25.
    expect(text).toContain("0.75".slice(0, 3));
    const path = /d="(M0,320[^"]+)"/.exec(text)![1]!;
    const heights = [...path.matchAll(/[ML]([\d.]+),([\d.]+)/g)].map((match) => 320 - Number(match[2]));
    expect(Math.max(...heights) / heights[4]!).toBeCloseTo(3, 1);
  });

  it("choose by shape: points for two entries, lines for a few, bars for one", async () => {
    const two: Rows = { shape: [3, 2], data: [0, 0, 1, 1, 2, 2] };
    expect(svg(await drawRows("x", two, { kind: "plane" }, { data: two }))).toContain("samples");
    expect((await drawRows("c", { shape: [4], data: [0, 1, 1, 2] }, { kind: "scalar" })).extension).toBe("svg");
  });
});

describe("rows of plain numbers", () => {
  const rows = (count: number, width = 3): Rows => ({
    shape: [count, width],
    data: Array.from({ length: count * width }, (_, i) => i % 7),
  });
  const texts = (text: string): string[] => [...text.matchAll(/<text[^>]*>([^<]*)</g)].map((match) => match[1]!);
  /** One a series. */
  const lines = (text: string): string[] => [...text.matchAll(/<path[^>]*stroke-width="1.6"[^>]*>/g)].map(([line]) => line);

  it("are lines; the title says how many of them there are, unless it is all", async () => {
    const some = svg(await drawRows("x", rows(64), { kind: "lines" }, { label: "samples" }));
    expect(texts(some)).toContain("x: the first 12 of 64 samples");
    expect(lines(some)).toHaveLength(12);
    expect(texts(svg(await drawRows("x", rows(12), { kind: "lines" })))).toContain("x");
  });

  it("are called as the columns of their table", async () => {
    const entries = ["alcohol", "ash", "hue"];
    expect(texts(svg(await drawRows("x", rows(2), { kind: "lines", entries })))).toEqual(expect.arrayContaining(entries));
    expect(texts(svg(await drawRows("x", rows(2), { kind: "lines" })))).not.toContain("ash");
    const [a, b] = entries as [string, string];
    expect(texts(svg(await drawRows("x", rows(9, 2), { kind: "plane", entries: [a, b] })))).toEqual(expect.arrayContaining([a, b]));
    expect(texts(svg(await drawRows("x", rows(9, 1), { kind: "scalar", entries: [a] })))).toContain(a);
    expect(lookOf(real([3]), { entries })).toEqual({ kind: "lines", entries });
  });

  it("stand in pairs with what is made of them: in one colour, and joined", async () => {
    const pairs = svg(await drawReconstructions("x", rows(32), rows(32), { kind: "lines" }));
    expect(texts(pairs)).toContain("x: the first 4 of 32 rows and their reconstructions");
    expect(texts(pairs)).toEqual(expect.arrayContaining(["1 data", "1 reconstruction", "4 data", "4 reconstruction"]));
    const strokes = lines(pairs).map((line) => [/stroke="([^"]+)"/.exec(line)?.[1], /stroke-dasharray="([^"]+)"/.exec(line)?.[1]]);
    for (const pair of [0, 1, 2, 3]) {
      const [data, made] = strokes.slice(2 * pair, 2 * pair + 2);
      expect(made?.[0]).toBe(data?.[0]);
      expect(made?.[1]).not.toBe(data?.[1]);
    }
    expect(new Set(strokes.map(([colour]) => colour)).size).toBe(4);
    const far: Rows = { shape: [5, 2], data: Array.from({ length: 10 }, (_, i) => 10 + i) };
    const plane = svg(await drawReconstructions("x", rows(5, 2), far, { kind: "plane" }));
    expect(plane.match(/<line[^>]*stroke="#999"/g)).toHaveLength(5);
    expect(svg(await drawRows("x", rows(5, 2), { kind: "plane" }, { data: far }))).not.toContain('stroke="#999"');
  });
});

describe("turning clouds", () => {
  it("turn about the vertical: after half a turn what was right is left, and heights stay", () => {
    const rows: Rows = { shape: [1, 1, 3], data: [0.6, 0, -0.6 * Math.tan(Math.PI / 6)] };
    const dark = (turn: number): readonly [number, number] => {
      const [tile] = cloudTiles(rows, 1.1, { size: 100, turn });
      const at = tile?.data.findIndex((v) => v < 200) ?? -1;
      return [Math.floor(at / 300), Math.floor((at % 300) / 3)];
    };
    const [[line, column], [, other]] = [dark(0), dark(Math.PI)];
    expect(column - 50).toBeGreaterThan(10);
    expect(Math.abs(column + other - 99)).toBeLessThanOrEqual(1);
    expect(dark(2 * Math.PI)).toEqual([line, column]);
    const up = (turn: number): number => {
      const [tile] = cloudTiles({ shape: [1, 1, 3], data: [0, 0.7, 0] }, 1.1, { size: 100, turn });
      return Math.floor((tile?.data.findIndex((v) => v < 200) ?? -1) / 300);
    };
    expect(up(1)).toBe(up(0));
  });

  it("are an animated PNG whose frames are the pictures, and whose first is what others see", () => {
    const rows: Rows = { shape: [2, 3, 3], data: Array.from({ length: 18 }, (_, i) => Math.sin(5 * i)) };
    const look = { kind: "cloud", reach: 1.5 } as const;
    const drawing = drawTurning(rows, look, { frames: 3, columns: 2 });
    const bytes = drawing?.content as Uint8Array;
    const expected = [0, 1, 2].map((i) => grid(cloudTiles(rows, 1.5, { turn: (2 * Math.PI * i) / 3 }), 2));
    const first = parsePng({ path: "turning.png", bytes });
    const grey = (raster: (typeof expected)[number] | undefined): readonly number[] =>
      Array.from(raster?.data ?? []).filter((_, i) => i % 3 === 0);
    expect(Array.from(first.data)).toEqual(grey(expected[0]));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const found: number[][] = [];
    for (let at = 8; at < bytes.length; at += 12 + view.getUint32(at)) {
      const name = Buffer.from(bytes.subarray(at + 4, at + 8)).toString("latin1");
      if (name !== "fdAT") continue;
      const lines = inflateSync(bytes.subarray(at + 12, at + 8 + view.getUint32(at)));
      found.push([...lines].filter((_, i) => i % (first.width + 1) !== 0));
    }
    expect(found).toEqual(expected.slice(1).map(grey));
  });

  it("are drawn of clouds in space alone", () => {
    expect(drawTurning({ shape: [1, 2, 2], data: [0, 0, 1, 1] }, { kind: "cloud", reach: 1 })).toBeUndefined();
    expect(drawTurning({ shape: [1, 2], data: [0, 0] }, { kind: "plane" })).toBeUndefined();
  });
});
