/** What `modelward inspect` is asked for. */
import type { OpenFlags } from './model-options.ts';

export interface InspectFlags extends OpenFlags {
  readonly all?: boolean;
  readonly nodes?: boolean;
  readonly dim?: readonly string[];
  readonly activations?: readonly string[];
  readonly eval?: string;
  readonly profile?: boolean;
  readonly asWritten?: boolean;
  readonly extract?: string;
  readonly out?: string;
  readonly force?: boolean;
}
