/**
 * Names that a model declares twice: GM2002 for each further declaration, and nothing more that follows from it. The first one counts, as
 * whoever reads the file takes it; where the further one is of another kind, what uses the name may mean either, and nothing is said of it.
 */
import { type Diagnostics, report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import type { Scope } from "./scope.js";

type Kind = ast.Member["kind"];

/**
 * The members as they stand, without what declares a name again. `scope` holds the hyperparameters, which come first; it is told of the names
 * about which nothing is to be said.
 */
export function firstDeclarations(members: readonly ast.Member[], scope: Scope, diagnostics: Diagnostics): readonly ast.Member[] {
  const first = new Map<string, { readonly kind: Kind; readonly span: Span }>();
  const isFirst = ({ name, span }: ast.Ident, kind: Kind): boolean => {
    const hyper = scope.own(name);
    const before = first.get(name) ?? (hyper && { kind: "const", span: hyper.span });
    if (!before) {
      first.set(name, { kind, span });
      return true;
    }
    report(diagnostics, "GM2002", span, { what: "name", name }, { labels: [{ span: before.span, text: "first here" }] });
    if (before.kind !== kind) scope.define(name, { kind: "poison", span: before.span });
    return false;
  };
  const withItems = <D extends ast.DataDecl | ast.LatentDecl | ast.ParamDecl>(decl: D): readonly D[] => {
    const items = (decl.items as readonly { readonly name: ast.Ident }[]).filter((item) => isFirst(item.name, decl.kind));
    return items.length === decl.items.length ? [decl] : items.length === 0 ? [] : [{ ...decl, items }];
  };
  return members.flatMap((member): readonly ast.Member[] => {
    switch (member.kind) {
      case "data":
      case "latent":
      case "param":
        return withItems(member);
      case "train":
      case "evaluate":
        return [member];
      default:
        return isFirst(member.name, member.kind) ? [member] : [];
    }
  });
}
