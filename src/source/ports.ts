/** Ports through which bytes come in and go out. Formats and capabilities see these, never paths. */

/**
 * Random-access bytes that do not change while open: a file, a buffer, an opened seal.
 *
 * Reads are synchronous on purpose (docs/decisions/0001-synchronous-byte-sources.md). An implementer must fill `into`
 * completely or throw; must refuse offsets outside [0, size]; must never hand out unauthenticated bytes.
 */
export interface ByteSource {
  /** Name for messages: a base name, never a full path or a secret. */
  readonly label: string;
  /** Length in bytes, a safe integer. */
  readonly size: number;
  /**
   * Fills `into` with the bytes from `offset`.
   * @throws SourceError SOURCE_SHORT_READ when the range leaves the source
   */
  read(offset: number, into: Uint8Array): void;
  close(): void;
}

/**
 * The folder that a model's parts live in. Names are relative, use "/", and come from untrusted files.
 * An implementer must refuse names that leave the folder, and links unless the caller allowed a data root.
 */
export interface SourceFolder {
  readonly label: string;
  /**
   * @throws SourceError SOURCE_OUTSIDE_FOLDER | SOURCE_LINK_REFUSED | SOURCE_NOT_FOUND
   */
  open(name: string): ByteSource;
}

/** A half-open byte range of a source. */
export interface Span {
  readonly source: ByteSource;
  readonly start: number;
  readonly end: number;
}

/** Receives the bytes of one output file in order. A chunk's memory is used again, or freed, once `write` returned. */
export interface ByteSink {
  write(chunk: Uint8Array): void;
}

/**
 * Objects of stores, by their addresses (`s3://…`, `gs://…`).
 *
 * An implementer must tie a source to what the object was when it was opened, and throw SOURCE_CHANGED for any other
 * bytes; must never follow the store to another place; and must put no credential into an error.
 */
export interface ObjectStore {
  /**
   * @throws SourceError OBJECT_ADDRESS_INVALID | OBJECT_CREDENTIALS | OBJECT_REFUSED | OBJECT_REDIRECTED |
   *   OBJECT_STORE_UNAVAILABLE | OBJECT_STORE_UNTRUSTED | OBJECT_REPLY_MALFORMED | SOURCE_NOT_FOUND
   */
  open(address: string): ByteSource;
  /** Objects beside the one of `address`. */
  openFolder(address: string): SourceFolder;
  /**
   * Begins an object that nobody sees before `commit`.
   * @throws SourceError as `open`; WRITE_EXISTS | OBJECT_TOO_LARGE
   */
  stage(address: string, options: StageObjectOptions): StagedObject;
}

export interface StageObjectOptions {
  /** False: an object of this name is an error, at once and on commit. */
  readonly replace: boolean;
  /** About how many bytes will come; at least as many. */
  readonly sizeBytes: number;
}

export interface StagedObject extends ByteSink {
  /** Gives the object its name when all its bytes are stored, and their checksums were compared. No call may follow. */
  commit(): void;
  /** Takes back what was sent. Does nothing after commit. */
  abort(): void;
}

/** One file system, behind calls small enough to record and replay (crash tests) or to fake. Paths are absolute. */
export interface Storage {
  exists(path: string): boolean;
  /** Entries of a folder, sorted; [] when it does not exist. */
  list(path: string): readonly string[];
  /** Whole content of a plain file of bounded size. @throws SourceError SOURCE_NOT_FOUND | SOURCE_NOT_A_FILE | SOURCE_UNREADABLE */
  read(path: string): Uint8Array;
  makeFolder(path: string, mode: number): void;
  /** Opens a new file for writing; it must not exist. */
  create(path: string, mode: number): StorageFile;
  /** Opens an existing file for writing at any offset. */
  openForUpdate(path: string): StorageFile;
  /** Replaces `to` by `from` atomically (POSIX rename). */
  rename(from: string, to: string): void;
  /**
   * Gives the file `from` the name `to`, which must be free; of several processes that try, one succeeds.
   * @throws SourceError WRITE_EXISTS | WRITE_FAILED
   */
  renameToFree(from: string, to: string): void;
  remove(path: string): void;
  removeFolder(path: string): void;
  /** Makes creations, renames and removals inside the folder durable. */
  syncFolder(path: string): void;
}

export interface StorageFile {
  write(offset: number, bytes: Uint8Array): void;
  /**
   * Makes the content of this file, which must be empty, that of `source` without copying bytes; false, and nothing was
   * written, where the source is no plain file or the two cannot share. Absent where files never share.
   */
  cloneFrom?(source: ByteSource): boolean;
  /** Gives the file the permission bits and, as far as the system lets it, the owner of the plain file of `source`. */
  takeAttributes?(source: ByteSource): void;
  truncate(size: number): void;
  /** Makes the content durable. */
  sync(): void;
  close(): void;
}
