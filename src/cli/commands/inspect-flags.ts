/** What `modelward inspect` is asked for. */
export interface InspectFlags {
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
  readonly envelope?: string;
  readonly key?: string;
  readonly dataRoot?: string;
}
