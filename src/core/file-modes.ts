/** Who may read a file with a key. */

/**
 * Whether others than its owner may read or write the file. A group may read what root owns: so Kubernetes and systemd hand keys
 * to services, and PostgreSQL takes them. Windows has no such modes.
 */
export function isKeyExposed(
  { mode, uid }: { readonly mode: number; readonly uid: number },
  platform: string,
): boolean {
  if (platform === 'win32') return false;
  return (mode & 0o027) !== 0 || ((mode & 0o040) !== 0 && uid !== 0);
}
