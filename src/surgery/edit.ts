/** Edits of a model's graph: all of a transaction or nothing, checked, and recorded as a plan that can be replayed. */
import { SurgeryError } from '../core/errors.ts';
import { readGraphDocument, toGraphRewrite } from '../formats/index.ts';
import type { GraphDocument } from '../model/document.ts';
import type { Model } from '../model/types.ts';
import type { RewritePlan } from '../source/rewrite.ts';
import { Draft } from './draft/draft.ts';
import { type EditPlan, parseEditPlan, toEditPlan } from './plan.ts';
import { Transaction } from './transaction.ts';
import type { Problem } from './validate/rules.ts';
import { validateDocument, type Validation } from './validate/validate.ts';

export interface EditOptions {
  /** Opened models that `merge` may take, by name; they must stay open as long as the edited one. */
  readonly models?: Readonly<Record<string, Model>>;
}

export interface GraphEdit {
  /** What was done. */
  readonly plan: EditPlan;
  /** The graph after the edit. */
  readonly document: GraphDocument;
  /** Problems that the model had before and still has. */
  readonly inherited: readonly Problem[];
  /** Problems of severity "warning" that the edit brought. */
  readonly warnings: readonly Problem[];
  /** The files of the edited model; `model` must stay open until they are written. */
  toRewrite(): RewritePlan;
}

/**
 * Edits the graph of an opened ONNX model. `model` does not change: the result says what to write.
 *
 * @param act looks at the graph and edits it through the transaction, which is of no use afterwards
 * @returns the edit, frozen; nothing is written yet
 * @throws SurgeryError SURGERY_INVALID when the graph would break a rule that it did not break before, with `rule`,
 *   `scope`, `name` and `node` of the first and the number of all; whatever a verb or `act` throws
 * @throws FormatError FORMAT_GRAPH_UNSUPPORTED
 */
export function editGraph(model: Model, act: (tx: Transaction) => void, options: EditOptions = {}): GraphEdit {
  const models = Object.entries(options.models ?? {});
  const others = new Map(models.map(([name, other]) => [name, readGraphDocument(other)]));
  const draft = new Draft(readGraphDocument(model), others);
  const tx = new Transaction(draft);
  act(tx);
  const document = draft.toDocument();
  const { inherited, warnings } = judge(draft, document);
  return Object.freeze({
    plan: toEditPlan(tx.steps),
    document,
    inherited,
    warnings,
    toRewrite: () =>
      toGraphRewrite(
        model,
        document,
        models.map(([, other]) => other),
      ),
  });
}

/**
 * Replays a plan, as an object or as JSON text. On the model that it was made on, the result is the same to the byte.
 * @throws SurgeryError SURGERY_PLAN_MALFORMED | SURGERY_… as {@link editGraph}
 */
export function applyEditPlan(model: Model, plan: unknown, options: EditOptions = {}): GraphEdit {
  const { steps } = parseEditPlan(plan);
  const replay = (tx: Transaction): void => {
    for (const step of steps) tx.run(step);
  };
  return editGraph(model, replay, options);
}

/** Checks the graph of an opened model by the rules of `validate/rules.ts`. */
export function validateGraph(model: Model): Validation {
  return validateDocument(readGraphDocument(model));
}

interface Judgement {
  readonly inherited: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** @throws SurgeryError SURGERY_INVALID */
function judge(draft: Draft, document: GraphDocument): Judgement {
  const { before } = draft;
  if (document === before) return { inherited: [], warnings: [] };
  const { problems, count } = validateDocument(document, before);
  if (count === 0) return { inherited: [], warnings: [] };
  // Only now the model as opened is looked at: a valid one, the usual case, is checked once.
  const known = new Set(validateDocument(before).problems.map((problem) => toKey(draft, problem)));
  const isKnown = (problem: Problem): boolean => known.has(JSON.stringify([problem.rule, problem.scope, problem.name]));
  const fresh = problems.filter((problem) => !isKnown(problem));
  const errors = fresh.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) {
    const [{ rule, scope, name, node }] = errors;
    throw new SurgeryError('SURGERY_INVALID', { fields: { rule, scope, name, node, count: errors.length } });
  }
  return { inherited: problems.filter(isKnown), warnings: fresh };
}

/** A problem of the model as opened under the name that the value has now. */
function toKey(draft: Draft, { rule, scope, name }: Problem): string {
  let now = name;
  // A value may be renamed more than once, even back.
  for (let turns = draft.renamed.size; turns > 0; turns--) {
    const next = draft.renamed.get(`${scope}\n${now}`);
    if (next === undefined || next === name) break;
    now = next;
  }
  return JSON.stringify([rule, scope, now]);
}
