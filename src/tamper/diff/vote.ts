/** From the classes of tensors to the class of the model: large tensors weigh more, tiny ones follow. */
import { toPercentText } from '../../core/quantities.ts';
import type { ChangeClass, Grade, GraphDiff, Hint, ModelVerdict, TensorDiff } from './types.ts';

/** What a class alone says of a model. */
const CLASS_GRADES: Readonly<Record<ChangeClass, Grade>> = {
  unchanged: 'same',
  're-encoded': 'same',
  'fp16-cast': 'benign',
  'bf16-cast': 'benign',
  quantised: 'benign',
  pruned: 'benign',
  scaled: 'suspicious',
  permuted: 'suspicious',
  'low-rank-edit': 'benign',
  'fine-tuned': 'benign',
  'row-edit': 'suspicious',
  'bit-flips': 'suspicious',
  'lsb-payload': 'suspicious',
  're-initialised': 'suspicious',
  edited: 'suspicious',
};

/** Never an accident of ordinary processing, however few tensors show it. */
const ALWAYS_SUSPICIOUS: ReadonlySet<ChangeClass> = new Set<ChangeClass>(['bit-flips', 'lsb-payload']);
const BESIDES_SHARE = 0.1;

/** Tensors too small to judge alone get the class of the rest. */
export function followMajority(tensors: readonly TensorDiff[]): readonly TensorDiff[] {
  const { class: winner } = countVotes(tensors.filter((tensor) => tensor.class !== 'edited'));
  if (winner === 'unchanged' || winner === 're-encoded') return tensors;
  return tensors.map((tensor) =>
    tensor.class === 'edited' && (tensor.figures?.elements ?? Infinity) < 8 && tensor.role !== 'constant'
      ? {
          ...tensor,
          class: winner,
          reasons: ['Too small to tell alone; judged as the rest of the model.', ...tensor.reasons],
        }
      : tensor,
  );
}

export interface VoteOptions {
  /** Changed tensors, and re-encoded ones. */
  readonly tensors: readonly TensorDiff[];
  readonly graph: GraphDiff | null;
  readonly hints: readonly Hint[];
  readonly added: number;
  readonly removed: number;
  /** Changed metadata entries and operator sets. */
  readonly entries: number;
  /** Of the parameters of the model before and of the one after, the parts that have a counterpart; 1 without any. */
  readonly shared: { readonly before: number; readonly after: number };
}

/** Below, on both sides, the files are not versions of one model. */
const SHARED_MIN = 0.5;

/** Class, grade and reasons of the whole. */
export function judgeModel(options: VoteOptions): ModelVerdict {
  const { tensors, graph, hints, added, removed, entries, shared } = options;
  const { class: winner, shares } = countVotes(tensors);
  const isOther = shared.before < SHARED_MIN && shared.after < SHARED_MIN;
  const share = shares.get(winner) ?? 1;
  const besides = [...shares].filter(([name, part]) => name !== winner && part >= BESIDES_SHARE).map(([name]) => name);
  const isFolded = graph?.changes.some(({ kind, before }) => kind === 'deleted' && before?.op === 'BatchNormalization');
  const reasons: string[] = [];
  const grades: Grade[] = [winner === 'scaled' && isFolded ? 'benign' : CLASS_GRADES[winner]];
  if (isOther) {
    const [a, b] = [shared.before, shared.after].map((part) => toPercentText(part));
    reasons.push(`Another model, or one built anew: ${a} of its parameters before and ${b} after have a counterpart.`);
    grades.push('suspicious');
  } else if (shares.size > 0) reasons.push(`${toPercentText(share, 0)} of the changed weight reads ${winner}.`);
  for (const kind of ALWAYS_SUSPICIOUS) {
    const count = tensors.filter((tensor) => tensor.class === kind).length;
    if (count > 0 && kind !== winner)
      reasons.push(`${count} ${count === 1 ? 'tensor reads' : 'tensors read'} ${kind}.`);
    if (count > 0) grades.push('suspicious');
  }
  if (graph !== null) addGraph(graph, grades, reasons);
  if (added + removed > 0) {
    reasons.push(toAloneText(added, removed));
    grades.push('benign');
  }
  if (entries > 0) {
    reasons.push(
      `${entries} ${entries === 1 ? 'entry of metadata or operator sets differs' : 'entries of metadata or operator sets differ'}.`,
    );
    grades.push('benign');
  }
  for (const { grade, text } of hints) {
    grades.push(grade);
    if (grade === 'suspicious') reasons.push(text);
  }
  const verdict = { grade: toWorst(grades), reasons };
  return isOther
    ? { class: 'other-model', share: 1, besides: [], ...verdict }
    : { class: winner, share, besides, ...verdict };
}

function toAloneText(added: number, removed: number): string {
  const say = (count: number, what: string): string[] => {
    return count === 0 ? [] : [`${count} ${count === 1 ? 'tensor is' : 'tensors are'} ${what}`];
  };
  return `${[...say(added, 'new'), ...say(removed, 'gone')].join(' and ')}.`;
}

function addGraph({ changes }: GraphDiff, grades: Grade[], reasons: string[]): void {
  const worst = toWorst(changes.map(({ grade }) => grade));
  grades.push(worst);
  const suspicious = changes.filter(({ grade }) => grade === 'suspicious').length;
  if (suspicious === 1) reasons.push('1 change of the graph alters what it computes.');
  if (suspicious > 1) reasons.push(`${suspicious} changes of the graph alter what it computes.`);
}

function toWorst(grades: readonly Grade[]): Grade {
  if (grades.includes('suspicious')) return 'suspicious';
  return grades.includes('benign') ? 'benign' : 'same';
}

/** Votes weigh the square root of the elements: one large layer must not outvote all others, nor a bias a layer. */
function countVotes(tensors: readonly TensorDiff[]): {
  readonly class: ChangeClass;
  readonly shares: ReadonlyMap<ChangeClass, number>;
} {
  const votes = new Map<ChangeClass, number>();
  for (const { class: kind, figures } of tensors) {
    if (kind === null || kind === 'unchanged' || figures === null) continue;
    votes.set(kind, (votes.get(kind) ?? 0) + Math.sqrt(figures.elements));
  }
  // Values that are all the same say nothing beside values that changed.
  if (votes.size > 1) votes.delete('re-encoded');
  const total = [...votes.values()].reduce((sum, weight) => sum + weight, 0);
  const shares = new Map([...votes].sort((a, b) => b[1] - a[1]).map(([kind, weight]) => [kind, weight / total]));
  return { class: [...shares.keys()].at(0) ?? 'unchanged', shares };
}
