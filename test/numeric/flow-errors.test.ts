/** What bijections refuse, where they are built or staged. */
import { describe, expect, test } from "vitest";
import * as gmc from "../../src/runtime/index.js";
import type { Shape, Tensor } from "../../src/runtime/index.js";

describe("errors", () => {
  const caught = (fn: () => unknown): gmc.GmcError => {
    let error: unknown;
    try {
      gmc.stage({}, () => (fn(), {}));
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(gmc.GmcError);
    return error as gmc.GmcError;
  };
  const z = (shape: Shape): Tensor => gmc.zeros(shape);
  const cases: readonly [string, string, () => unknown, RegExp][] = [
    [
      "GM4020",
      "planar backwards",
      () => gmc.planar({} as never, { event: [2] }).inverse(z([1, 2])),
      /planar has no closed form from x to z/,
    ],
    ["GM4020", "sylvester backwards", () => gmc.sylvester({} as never, { event: [2] }).inverse(z([1, 2])), /sylvester has no closed form/],
    ["GM4020", "inverted planar forwards", () => gmc.invert(gmc.planar({} as never, { event: [2] })).forward(z([1, 2])), /from x to z/],
    ["GM4021", "nothing to chain", () => gmc.chain([]), /one bijection at least/],
    [
      "GM4021",
      "one entry has no half",
      () => gmc.coupling({ event: [1], net: (t) => t }).forward(z([2, 1])),
      /leaves nothing to keep of an event \[1\]/,
    ],
    ["GM4021", "no order", () => gmc.permute({ event: [3], order: [0, 0, 1] }), /is no order of 3 entries/],
    ["GM4021", "no order of a MAF", () => gmc.maskedAutoregressive({ event: [3], order: [1, 2, 3], net: (t) => t }), /is no order of 3/],
    [
      "GM4021",
      "MAF of images",
      () => gmc.maskedAutoregressive({ event: [2, 3], net: (t) => t }),
      /maps vectors \[D\], and the event is \[2, 3\]/,
    ],
    ["GM4021", "blocks that do not divide", () => gmc.squeezeFlow({ event: [2, 2, 6] }), /do not divide into blocks of 2 x 2/],
    ["GM4021", "too many of m", () => gmc.sylvester.spec([3], 4), /m is a whole number from 1 to 3/],
    ["GM4021", "triangular m", () => gmc.sylvester.spec([3], 2, { orthogonal: "triangular" }), /m is 3, the size of the event/],
    ["GM4021", "bins", () => gmc.splineCoupling({ event: [4], bins: 0, net: (t) => t }), /bins is a whole number from 1/],
    ["GM4021", "bound", () => gmc.splineCoupling({ event: [4], bound: -1, net: (t) => t }), /bound is a number above 0 and at most 1000/],
    ["GM4021", "alpha", () => gmc.sigmoidFlow({ event: [4], alpha: 0.5 }), /alpha lies between 0 and 0.5/],
    ["GM4021", "alpha", () => gmc.dequantizeFlow({ event: [4], alpha: 0.5, key: gmc.rootKey() }), /alpha lies between 0 and 0.5/],
    ["GM4021", "levels", () => gmc.dequantizeFlow({ event: [4], levels: 1, key: gmc.rootKey() }), /levels is a whole number from 2/],
    ["GM4021", "an odd half", () => gmc.multiScale({ event: [3], inner: gmc.reverseFlow({ event: [1] }) }), /does not divide into 1.5/],
    [
      "GM4021",
      "an inner event of another size",
      () => gmc.multiScale({ event: [4], innerEvent: [3], inner: gmc.reverseFlow({ event: [3] }) }),
      /does not hold the entries/,
    ],
    ["GM4901", "a value of another event", () => gmc.reverseFlow({ event: [3] }).forward(z([2, 4])), /does not end so/],
    [
      "GM4901",
      "a net of another size",
      () => gmc.coupling({ event: [4], net: (t) => t }).forward(z([2, 4])),
      /does not end with \[4\]: 2 for each of 2/,
    ],
    [
      "GM4901",
      "a MAF's net of another size",
      () => gmc.maskedAutoregressive({ event: [4], net: (t) => t }).inverse(z([2, 4])),
      /\[\.\.\., 4, 2\] is needed/,
    ],
  ];
  for (const [code, what, fn, message] of cases) {
    test(`${code}: ${what}`, () => {
      const error = caught(fn);
      expect([error.code, error.message]).toEqual([code, expect.stringMatching(message)]);
    });
  }
});
