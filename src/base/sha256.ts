/** SHA-256 of text, in lower-case hex; works in a browser, without asynchrony. */
import { sha256 as digest } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";

export function sha256(text: string): string {
  return bytesToHex(digest(utf8ToBytes(text)));
}
