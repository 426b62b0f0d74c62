/** Reading chevrotain's concrete syntax tree: children by rule or token name, in the order of the text. */
import type { CstElement, CstNode } from "chevrotain";
import { InternalError } from "../base/internal-error.js";
import type { GmToken } from "./lexer.js";

export function isNode(element: CstElement): element is CstNode {
  return "children" in element;
}

/** The children that a rule made. */
export function nodes(node: CstNode, rule: string): readonly CstNode[] {
  return (node.children[rule] ?? []) as CstNode[];
}

export function maybeNode(node: CstNode, rule: string): CstNode | undefined {
  return nodes(node, rule)[0];
}

export function theNode(node: CstNode, rule: string): CstNode {
  const child = maybeNode(node, rule);
  if (!child) throw new InternalError(`a ${node.name} without ${rule}`);
  return child;
}

/** The tokens of a type. */
export function tokens(node: CstNode, type: string): readonly GmToken[] {
  return (node.children[type] ?? []) as unknown as GmToken[];
}

export function maybeToken(node: CstNode, type: string): GmToken | undefined {
  return tokens(node, type)[0];
}

export function theToken(node: CstNode, type: string): GmToken {
  const token = maybeToken(node, type);
  if (!token) throw new InternalError(`a ${node.name} without ${type}`);
  return token;
}

export function startOf(element: CstElement): number {
  return isNode(element) ? (element.location?.startOffset ?? 0) : element.startOffset;
}

/** Exclusive. */
export function endOf(element: CstElement): number {
  return (isNode(element) ? (element.location?.endOffset ?? 0) : (element.endOffset ?? 0)) + 1;
}

const none: readonly CstElement[] = [];

/** The children of several names, in the order of the text. */
export function inOrder(node: CstNode, names: readonly string[]): readonly CstElement[] {
  let found: CstElement[] | undefined;
  for (const name of names) {
    const children = node.children[name];
    if (children) found = found ? [...found, ...children].sort((a, b) => startOf(a) - startOf(b)) : children;
  }
  return found ?? none;
}

/** The rule of a node whose only child is another node: the one that it chose. */
export function chosen(node: CstNode): CstNode {
  for (const elements of Object.values(node.children)) {
    const first = elements[0];
    if (first && isNode(first)) return first;
  }
  throw new InternalError(`a ${node.name} without children`);
}
