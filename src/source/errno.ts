/** The errno name of a failed system call. */

/** "ENOENT" and the like, or "unknown" when `cause` does not come from a system call. */
export function toErrno(cause: unknown): string {
  const code = cause instanceof Error ? (cause as { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : 'unknown';
}
