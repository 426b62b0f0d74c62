/** SHA-256 against the examples of FIPS 180-4 and against Node's, at every length around a block. */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { sha256 } from "../../src/base/sha256.js";

it("agrees with the published examples", () => {
  expect(sha256("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect(sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")).toBe(
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  );
});

it("agrees with Node at every length, and for text that is not ASCII", () => {
  const node = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");
  for (let n = 0; n <= 260; n++) {
    const text = Array.from({ length: n }, (_, i) => String.fromCharCode(33 + ((7 * i + n) % 90))).join("");
    expect(sha256(text)).toBe(node(text));
  }
  const wide = "μ ≤ σ² 𝔼[log p(x | z)]\r\n".repeat(999);
  expect(sha256(wide)).toBe(node(wide));
});
