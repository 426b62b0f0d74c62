/** Readers of array files against files that NumPy wrote and bytes laid out by hand; truncation at every byte; hostile headers. */
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  inflateSource,
  npzNames,
  parseBits,
  parseIdx,
  parseMat4,
  parseNpy,
  parseNpz,
  parseNpzArray,
  webInflate,
  type DataArray,
} from "../../src/runtime/data/index.js";
import { GmcError } from "../../src/runtime/graph/errors.js";
import { numpyFile } from "./numpy-files.js";

const counting = Array.from({ length: 24 }, (_, i) => i);
const values = (array: DataArray): number[] => Array.from(array.data);
const npy = (name: Parameters<typeof numpyFile>[0]): DataArray => parseNpy({ path: "a.npy", bytes: numpyFile(name) });

function caught(run: () => unknown): GmcError {
  try {
    run();
  } catch (error) {
    if (error instanceof GmcError) return error;
    throw error;
  }
  throw new Error("expected a GmcError");
}

async function rejected(promise: Promise<unknown>): Promise<GmcError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof GmcError) return error;
    throw error;
  }
  throw new Error("expected a GmcError");
}

const idxBytes = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, ...counting);

describe("npy", () => {
  it("reads every element type, both byte and memory orders, versions 1 to 3", () => {
    expect(npy("f4")).toMatchObject({ shape: [2, 3, 4], dtype: "f32" });
    expect(values(npy("f4"))).toEqual(counting);
    expect(npy("f8Fortran").dtype).toBe("f64");
    expect(values(npy("f8Fortran"))).toEqual(counting);
    expect(values(npy("i4Big"))).toEqual(counting);
    expect(values(npy("version2"))).toEqual(counting);
    expect(npy("version3").dtype).toBe("i8");
    expect(values(npy("version3"))).toEqual(counting.map((v) => v - 12));
    expect(values(npy("b1"))).toEqual([1, 0, 1]);
    expect(values(npy("f2"))).toEqual([0, 1, -2.5, 65504, 2 ** -24, Infinity]);
    expect(npy("i8")).toMatchObject({ shape: [2, 2], dtype: "i32" });
    expect(values(npy("i8"))).toEqual([1, -2, 2 ** 31 - 1, -(2 ** 31)]);
    expect(npy("i8Wide").dtype).toBe("f64");
    expect(values(npy("i8Wide"))).toEqual([2 ** 40, -(2 ** 40)]);
    expect(npy("scalar")).toMatchObject({ shape: [] });
    expect(npy("empty")).toMatchObject({ shape: [0, 784] });
  });

  it("refuses what no number can hold, with a way out", () => {
    for (const name of ["text", "record", "i8TooWide"] as const) {
      const error = caught(() => npy(name));
      expect(error.code).toBe("GM5004");
      expect(error.help.length).toBeGreaterThan(0);
    }
  });

  it("names path and offset wherever the file is cut", () => {
    const bytes = numpyFile("f4");
    for (let length = 0; length < bytes.length; length++) {
      const error = caught(() => parseNpy({ path: "cut.npy", bytes: bytes.subarray(0, length) }));
      expect(error.code).toBe("GM5002");
      expect(error.message).toMatch(/^cut\.npy: cut short at byte \d+: expected .+, found .+/);
    }
  });

  it("refuses trailing bytes", () => {
    const error = caught(() => parseNpy({ path: "long.npy", bytes: Uint8Array.of(...numpyFile("f4"), 7) }));
    expect(error.message).toContain("1 more byte");
  });

  it("turns a matrix that is stored by columns", () => {
    const text = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n";
    const bytes = Uint8Array.of(0x93, ...Buffer.from("NUMPY"), 1, 0, text.length, 0, ...Buffer.from(text), 1, 4, 2, 5, 3, 6);
    const { shape, data } = parseNpy({ path: "m.npy", bytes });
    expect(shape).toEqual([2, 3]);
    expect(Array.from(data)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("believes no header: huge shapes cost nothing", () => {
    const header = (shape: string): Uint8Array => {
      const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }\n`;
      return Uint8Array.of(0x93, ...Buffer.from("NUMPY"), 1, 0, text.length, 0, ...Buffer.from(text));
    };
    expect(caught(() => parseNpy({ path: "h.npy", bytes: header("(4294967296, 4294967296, 4294967296)") })).code).toBe("GM5008");
    expect(caught(() => parseNpy({ path: "h.npy", bytes: header("(2000000000,)") })).code).toBe("GM5002");
    expect(caught(() => parseNpy({ path: "h.npy", bytes: header("(-1,)") })).code).toBe("GM5003");
    expect(caught(() => parseNpy({ path: "h.npy", bytes: header(`(${"1,".repeat(40)})`) })).code).toBe("GM5003");
    expect(caught(() => parseNpy({ path: "h.npy", bytes: header("(1, 1), 'shape': (2,), 'evil': 1") })).code).toBe("GM5003");
  });

  it("never throws anything but a GmcError on changed bytes", () => {
    const bytes = numpyFile("f4");
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = bytes.slice();
        changed[at] = value;
        try {
          parseNpy({ path: "x.npy", bytes: changed });
        } catch (error) {
          expect(error).toBeInstanceOf(GmcError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("npz", () => {
  const source = (name: "npz" | "npzCompressed") => ({ path: "a.npz", bytes: numpyFile(name) });

  it("reads stored and deflated members", async () => {
    for (const name of ["npz", "npzCompressed"] as const) {
      expect(npzNames(source(name))).toEqual(["images", "labels"]);
      const arrays = await parseNpz(source(name), webInflate);
      expect(values(arrays["images"]!)).toEqual(counting);
      expect(values(arrays["labels"]!)).toEqual([1, 0]);
    }
  });

  it("suggests a member for a wrong name", async () => {
    const error = await rejected(parseNpzArray(source("npz"), "image", webInflate));
    expect(error.code).toBe("GM5007");
    expect(error.help).toEqual(["did you mean images?"]);
  });

  it("is an error wherever the archive is cut", async () => {
    const bytes = numpyFile("npzCompressed");
    for (let length = 0; length < bytes.length; length++) {
      const error = await rejected(parseNpz({ path: "cut.npz", bytes: bytes.subarray(0, length) }, webInflate));
      expect(error.message).toMatch(/^cut\.npz/);
    }
  });

  it("finds every changed byte of a member by its checksum, and throws nothing but a GmcError", async () => {
    const bytes = numpyFile("npz");
    const changed = bytes.slice();
    changed[200]! ^= 1;
    expect((await rejected(parseNpz({ path: "bad.npz", bytes: changed }, webInflate))).code).toBe("GM5005");
    for (let at = 0; at < bytes.length; at++) {
      const flipped = numpyFile("npzCompressed");
      if (at >= flipped.length) break;
      flipped[at]! ^= 0xff;
      await parseNpz({ path: "bad.npz", bytes: flipped }, webInflate).catch((error: unknown) => expect(error).toBeInstanceOf(GmcError));
    }
  });
});

describe("IDX", () => {
  it("reads bytes and big-endian floats", () => {
    expect(parseIdx({ path: "a.idx", bytes: idxBytes })).toMatchObject({ shape: [2, 3, 4], dtype: "u8" });
    expect(values(parseIdx({ path: "a.idx", bytes: idxBytes }))).toEqual(counting);
    const floats = Uint8Array.of(0, 0, 0x0d, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0);
    expect(values(parseIdx({ path: "f.idx", bytes: floats }))).toEqual([1, -2.5]);
  });

  it("unpacks gzip and says where damage is", async () => {
    const packed = { path: "a-idx3-ubyte.gz", bytes: numpyFile("idxGzip") };
    expect(await inflateSource(packed, "gzip", webInflate)).toEqual(idxBytes);
    expect(gunzipSync(packed.bytes)).toEqual(Buffer.from(idxBytes));
    for (let length = 0; length < packed.bytes.length; length++) {
      const error = await rejected(inflateSource({ ...packed, bytes: packed.bytes.subarray(0, length) }, "gzip", webInflate));
      expect(error.code).toBe("GM5005");
      expect(error.message).toContain(`${length} compressed bytes`);
    }
  });

  it("refuses to unpack without end", async () => {
    const bomb = Uint8Array.from(gzipSync(new Uint8Array(1 << 22)));
    expect((await rejected(inflateSource({ path: "bomb.gz", bytes: bomb }, "gzip", webInflate, 1000))).message).toContain("more than 1000");
  });

  it("names path and offset wherever the file is cut", () => {
    for (let length = 0; length < idxBytes.length; length++) {
      const error = caught(() => parseIdx({ path: "cut.idx", bytes: idxBytes.subarray(0, length) }));
      expect(error.code).toBe("GM5002");
      expect(error.message).toContain(`cut.idx: cut short at byte`);
    }
    expect(caught(() => parseIdx({ path: "cut.idx", bytes: idxBytes.subarray(0, 30) })).message).toBe(
      "cut.idx: cut short at byte 30: expected 24 bytes of u8 values for shape [2, 3, 4], found 14 bytes after the header",
    );
  });

  it("refuses wrong magic numbers, sizes past all bounds and trailing bytes", () => {
    const changed = (at: number, value: number): Uint8Array => idxBytes.with(at, value);
    expect(caught(() => parseIdx({ path: "a", bytes: changed(0, 1) })).code).toBe("GM5003");
    expect(caught(() => parseIdx({ path: "a", bytes: changed(2, 7) })).code).toBe("GM5003");
    expect(caught(() => parseIdx({ path: "a", bytes: changed(3, 0) })).code).toBe("GM5003");
    expect(caught(() => parseIdx({ path: "a", bytes: changed(3, 200) })).code).toBe("GM5003");
    expect(caught(() => parseIdx({ path: "a", bytes: changed(4, 255) })).code).toBe("GM5008");
    expect(caught(() => parseIdx({ path: "a", bytes: Uint8Array.of(...idxBytes, 0) }))).toMatchObject({
      code: "GM5003",
      help: [expect.stringContaining("cut it off there")],
    });
    expect(caught(() => parseNpy({ path: "a.npy", bytes: Uint8Array.from(Buffer.from("hello world")) })).help.join()).toContain("np.save");
    expect(caught(() => parseNpy({ path: "a.npy", bytes: Uint8Array.of(0x93, ...Buffer.from("NUMPY"), 9, 0) })).help).toHaveLength(1);
    expect(caught(() => parseIdx({ path: "a.idx", bytes: Uint8Array.from(gzipSync(idxBytes)) })).help[0]).toContain(".gz");
  });
});

describe("packed bits", () => {
  it("unpacks the highest bit first, rows padded to bytes", () => {
    const array = parseBits({ path: "a.bits", bytes: Uint8Array.of(0b10100000, 0b11000000, 0b00000001, 0b01000000) }, 10);
    expect(array).toMatchObject({ shape: [2, 10], dtype: "bool" });
    expect(values(array)).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
  });

  it("refuses a part of a row", () => {
    expect(caught(() => parseBits({ path: "a.bits", bytes: new Uint8Array(5) }, 10)).code).toBe("GM5002");
  });
});

describe("MATLAB 4", () => {
  const file = (littleEndian: boolean): Uint8Array => {
    const view = new DataView(new ArrayBuffer(20 + 2 + 48));
    [littleEndian ? 0 : 1000, 2, 3, 0, 2].forEach((word, i) => view.setUint32(4 * i, word, littleEndian));
    view.setUint8(20, 0x41);
    [1, 4, 2, 5, 3, 6].forEach((value, i) => view.setFloat64(22 + 8 * i, value, littleEndian));
    return new Uint8Array(view.buffer);
  };

  it("reads both byte orders, from column order", () => {
    for (const littleEndian of [true, false]) {
      const arrays = parseMat4({ path: "a.mat", bytes: file(littleEndian) });
      expect(arrays["A"]).toMatchObject({ shape: [2, 3], dtype: "f64" });
      expect(values(arrays["A"]!)).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });

  it("is an error wherever the file is cut, and for later versions", () => {
    const bytes = file(false);
    for (let length = 0; length < bytes.length; length++) {
      expect(caught(() => parseMat4({ path: "cut.mat", bytes: bytes.subarray(0, length) })).message).toContain("cut.mat");
    }
    expect(caught(() => parseMat4({ path: "v5.mat", bytes: new Uint8Array(Buffer.from("MATLAB 5.0 MAT-file")) })).code).toBe("GM5004");
  });
});
