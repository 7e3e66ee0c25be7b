/** The log of requests: rows, spool, database, checkpoints, proofs. */
export { type Checkpoint, type SignedCheckpoint, toCheckpointHash } from './checkpoint.ts';
export { findCheckpoint, isCheckpointSigned } from './read-checkpoint.ts';
export { findCursor, type LogCursor, type LogPage, type LogPageOptions, readLogPage, toCursorText } from './page.ts';
export { type ProvenRow, proveRow, type RequestProof, verifyRequestProof } from './proof.ts';
export { type LogQuery, queryLog } from './read.ts';
export { type Dropped, retainDays } from './retain.ts';
export { runLogWriter, type RunLogWriterOptions } from './run.ts';
export { createSpoolLog, type SpoolLog, type SpoolLogOptions, type SpoolMark } from './spool.ts';
export { GATEWAY_LOG_AREA, type LogTables, type RequestRecord } from './tables.ts';
export { type LogFault, type LogReport, type StreamReport, verifyLog, type VerifyLogOptions } from './verify.ts';
export { type LogWriter, type LogWriterOptions, openLogWriter } from './writer.ts';
