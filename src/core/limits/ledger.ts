/** Caps of the ledger, with their reasons (docs/spec/ledger.md). */

export const LEDGER_LIMITS = {
  /** Bytes of one entry: the u16 length of a C2SP tlog-tiles entry bundle. Larger evidence is recorded by digest. */
  entryBytesMax: 65_535,
  /** Entries of one durable batch; recovery looks this far behind the signed size for files to discard. */
  batchEntriesMax: 4_096,
  /** Bytes of a signed note: room for 16 post-quantum signatures of 5 kB (C2SP signed-note). */
  noteBytesMax: 131_072,
  /** Signature lines of a note; the reference implementation stops at 100 too. */
  noteSignaturesMax: 100,
  /** Hashes of one Merkle proof: a path in a tree of 2^53 leaves, twice for consistency. */
  proofHashesMax: 108,
  /** Bytes of a proof file: hashes, note and 64 KiB of extra data. */
  proofBytesMax: 262_144,
  /** Default room of one ledger, about 8 GB at 512 bytes an entry; beyond it a new ledger is opened. */
  entriesMax: 16_777_216,
  /** Of that room, the part that only key use may fill, so that no flood of other entries can block a key. */
  entriesReservedForKeyUse: 1_048_576,
  /** Different causes of refusal kept apart within one minute; the rest is counted under "other". */
  refusalCausesPerMinuteMax: 16,
  /** Rows of refusals that wait for their minute to end; more fold into "other". */
  refusalRowsMax: 64,
  /** The last millisecond of the year 9999: entries write instants with four digits of the year. */
  instantMsMax: 253_402_300_799_999,
  /** How long a second writer waits for the lock. */
  lockWaitMs: 10_000,
  /** A holder whose process cannot be seen counts as dead after its heartbeat stood still for this long. */
  lockHeartbeatSilenceMs: 6_000,
  lockHeartbeatMs: 1_000,
  lockPollMs: 25,
  /** Lines of a consistency proof that a witness takes (C2SP tlog-witness). */
  witnessProofLinesMax: 63,
  /** Bytes of a request to a witness: the note, and 64 lines of 45 bytes. */
  witnessRequestBytesMax: 135_168,
  /** Bytes of a witness's answer: as a note, since all of it may be signature lines. */
  witnessAnswerBytesMax: 131_072,
  /** The same checkpoint gets the same cosignature again for this long, so that repeating it costs the witness no write. */
  witnessRepeatSeconds: 60,
  /** How far the clock of a witness may go back, as clocks that are set do, before it stops cosigning. */
  witnessClockBackSeconds: 60,
  /** How far in the future the time of a new cosignature may lie, by the clock of the ledger's owner. */
  cosignatureAheadSeconds: 300,
  /** The last second of the year 9999, in which a cosignature may be made. */
  cosignatureSecondsMax: 253_402_300_799,
  /** A witness is asked so often: sizes that others moved on meanwhile are asked for again. */
  witnessAsksMax: 3,
  /** Connections of a witness at a time, and how long each may take for headers and for a whole request. */
  connectionsMax: 256,
  headerBytesMax: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
} as const;
