/** What a check of the documents finds: where, and what is wrong. */
export interface Problem {
  /** Path from the root of the repository. */
  readonly file: string;
  readonly text: string;
}
