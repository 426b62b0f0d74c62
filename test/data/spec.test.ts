/** The text of --data: its forms, its options, its mistakes. */
import { describe, expect, it } from "vitest";
import { parseDataSpec } from "../../src/runtime/data/index.js";
import { GmcError } from "../../src/runtime/graph/errors.js";

function mistake(text: string): GmcError {
  try {
    parseDataSpec(text);
  } catch (error) {
    if (error instanceof GmcError) return error;
    throw error;
  }
  throw new Error(`${text} was accepted`);
}

describe("data specification", () => {
  it("takes a registered name with options", () => {
    const spec = parseDataSpec("mnist:binarize=fixed:validation=10000:limit=500");
    expect(spec.items).toEqual([{ variable: undefined, split: "train", source: "mnist", part: undefined, options: { binarize: "fixed" } }]);
    expect(spec.splits).toEqual({ validation: 10000, limit: 500 });
  });

  it("takes files by variable and split", () => {
    const spec = parseDataSpec("x=train.npy, y=labels.csv#kind:header=no, x.test=dir/test.npz#images:scale=none");
    expect(spec.items.map((item) => [item.variable, item.split, item.source, item.part])).toEqual([
      ["x", "train", "train.npy", undefined],
      ["y", "train", "labels.csv", "kind"],
      ["x", "test", "dir/test.npz", "images"],
    ]);
    expect(spec.items[1]!.options).toEqual({ header: false });
    expect(parseDataSpec("θ=a.npy").items[0]!.variable).toBe("θ");
  });

  it("takes quoted paths and drive letters", () => {
    expect(parseDataSpec('x="odd,name:1#2.npy":max=16').items[0]).toMatchObject({ source: "odd,name:1#2.npy", options: { maximum: 16 } });
    expect(parseDataSpec("x=C:\\data\\a.npy:scale=minmax").items[0]).toMatchObject({
      source: "C:\\data\\a.npy",
      options: { scale: "minmax" },
    });
  });

  it("reads every option", () => {
    const { items, splits } = parseDataSpec(
      "a.csv:threshold=0.3:binarize-seed=7:delimiter=tab:width=12:size=28x20:rows=10:noise=0:seed=3:test=0.2:split=tail:split-seed=4",
    );
    expect(items[0]!.options).toEqual({
      threshold: 0.3,
      binarizeSeed: 7,
      delimiter: "\t",
      width: 12,
      size: [28, 20],
      rows: 10,
      noise: 0,
      seed: 3,
    });
    expect(splits).toEqual({ test: 0.2, split: "tail", splitSeed: 4 });
  });

  it("explains mistakes", () => {
    expect(mistake("mnist:binarise=fixed")).toMatchObject({ code: "GM5013", help: ["did you mean binarize?"] });
    expect(mistake("mnist:binarize=maybe").message).toContain("takes one of dynamic, fixed, threshold, not maybe");
    expect(mistake("mnist:limit=-1").message).toContain("a whole number from 1 on");
    expect(mistake("mnist:limit").message).toContain("not nothing");
    expect(mistake("mnist:__proto__=1").code).toBe("GM5013");
    expect(mistake("x.tset=a.npy")).toMatchObject({ code: "GM5012", help: ["did you mean test?"] });
    expect(mistake("x=a.npy,x=b.npy").message).toContain("x.train is given twice");
    expect(mistake("x=a.npy,").message).toContain("an item is empty");
    expect(mistake('x="a.npy').message).toContain("not closed");
    expect(mistake("x=").message).toContain("names no file");
    expect(mistake("a.csv:test=5,b.csv:test=6").message).toContain("test is given as 5 and as 6");
  });
});
