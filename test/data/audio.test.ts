/** Sound: every encoding of a wave file, cuts at each byte, G.711's curve, another rate against the sampled function itself, windows. */
import { mkdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encodeWav, fromMuLaw, muLaw, parseWav, resample } from "../../src/runtime/data/index.js";
import { category, real } from "../../src/runtime/model.js";
import { loadDataset } from "../../src/runtime/node/datasets.js";
import { mistake, temporaryFolder, write } from "../node/support.js";

/** A wave file laid out by hand. */
function wave(format: number, bits: number, channels: number, data: readonly number[], rate = 8000): Uint8Array {
  const extended = format === 0xfffe;
  const u16 = (v: number): number[] => [v & 255, v >> 8];
  const u32 = (v: number): number[] => [...u16(v & 65535), ...u16(Math.floor(v / 65536))];
  const text = (t: string): number[] => [...t].map((c) => c.charCodeAt(0));
  const block = (bits / 8) * channels;
  const fmt = [...u16(format), ...u16(channels), ...u32(rate), ...u32(rate * block), ...u16(block), ...u16(bits)];
  if (extended) fmt.push(...u16(22), ...u16(bits), ...u32(4), ...u16(1), ...Array.from({ length: 14 }, () => 0));
  // a chunk of odd size between, with its padding
  const other = [...text("LIST"), ...u32(3), 1, 2, 3, 0];
  const body = [...text("WAVE"), ...text("fmt "), ...u32(fmt.length), ...fmt, ...other, ...text("data"), ...u32(data.length), ...data];
  return Uint8Array.from([...text("RIFF"), ...u32(body.length), ...body]);
}
const samples = (bytes: Uint8Array): number[] => Array.from(parseWav({ path: "a.wav", bytes }).samples);
const floats = (...values: number[]): number[] => [...new Uint8Array(Float32Array.from(values).buffer)];

describe("wave files", () => {
  it("reads PCM of 8 to 32 bits and floats, and takes the mean of channels", () => {
    expect(samples(wave(1, 8, 1, [0, 128, 255, 192]))).toEqual([-1, 0, 127 / 128, 0.5]);
    expect(samples(wave(1, 16, 1, [0, 128, 255, 255, 0, 64]))).toEqual([-1, -1 / 32768, 0.5]);
    expect(samples(wave(1, 24, 1, [0, 0, 128, 255, 255, 255, 0, 0, 64]))).toEqual([-1, Math.fround(-1 / 2 ** 23), 0.5]);
    expect(samples(wave(1, 32, 1, [0, 0, 0, 128, 0, 0, 0, 64]))).toEqual([-1, 0.5]);
    expect(samples(wave(3, 32, 1, floats(0.25, -1.5)))).toEqual([0.25, -1.5]);
    expect(samples(wave(3, 64, 1, [...new Uint8Array(Float64Array.of(0.1).buffer)]))).toEqual([Math.fround(0.1)]);
    expect(samples(wave(1, 16, 2, [0, 64, 0, 32, 0, 0, 0, 64]))).toEqual([0.375, 0.25]);
    expect(samples(wave(0xfffe, 16, 1, [0, 64]))).toEqual([0.5]);
    expect(parseWav({ path: "a.wav", bytes: wave(1, 8, 1, [], 44_100) }).rate).toBe(44_100);
  });

  it("refuses cut, damaged and compressed ones", async () => {
    const whole = wave(1, 16, 1, [1, 2, 3, 4]);
    for (let length = 0; length < whole.length; length++)
      expect((await mistake(() => parseWav({ path: "cut.wav", bytes: whole.subarray(0, length) }))).code).toBe("GM5002");
    expect(await mistake(() => parseWav({ path: "a.wav", bytes: whole.with(0, 65) }))).toMatchObject({ code: "GM5003" });
    const adpcm = await mistake(() => parseWav({ path: "a.wav", bytes: wave(2, 4, 1, [1, 2]) }));
    expect(adpcm).toMatchObject({ code: "GM5004", message: "a.wav: waves of format 2 and 4 bits are not read" });
  });

  it("writes what it reads, and clips", () => {
    const values = [-1, -0.5, 0, 1 / 32768, 32767 / 32768];
    const back = parseWav({ path: "b.wav", bytes: encodeWav({ rate: 16_000, samples: values }) });
    expect([back.rate, ...back.samples]).toEqual([16_000, ...values]);
    const two = encodeWav({ rate: 8000, samples: [2, -2] });
    expect(samples(two)).toEqual([32767 / 32768, -1]);
    // a header of 44 bytes, and the length of what follows the first 8
    expect([two.length, new DataView(two.buffer).getUint32(4, true)]).toEqual([48, 40]);
  });
});

