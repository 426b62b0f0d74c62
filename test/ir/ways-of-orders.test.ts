/** What a refused order tells: the step that is wrong, not one that is made good behind it, and a way out that is proven. */
import { describe, expect, test } from "vitest";
import { compile } from "../../src/compile.js";

const diagnosed = (text: string) => compile({ path: "m.gm", text }, {}).diagnostics.filter((d) => d.severity === "error");
const model = (x: string, dist: string): string => `model M(T = 4) {
    data x : ${x}
    density p(x) { x ~ ${dist} }
    train { maximize log p(x) }
  }`;

describe("several numbers for each entry that are made flat before a masked layer", () => {
  const way = "without `flatten` before it keeps the numbers of an entry of `x` together";
  test("of categories", () => {
    const [error] = diagnosed(model("category[3][T]", "Categorical(logits = onehot(x) |> flatten |> masked_dense(T, channels = 3))"));
    expect(error?.code).toBe("GM3721");
    const help = error!.help.join("\n");
    expect(help).toContain(way);
    expect(help).not.toMatch(/made_values_given|pad\(x/u);
    expect(diagnosed(model("category[3][T]", "Categorical(logits = onehot(x) |> masked_dense(3))"))).toEqual([]);
  });

  const later = "concat(zeros(1, 3), (x[1..1] |> flatten |> dense(9) |> reshape(3, 3)), axis = 1)";
  test("of a net of the first entry, at the places after it: all that follow keep the order", () => {
    for (const net of ["flatten |> masked_dense(T, channels = 3) |> dense(2)", "masked_dense(3) |> dense(2)", "dense(2)"])
      expect(diagnosed(model("real[T, 2]", `Normal(${later} |> ${net}, 1)`))).toEqual([]);
  });

  test("of a dense layer on all entries: that is", () => {
    const [error] = diagnosed(model("real[T, 2]", `Normal(x |> flatten |> dense(8) |> reshape(T, 2) |> dense(2), 1)`));
    expect(error!.help.join("\n")).toContain("`masked_dense` in place of `dense` reads the entries in an order");
  });
});

describe("what is wrong in a layer of the library is shown where its net is used", () => {
  const flowOf = (net: string): string => `model M(D = 4) {
    data x : real[4]
    latent z : real[4]
    flow f on real[D] = masked_autoregressive(${net})
    density p(x, z) { z ~ Normal(0, 1)  x = f(z) }
    train { maximize log p(x) }
  }`;
  test.each([
    ["GM2086", model("binary[4]", "Bernoulli(logits = made(x, [8], order = [1, 2, 3]))"), "made(x, [8], order = [1, 2, 3])"],
    ["GM2086", flowOf("made_values([8], order = [1, 2, 3])"), "made_values([8], order = [1, 2, 3])"],
    ["GM3722", model("binary[4]", 'Bernoulli(logits = made(x, [8], order = "reverse") + made(x, [6]))'), "made(x, [6])"],
  ])("%s in %s", (code, text, use) => {
    const [error] = diagnosed(text);
    expect(error?.code).toBe(code);
    const [primary] = error!.labels;
    expect(primary!.span.file.path).toBe("m.gm");
    expect(text.slice(primary!.span.start).startsWith(use)).toBe(true);
    expect(primary!.text).toContain("in this use of `made");
  });
  test("an order that does not count its places, before it is compared with those of other layers", () => {
    for (const [order, why] of [
      ["[1, 2, 3]", "it holds 3 of 4 places"],
      ["[1, 2, 3, 5]", "5 is none of the places 1 to 4"],
      ["[1, 2, 3, 4, 5]", "5 is none of the places 1 to 4"],
    ]) {
      const [error] = diagnosed(
        model("binary[4]", `Bernoulli(logits = x |> masked_dense(8, order = ${order}) |> relu |> masked_dense(4))`),
      );
      expect(error!.code).toBe("GM2086");
      expect(error!.message).toContain(why);
      expect(error!.help.join("\n")).toMatch(/each of (the places )?1 to 4 once/u);
    }
  });
  test("both of two uses whose orders differ", () => {
    const [error] = diagnosed(model("binary[4]", 'Bernoulli(logits = made(x, [8], order = "reverse") + made(x, [6]))'));
    expect(error!.labels.map(({ text }) => text)).toEqual([
      'in the order "natural", in this use of `made`',
      'in the order "reverse", in this use of `made`',
      "by this layer",
    ]);
  });
});
