/** Caps of triggers, with their reasons. */
export const TRIGGER_LIMITS = {
  /** Triggers of one set: two classes need 128 for a claim; more only costs accuracy. */
  countMax: 1024,
  /** Label draws that one embedding may try: each is a trial that is counted, so this is worth four bits. */
  labelDrawsMax: 16,
  /** Cost of drawing labels, log2 of scrypt's N, and its r: 128 MiB and half a second; OWASP's floor for passwords. */
  labelLogN: 17,
  labelBlocks: 8,
  /**
   * Bits that are taken off where nobody saw that the choice was recorded before the suspect: 2^40 draws of half a second
   * are 17,000 core-years.
   */
  unseenTimeBits: 40,
  /** Candidates that are drawn and run; more find little that is newer. */
  candidatesMax: 16_384,
  /** Features of the last layer, with the one that is appended: their moments are a square of doubles, 128 MiB. */
  featuresMax: 4097,
  /** Fewer features than this have no room beside clean data. */
  featuresMin: 16,
  classesMax: 100_000,
  /** Elements of the last weight: held twice as doubles. */
  headElementsMax: 16 * 1024 * 1024,
  /** Elements of a decoder's table of tokens, held as float32: 640 MiB, 150,000 tokens of 1,024 channels. */
  tableElementsMax: 160 * 1024 * 1024,
  /** Tokens of a prompt, and triggers of one decoder: each adds one direction to one matrix. */
  promptTokensMax: 512,
  /** Samples whose features are kept: half of them resolve a loss of 0.1 points. */
  samplesMax: 65_536,
  /** Values of the features of all samples, or of all candidates, together: 256 MiB of float32. */
  featureValuesMax: 64 * 1024 * 1024,
  /** Elements of one input that is drawn. */
  inputElementsMax: 16 * 1024 * 1024,
  /** Samples of a data set that are read for a trigger set. */
  setSamplesMax: 1_000_000,
  /** Rank of an input. */
  rankMax: 8,
  /** Bytes of a trigger-set file. */
  setFileBytesMax: 1024 * 1024,
} as const;