describe("mu-law", () => {
  it("is G.711's curve in equal steps", () => {
    expect([muLaw(-1), muLaw(0), muLaw(1), muLaw(-7), muLaw(7)]).toEqual([0, 128, 255, 0, 255]);
    // F(x) = ln(1 + 255 x) / ln 256 is 1/2 at x = 15/255
    expect([muLaw(15 / 255 - 1e-6), muLaw(15 / 255 + 1e-6)]).toEqual([191, 192]);
    expect([muLaw(-15 / 255 - 1e-6), muLaw(-15 / 255 + 1e-6)]).toEqual([63, 64]);
  });

  it("comes back within its step, at every code", () => {
    for (const levels of [256, 16]) for (let code = 0; code < levels; code++) expect(muLaw(fromMuLaw(code, levels), levels)).toBe(code);
    // the step at the sample x is (1 + mu |x|) ln(1 + mu) / mu * 2 / levels wide
    for (let x = -0.99; x < 1; x += 0.0137) {
      const step = (((1 + 255 * Math.abs(x)) * Math.log(256)) / 255) * (2 / 256);
      expect(Math.abs(fromMuLaw(muLaw(x)) - x)).toBeLessThan(0.52 * step);
    }
  });
});

describe("another rate", () => {
  const tone = (rate: number, hertz: number, seconds = 0.25): Float32Array =>
    Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate + 0.3));

  it.each([
    [8000, 16_000, 1000],
    [16_000, 8000, 1000],
    [44_100, 16_000, 3000],
    [8000, 11_025, 2500],
  ])("%i to %i Hz keeps a tone of %i Hz", (from, to, hertz) => {
    const { rate, samples: got } = resample({ rate: from, samples: tone(from, hertz) }, to);
    const wanted = tone(to, hertz);
    expect(rate).toBe(to);
    // away from the ends, beyond which there is silence
    const edge = Math.ceil((40 * Math.max(from, to)) / from);
    let worst = 0;
    for (let i = edge; i < wanted.length - edge; i++) worst = Math.max(worst, Math.abs(got[i]! - wanted[i]!));
    expect(worst).toBeLessThan(1e-3);
  });

  it("takes out what the lower rate cannot hold", () => {
    const { samples: got } = resample({ rate: 16_000, samples: tone(16_000, 6000) }, 8000);
    expect(Math.max(...got.subarray(100, got.length - 100).map(Math.abs))).toBeLessThan(1e-3);
  });
});

