import { it } from "vitest";
import { readFileSync } from "node:fs";
import { loadModel } from "/work/wt/discrete/test/support/model.js";
it("shows", () => {
  const text = readFileSync("/tmp/sbn.gm", "utf8");
  for (const by of (process.env["BYS"] ?? "score").split(";")) {
    try {
      const l = loadModel(text.replace("by score", by === "" ? "" : "by " + by));
      console.log("=== " + by + "\n" + l.ts.slice(l.ts.indexOf("/**\n * ELBO")), "\n");
    } catch (e) { console.log("=== " + by + "\n" + (e as Error).message); }
  }
});
