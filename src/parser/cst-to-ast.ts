/**
 * Concrete syntax tree -> syntax tree, with the checks that need no names resolved: what may stand where, what may be
 * given once. Parts that could not be read are left out, noted in `broken`, and the declarations around them marked.
 */
import type { CstNode } from "chevrotain";
import { InternalError } from "../base/internal-error.js";
import type * as ast from "./ast.js";
import type { Builder } from "./builder.js";
import { chosen, endOf, maybeNode, maybeToken, nodes, startOf, theNode, theToken } from "./cst.js";
import { declaratorsOf, flowParts, formalsOf, headOf, paramItemOf, symmetryOf } from "./declarations.js";
import type { DocFinder } from "./docs.js";
import { expression } from "./expressions.js";
import { netBody, statementsOf } from "./statements.js";
import { evaluationsOf, trainItemsOf } from "./training.js";

type Decl = ast.TopDecl | ast.Member;

const topKinds: ReadonlySet<Decl["kind"]> = new Set(["const", "net", "flow", "objective", "model"]);

export function fileOf(b: Builder, docs: DocFinder, root: CstNode): ast.FileAst {
  const decls: ast.TopDecl[] = [];
  const strays: ast.Member[] = [];
  for (const node of nodes(root, "declaration")) {
    const decl = b.item(node, () => declarationOf(b, docs, node));
    if (decl === undefined) continue;
    if (isTop(decl)) decls.push(decl);
    else strays.push(decl);
  }
  reportStrays(b, decls, strays);
  const imports = nodes(root, "importDecl").map((node) => importOf(b, node));
  const firstDecl = nodes(root, "declaration")[0];
  for (const node of nodes(root, "importDecl")) {
    if (firstDecl && startOf(node) > startOf(firstDecl)) {
      b.report("GM1037", b.span(node), {}, { help: ["move it to the top of the file"] });
    }
  }
  const broken = b.broken;
  return broken ? { file: b.file, imports, decls, broken } : { file: b.file, imports, decls };
}

function isTop(decl: Decl): decl is ast.TopDecl {
  return topKinds.has(decl.kind);
}

/** Declarations of a model that stand outside of one: most often a model was closed too early, which is said once. */
function reportStrays(b: Builder, decls: ast.TopDecl[], strays: readonly ast.Member[]): void {
  const models = decls.filter((decl) => decl.kind === "model");
  const reported = new Set<ast.ModelDecl>();
  for (const stray of strays) {
    const before = models.findLast((model) => model.span.end <= stray.span.start);
    const word = { ...stray.span, end: stray.span.start + stray.kind.length };
    const args = { what: `\`${stray.kind}\``, place: "outside of a model" };
    if (!before) {
      b.report("GM1018", word, args, { help: ["put it into `model Name { … }`"] });
      continue;
    }
    if (reported.has(before)) continue;
    reported.add(before);
    b.closedEarly = true;
    const end = { ...before.span, start: Math.max(before.span.start, before.span.end - 1) };
    const labels = [{ span: end, text: `model \`${before.name.name}\` is closed here` }];
    b.report("GM1018", word, args, { labels, help: ["delete the `}` that closes the model too early, or move this into the model"] });
  }
  // The strays count as members of the model that they follow, so that later stages miss nothing.
  for (const model of reported) {
    const next = models[models.indexOf(model) + 1];
    const lost = strays.filter((stray) => stray.span.start >= model.span.end && (!next || stray.span.start < next.span.start));
    decls[decls.indexOf(model)] = { ...model, members: [...model.members, ...lost], broken: true };
  }
}

function importOf(b: Builder, node: CstNode): ast.ImportDecl {
  return { kind: "import", path: String(theToken(node, "String").payload), span: b.span(node) };
}

function declarationOf(b: Builder, docs: DocFinder, declaration: CstNode): Decl {
  const node = chosen(declaration);
  const doc = docs.before(startOf(node));
  const span = b.span(node);
  switch (node.name) {
    case "constDecl":
      return { kind: "const", doc, name: b.name(node), value: expression(b, theNode(node, "expression")), span };
    case "dataDecl":
      return { kind: "data", doc, items: declaratorsOf(b, node, true), span };
    case "latentDecl":
      return { kind: "latent", doc, items: declaratorsOf(b, node, false), span };
    case "paramDecl":
      return { kind: "param", doc, items: nodes(node, "paramItem").map((item) => paramItemOf(b, item)), span };
    case "netDecl": {
      const name = b.name(node);
      const params = formalsOf(b, theNode(node, "formals"), "the parameters of the net");
      const body = netBody(b, node, name);
      const symmetry = symmetryOf(b, maybeNode(node, "symmetry"));
      return { kind: "net", doc, name, params, symmetry, body, span, ...b.brokenFlag(node, maybeNode(node, "statements")) };
    }
    case "flowDecl": {
      const flag = b.brokenFlag(node, maybeNode(node, "flowBody"));
      return { kind: "flow", doc, name: b.name(node), ...flowParts(b, node, flag.broken === true), span, ...flag };
    }
    case "densityDecl": {
      const name = b.name(node);
      const { head, given } = headOf(b, theNode(node, "head"));
      const block = theNode(node, "statements");
      const body = statementsOf(b, block, { kind: "density", name: name.name });
      return { kind: "density", doc, name, head, given, body, span, ...b.brokenFlag(node, block) };
    }
    case "objectiveDecl": {
      const formals = maybeNode(node, "formals");
      const params = formals && formalsOf(b, formals, "the parameters of the objective");
      return { kind: "objective", doc, name: b.name(node), params, body: expression(b, theNode(node, "expression")), span };
    }
    case "modelDecl":
      return modelOf(b, docs, node, doc);
    case "trainDecl": {
      const body = theNode(node, "trainBody");
      return { kind: "train", doc, items: trainItemsOf(b, body), span, ...b.brokenFlag(node, body) };
    }
    case "evaluateDecl":
      return { kind: "evaluate", doc, items: evaluationsOf(b, node), span, ...b.brokenFlag(node) };
    default:
      throw new InternalError(`a declaration of rule ${node.name}`);
  }
}

function modelOf(b: Builder, docs: DocFinder, node: CstNode, doc: string | undefined): ast.ModelDecl {
  const members: ast.Member[] = [];
  for (const part of nodes(node, "declaration")) {
    const member = b.item(part, () => declarationOf(b, docs, part));
    if (member?.kind === "model") {
      const word = { ...member.span, end: member.span.start + "model".length };
      b.report(
        "GM1018",
        word,
        { what: "`model`", place: "inside of a model" },
        { help: ["put each model into a file or at the top of this one"] },
      );
    } else if (member) members.push(member);
  }
  const hyper = formalsOf(b, maybeNode(node, "formals"), "the hyperparameters of the model");
  const close = maybeToken(node, "RBrace");
  const span = { file: b.file, start: startOf(node), end: close ? endOf(close) : b.span(node).end };
  const name = maybeToken(node, "Name");
  const ident = name ? b.identOf(name) : { name: "", span: b.span(theToken(node, "Model")) };
  return { kind: "model", doc, name: ident, hyper, members, span, ...b.brokenFlag(node) };
}
