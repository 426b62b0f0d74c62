/**
 * Incremental evaluation: from a graph that computes parameters of a variable's distribution from the whole variable, graphs that compute them at
 * one unit (see unit.ts) from what earlier units left. Nothing is known of nets: each node follows its primitive's rule, and one without is
 * computed in full, with a note. The result is that of the whole graph, up to rounding, as long as later entries do not matter.
 */
export { UnitEmitter, fixedGraph, type EmitOptions, type Kept, type Place } from "./emit.js";
export { expanded } from "./expand.js";
export { planUnits, type PlanOptions, type UnitPlan } from "./plan.js";
