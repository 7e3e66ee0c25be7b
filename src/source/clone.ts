/** Copies that share their blocks with the original, on file systems that can (btrfs, XFS, bcachefs, ZFS, NFS 4.2). */
import { constants, copyFileSync, fchmodSync, fstatSync, ftruncateSync } from 'node:fs';

/**
 * Makes the empty file open as `to` share every block of the file open as `from`. Descriptors are copied, not names: a
 * file that was put under the name in the meantime cannot slip in.
 * @returns false, and the file is still empty, where the system or the file system cannot: they must be one file system,
 *   and only Linux gives descriptors names
 * @see ioctl_ficlone(2)
 */
export function cloneDescriptor(from: number, to: number): boolean {
  if (process.platform !== 'linux') return false;
  const { mode } = fstatSync(to);
  try {
    copyFileSync(`/proc/self/fd/${from}`, `/proc/self/fd/${to}`, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    // Whatever it is (no support, another disk, no space left), the streamed copy meets it or gets by.
    ftruncateSync(to, 0);
    return false;
  } finally {
    // The copy gave it the permission bits of the original. Some file systems have none, and refuse to set them.
    if (fstatSync(to).mode !== mode) fchmodSync(to, mode & 0o777);
  }
}
