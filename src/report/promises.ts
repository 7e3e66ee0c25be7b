/** What each mechanism may promise and what it may not, in the same words wherever they are printed. */
import type { ProtectReport } from './types.ts';

export interface MechanismPromise {
  readonly mechanism: string;
  readonly can: string;
  readonly cannot: string;
}

const MARK: MechanismPromise = {
  mechanism: 'Ownership mark',
  can:
    'Be read back from a copy after fine-tuning on the same task, pruning of up to 75 % of the weights, ' +
    'quantisation to 8 or 4 bits, noise or overwriting; and, if the original is at hand, after reordering and ' +
    'rescaling of neurons.',
  cannot:
    'Survive retraining with strong weight decay, pruning of 90 % or more of a small network, layers that were ' +
    're-initialised, or distillation: a model that was trained on the answers of this one does not carry it.',
};

const RECIPIENT: MechanismPromise = {
  mechanism: 'Recipient codes',
  can: 'Say which of many copies a leaked one comes from, with a proven bound over the whole register.',
  cannot:
    'Say who leaked it, since the owner had the copy, too; outlast somebody who moves the neurons and erases the payload; ' +
    'or name anybody once four or more holders align their copies and average them.',
};

const COMMITMENT: MechanismPromise = {
  mechanism: 'Commitment and ledger',
  can:
    'Show that the secret behind the mark was fixed before the file was released, and that no recorded entry was ' +
    'changed, removed or reordered since a published checkpoint.',
  cannot: 'Prove a date by itself: a date is as good as the party who attests it.',
};

const BASELINE: MechanismPromise = {
  mechanism: 'Signed baseline',
  can: 'Detect and locate any changed bit of the file that it describes.',
  cannot: 'Say anything about where a modified copy came from; that is the work of the mark.',
};

const SEAL: MechanismPromise = {
  mechanism: 'Sealed file',
  can: 'Keep the weights unreadable, and changes to them noticed, for everybody without the key.',
  cannot:
    'Take back a key that was given out, or guard the weights from someone who controls a machine that opens them.',
};

const ALL: MechanismPromise = {
  mechanism: 'All together',
  can: 'Detection, and evidence after a theft.',
  cannot:
    'Prevention; and no software can promise that a court will admit or believe its evidence. A survey of ' +
    'published watermarks found none of them robust against all attacks (Lukas et al., IEEE S&P 2022).',
};

/** The promises that apply to what was done, the general one last. */
export function toPromises(report: ProtectReport): MechanismPromise[] {
  const has = (role: string): boolean => report.files.some((file) => file.role === role);
  return [
    ...(report.mark.kind === 'embedded' ? [MARK] : []),
    ...(report.recipient === null ? [] : [RECIPIENT]),
    ...(report.commitment === null ? [] : [COMMITMENT]),
    ...(has('baseline') ? [BASELINE] : []),
    ...(has('sealed') ? [SEAL] : []),
    ALL,
  ];
}
