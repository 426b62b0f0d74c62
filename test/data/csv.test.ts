/** Tables of text: quotes, headers, delimiters, labels, missing cells, and errors with file and line. */
import { describe, expect, it } from "vitest";
import { parseCsv, parseDataSpec, tableArray, type CsvOptions, type Table } from "../../src/runtime/data/index.js";
import { GmcError } from "../../src/runtime/graph/errors.js";

const table = (text: string, options: CsvOptions = {}): Table =>
  parseCsv({ path: "t.csv", bytes: new TextEncoder().encode(text) }, options);

function message(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof GmcError) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error("expected a GmcError");
}

describe("csv", () => {
  it("finds header, delimiter and column kinds", () => {
    const t = table("sepal,petal,kind\r\n5.1,1.4,setosa\r\n6.2,4.5,virginica\r\n5.0,1.3,setosa\r\n");
    expect(t.columns.map((column) => [column.name, column.kind])).toEqual([
      ["sepal", "numbers"],
      ["petal", "numbers"],
      ["kind", "labels"],
    ]);
    const kinds = tableArray(t, "kind");
    expect(kinds).toMatchObject({ shape: [3], dtype: "i32", labels: ["setosa", "virginica"] });
    expect(Array.from(kinds.data)).toEqual([0, 1, 0]);
    expect(Array.from(tableArray(t, "1-2").data)).toEqual([5.1, 1.4, 6.2, 4.5, 5, 1.3]);
    expect(tableArray(t, "sepal+petal").shape).toEqual([3, 2]);
    expect(tableArray(t, "2")).toMatchObject({ shape: [3] });
  });

  it("takes tables without header, with tabs, semicolons and blanks", () => {
    for (const text of ["1\t2\n3\t4\n", "1;2\n3;4", "  1   2 \n 3\t4  \n\n", "1,2\n3,4\n"]) {
      expect(tableArray(table(text))).toMatchObject({ shape: [2, 2] });
      expect(Array.from(tableArray(table(text)).data)).toEqual([1, 2, 3, 4]);
    }
    expect(table("1,2\n3,4", { header: true }).rows).toBe(1);
    expect(Array.from(tableArray(table("5\n6\n")).data)).toEqual([5, 6]);
  });

  it("follows RFC 4180 in quotes: delimiters, doubled quotes, newlines, empty last cells", () => {
    const t = table('name,v\n"Smith, ""J""\nJr",1\nplain,2\n"",3\n');
    const names = t.columns[0]!;
    expect(names.kind === "labels" && names.labels).toEqual(['Smith, "J"\nJr', "plain"]);
    expect(names.kind === "labels" && [...names.codes]).toEqual([0, 1, -1]);
    expect(Array.from(tableArray(table('1,"2"\n3,\n')).data)).toEqual([1, 2, 3, NaN]);
  });

  it("marks missing cells", () => {
    expect(Array.from(tableArray(table("1,NA\n?,4\n")).data)).toEqual([1, NaN, NaN, 4]);
  });

  it("names the cell of text in a column of numbers, which by its own name is a category", () => {
    const t = table("a,b\n1,2\n3,4\n5,abc\n6,7\n");
    expect(message(() => tableArray(t))).toBe('GM5006 t.csv:4, column 2: expected a number as in most of the column, found "abc"');
    expect(tableArray(t, "b")).toMatchObject({ labels: ["2", "4", "7", "abc"], text: { line: 4, column: 2, text: "abc" } });
    expect(message(() => tableArray(table("1,x\n2,y\n3,4\n")))).toContain("column 2 holds text");
  });

  it("takes the first row for names also where the row below has a slip or misses a value", () => {
    for (const [text, line, column] of [
      ["a\n1.O2\n2\n3\n", 2, 1],
      ["a,b\nNA,\n2,3\n4,1e-3\n5,1O\n", 5, 2],
    ] as const) {
      const t = table(text);
      expect(t.named).toBe(true);
      expect(t.columns[column - 1]).toMatchObject({ kind: "labels", mostlyNumbers: true, text: { line, column } });
    }
    expect(Array.from(tableArray(table("a\nNA\n2\n3\n")).data)).toEqual([NaN, 2, 3]);
    expect(table("u\nv\n1\n").named).toBe(false);
  });

  it("names columns in its help as a specification has to write them", () => {
    const help = (header: string): string => {
      try {
        tableArray(table(`${header}\n1,u\n2,v\n`));
      } catch (error) {
        if (error instanceof GmcError) return error.help.join("\n");
      }
      throw new Error("expected a GmcError");
    };
    for (const [header, ways] of [
      ["age,kind", ["t.csv#age", "t.csv#kind"]],
      ['"age: years","kind, of it"', ['t.csv#"age: years"', 't.csv#"kind, of it"']],
      ['a+b,"a ""kind"""', ["t.csv#1", "t.csv#2"]],
    ] as const) {
      for (const way of ways) expect(help(header)).toMatch(new RegExp(`${way.replace(/[.+]/g, "\\$&")}$`, "mu"));
      const parts = ways.map((way) => parseDataSpec(`x=${way}`).items[0]?.part);
      const t = table(`${header}\n1,u\n2,v\n`);
      expect(parts.map((part) => tableArray(t, part).dtype)).toEqual(["f64", "i32"]);
    }
  });

  it("knows a header without rows", () => {
    expect(message(() => table("a,b,c\n"))).toBe("GM5006 t.csv: the table has a header and no rows");
    expect(table("a,b,c\n", { header: false }).rows).toBe(1);
  });

  it("tells decimal commas", () => {
    for (const text of ["-1,0096;0,35\n2,5;3\n", "a;b\n1,5;2\n-,5;0,25\n", "a;b\n1,5;2,5\n;3,5\n", '1;"2,5"\n3;"4,5"\n'])
      expect(message(() => table(text))).toMatch(
        /^GM5006 t\.csv:[123], column [12]: expected a decimal point, found the comma of "-?\d*,\d+"$/u,
      );
    // categories with commas, and categories that are whole numbers beside a text
    expect(tableArray(table("kind;v\na,b;1\nc,d;2\n"), "kind").labels).toEqual(["a,b", "c,d"]);
    expect(table("1;x\n2;y\n").columns.map((c) => c.kind)).toEqual(["numbers", "labels"]);
  });

  it("names file, line and cause", () => {
    expect(message(() => table("1,2\n3,4\n5\n"))).toBe("GM5006 t.csv:3: expected 2 cells as in line 1, found 1");
    expect(message(() => table('1,2\n3,"4\n5,6\n'))).toBe("GM5006 t.csv:2: the quote opened here is never closed");
    expect(message(() => table('1,2\n"3"x,4\n'))).toContain('t.csv:2: expected "," or the end of the line');
    expect(message(() => table(""))).toContain("the table is empty");
    expect(message(() => table("a,a\n1,2\n"))).toContain("two columns are named a");
    expect(message(() => tableArray(table("a,kind\n1,x\n2,y\n")))).toContain("column kind holds text");
    expect(message(() => tableArray(table("age,kind\n1,x\n2,y\n"), "aeg"))).toContain("GM5007");
    expect(message(() => tableArray(table("1,2\n"), "3"))).toContain("has columns 1 to 2");
    expect(message(() => parseCsv({ path: "b.csv", bytes: Uint8Array.of(0x31, 0x2c, 0xff, 0x0a) }))).toContain(
      "b.csv: wrong content at byte 2: expected UTF-8 text, found byte ff",
    );
  });
});
