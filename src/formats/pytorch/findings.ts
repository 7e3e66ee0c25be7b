/** What a scan found in pickles: every name, and every use of a name that is not needed for tensors. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Severity } from './globals.ts';
import type { OpcodeName } from './opcodes.ts';

export interface PickleFinding {
  /** Member of the archive; null for a file that is a pickle itself. */
  readonly member: string | null;
  /** Byte offset of the opcode inside the member's content; of the first, when there are several. */
  readonly at: number;
  /** Byte offset in the file; of the member, when that is compressed. */
  readonly offset: number;
  readonly opcode: OpcodeName;
  /** "module.name"; with "()" for the result of a call; "?" when it cannot be known before the pickle runs. */
  readonly name: string;
  readonly severity: Severity;
  /** How often the same opcode has the same name in the member. */
  readonly count: number;
  /** Found in a pickle that is stored as a byte string inside another pickle. */
  readonly isNested: boolean;
}

type Seen = Omit<PickleFinding, 'count'>;

export class FindingList {
  readonly #found = new Map<string, { finding: Seen; count: number }>();
  #dropped = 0;

  add(finding: Seen): void {
    const key = `${finding.member ?? ''}\0${finding.opcode}\0${finding.name}\0${finding.isNested}`;
    const known = this.#found.get(key);
    if (known !== undefined) known.count++;
    else if (
      this.#found.size < FORMAT_LIMITS.pickleFindingsMax ||
      (finding.severity === 'dangerous' && this.#found.size < 2 * FORMAT_LIMITS.pickleFindingsMax)
    )
      this.#found.set(key, { finding, count: 1 });
    else this.#dropped++;
  }

  /** Findings that were counted only. */
  get dropped(): number {
    return this.#dropped;
  }

  /** In the order found. */
  list(): PickleFinding[] {
    return [...this.#found.values()].map(({ finding, count }) => ({ ...finding, count }));
  }
}