describe("recordings as rows", () => {
  const sound = (rate: number, count: number, value = 0): Uint8Array =>
    encodeWav({ rate, samples: Array.from({ length: count }, (_, i) => value + i / 1000) });

  it("cuts windows, and codes them for a category", async () => {
    const base = temporaryFolder();
    write(base, "a.wav", sound(8000, 25));
    const data = await loadDataset("a.wav:width=10", [{ x: real([10]) }], { base });
    const column = data.streams[0]!.splits.train.columns["x"]!;
    expect(column.audio).toEqual({ rate: 8000 });
    expect(Array.from(column.source, (v) => Math.round(v * 1000))).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(data.provenance).toContain(
      "x: 2 windows of 10 samples of 1 recording at 8000 Hz, whole numbers v of 16 bits as v/32768, 20 in 100 samples left out at the ends",
    );
    const codes = await loadDataset("x=a.wav:width=10", [{ x: category(256, [10]) }], { base });
    const coded = codes.streams[0]!.splits.train.columns["x"]!;
    expect(coded.audio).toEqual({ rate: 8000, levels: 256 });
    expect(coded.source[15]).toBe(muLaw(15 / 1000));
    expect(codes.provenance.at(-1)).toMatch(/mu-law codes of 256 levels \(mu = 255, as in G\.711\)/);
    const few = await loadDataset("x=a.wav:width=10", [{ x: category(16, [10]) }], { base });
    expect(few.provenance.at(-1)).toMatch(/mu-law codes of 16 levels \(mu = 15\)/);
  });

  it("labels a folder by its subfolders, of one rate or brought to one", async () => {
    const base = temporaryFolder();
    for (const name of ["no", "yes"]) mkdirSync(`${base}/words/${name}`, { recursive: true });
    write(base, "words/no/1.wav", sound(8000, 20));
    write(base, "words/yes/1.wav", sound(16_000, 20));
    const streams = [{ x: real([10]), y: category(2) }];
    const mixed = await mistake(() => loadDataset("words/:width=10", streams, { base }));
    expect(mixed).toMatchObject({ code: "GM5213", help: ["bring them to one rate: add :rate=8000"] });
    expect(mixed.message).toMatch(/no.1\.wav has 8000 samples a second, .*yes.1\.wav has 16000/);
    const data = await loadDataset("words/:width=10:rate=8000", streams, { base });
    expect(Array.from(data.streams[0]!.splits.train.columns["y"]!.source)).toEqual([0, 0, 1]);
    expect(data.provenance.join()).toContain("resampled from 16000 Hz");
  });

  it("of several splits have one rate, and the protocol tells of each", async () => {
    const base = temporaryFolder();
    write(base, "a.wav", sound(8000, 40));
    write(base, "b.wav", sound(16_000, 40));
    const streams = [{ x: real([10]) }];
    for (const split of ["test", "validation"]) {
      const mixed = await mistake(() => loadDataset(`x=a.wav,x.${split}=b.wav`, streams, { base }));
      expect(mixed.code).toBe("GM5213");
      expect(mixed.message).toContain(`the training rows of x have 8000 samples a second, its ${split} rows 16000`);
      expect(mixed.help!.join()).toContain(`x.${split}=`);
      expect(mixed.help!.join()).toContain("b.wav:rate=8000");
      const one = await loadDataset(`x=a.wav,x.${split}=b.wav:rate=8000`, streams, { base });
      expect(one.streams[0]!.splits[split as "test"]!.rows).toBe(2);
      expect(one.provenance.join("\n")).toMatch(
        new RegExp(`x: 4 windows.*\n.*x: ${split}: 2 windows .* at 8000 Hz, resampled from 16000 Hz`, "u"),
      );
    }
    const swapped = await loadDataset("x.test=b.wav,x=b.wav", streams, { base });
    expect(swapped.provenance.join("\n").match(/windows/gu)).toHaveLength(1);
  });

  it("beside other sound have its rate, or windows that last as long", async () => {
    const base = temporaryFolder();
    write(base, "a.wav", sound(8000, 40));
    write(base, "b.wav", sound(16_000, 80));
    const both = (width: number): Parameters<typeof loadDataset>[1] => [{ x: real([10]), y: real([width]) }];
    const mixed = await mistake(() => loadDataset("x=a.wav,y=b.wav", both(10), { base }));
    expect(mixed.code).toBe("GM5213");
    expect(mixed.message).toContain("x has 8000 samples a second and y 16000");
    expect(mixed.help!.join("\n")).toContain("b.wav:rate=8000");
    expect(mixed.help!.join("\n")).toContain("`y` of 20 samples beside 10 of `x`");
    expect((await loadDataset("x=a.wav,y=b.wav:rate=8000", both(10), { base })).streams[0]!.splits.train.rows).toBe(4);
    // at one rate, two windows each: the second ones start at 8 and at 10
    write(base, "c.wav", sound(8000, 20));
    const other = await mistake(() => loadDataset("x=c.wav,y=c.wav", [{ x: real([8]), y: real([10]) }], { base }));
    expect(other).toMatchObject({ code: "GM5213", message: expect.stringContaining("of different times") as string });
    expect(other.help!.join()).toContain("`x` of 10 samples");
    expect((await loadDataset("x=a.wav,y=b.wav", both(20), { base })).streams[0]!.splits.train.rows).toBe(4);
    const apart = await loadDataset("x=a.wav,y=b.wav", [{ x: real([10]) }, { y: real([10]) }], { base });
    expect(apart.streams.map(({ splits }) => splits.train.rows)).toEqual([4, 8]);
  });

  it("are told to be resampled where they are, and averaged where they have channels", async () => {
    const base = temporaryFolder();
    mkdirSync(`${base}/mixed`);
    for (const [i, rate] of [8000, 8000, 16_000].entries()) write(base, `mixed/${i}.wav`, sound(rate, 40));
    const note = async (spec: string): Promise<string> => (await loadDataset(spec, [{ x: real([10]) }], { base })).provenance.join();
    expect(await note("x=mixed:rate=8000")).toContain("3 recordings at 8000 Hz, 1 of them resampled from 16000 Hz");
    expect(await note("x=mixed:rate=4000")).toContain("at 4000 Hz, resampled from 8000, 16000 Hz");
    expect(await note("x=mixed:rate=4000")).not.toContain("channels");
    write(base, "two.wav", wave(1, 16, 2, new Array<number>(80).fill(1)));
    expect(await note("x=two.wav")).toContain("the mean of their 2 channels");
  });

  it("of a folder go to variables by name, sound and labels apart", async () => {
    const base = temporaryFolder();
    for (const name of ["no", "yes"]) mkdirSync(`${base}/words/${name}`, { recursive: true });
    write(base, "words/no/1.wav", sound(8000, 20));
    write(base, "words/yes/1.wav", sound(8000, 10, 0.5));
    mkdirSync(`${base}/flat`);
    write(base, "flat/1.wav", sound(8000, 25));
    const one = await loadDataset("x=flat:width=10", [{ x: real([10]) }], { base });
    const streams = [{ x: real([10]), y: category(2) }];
    const two = await loadDataset("x=words/:width=10,y=words/#labels:width=10", streams, { base });
    const first = (data: typeof one): number[] => Array.from(data.streams[0]!.splits.train.columns["x"]!.source, (v) => v * 1000);
    expect(first(one).map(Math.round)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(first(two).filter((_, i) => i % 10 === 0)).toEqual([0, 10, 500].map((v) => expect.closeTo(v, 1) as number));
    expect(Array.from(two.streams[0]!.splits.train.columns["y"]!.source)).toEqual([0, 0, 1]);
    const part = await mistake(() => loadDataset("x=words/#pictures:width=10", [{ x: real([10]) }], { base }));
    expect(part).toMatchObject({ code: "GM5007", message: "words/ offers sound and labels, not pictures" });
    expect((await mistake(() => loadDataset("x=flat,y=flat#labels", streams, { base }))).message).toBe("flat has no labels");
  });

  it("are as long as the variable, where no width is told", async () => {
    const base = temporaryFolder();
    mkdirSync(`${base}/words/no`, { recursive: true });
    write(base, "words/no/1.wav", sound(8000, 25));
    const rows = async (spec: string, ...streams: Parameters<typeof loadDataset>[1]): Promise<readonly unknown[]> =>
      (await loadDataset(spec, streams, { base })).streams.map(({ splits }) => splits.train.rows);
    const y = category(1);
    expect(await rows("words/", { x: real([10]), y })).toEqual([2]);
    expect(await rows("x=words/,y=words/#labels", { x: category(256, [6]), y })).toEqual([4]);
    expect(await rows("a=words/,b=words/", { a: real([10]) }, { b: real([5]) })).toEqual([2, 5]);
    // what is told holds
    expect((await mistake(() => rows("x=words/:width=5", { x: real([10]) }))).code).toBe("GM5021");
  });

  it("are whole numbers of the file, divided, where densities are told in their units", async () => {
    const base = temporaryFolder();
    const one = wave(1, 8, 1, [0, 64, 128, 192]);
    write(base, "byte.wav", one);
    write(base, "two.wav", wave(1, 16, 2, [0, 64, 0, 32, 0, 0, 0, 64]));
    write(base, "float.wav", wave(3, 32, 1, floats(0.25, -0.5)));
    write(base, "ten.wav", sound(8000, 10));
    const column = async (spec: string, variable = real([2])) => {
      const data = await loadDataset(spec, [{ x: variable }], { base });
      const { density } = data.streams[0]!.splits.train.columns["x"]!;
      return [density?.logJacobian, density?.wholeNumbers === true, data.provenance.at(-1)];
    };
    const close = (v: number): unknown => expect.closeTo(v, 9);
    // log |d x / d v| of x = v / 128 and v / 32768, two entries a row
    expect(await column("byte.wav")).toEqual([close(-2 * Math.log(128)), true, "x: samples in [-1, 1]"]);
    expect(await column("two.wav")).toEqual([close(-2 * Math.log(32768)), false, "x: samples in [-1, 1]"]);
    expect((await column("ten.wav:rate=4000")).slice(0, 2)).toEqual([close(-2 * Math.log(32768)), false]);
    expect((await column("float.wav")).slice(0, 2)).toEqual([0, false]);
    expect((await column("byte.wav", category(16, [2]))).slice(0, 2)).toEqual([undefined, false]);
    // brought from -1 .. 0.5 to 0 .. 1
    expect(await column("byte.wav:scale=minmax")).toEqual([
      close(-2 * Math.log(128) - 2 * Math.log(1.5)),
      true,
      "x: -1 .. 0.5, the range of all entries of the training rows, brought to 0 .. 1",
    ]);
  });

  it("says what is missing", async () => {
    const base = temporaryFolder();
    write(base, "a.wav", sound(8000, 25));
    const several = [{ a: real([10]), b: real([10]) }];
    expect(await mistake(() => loadDataset("a.wav", several, { base }))).toMatchObject({ code: "GM5013" });
    expect(await mistake(() => loadDataset("a.wav:width=26", [{ x: real([26]) }], { base }))).toMatchObject({
      code: "GM5214",
      help: ["take shorter windows: width=25"],
    });
  });
});
