/** Parts that tell a Linux machine, read from where the kernel shows them; what is absent or not allowed is left out. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { MachinePart, MachineParts, MachineReader } from '../../license/ports.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';

export interface MachineOptions {
  /** Folder that stands for the root of the file system. */
  readonly root?: string;
  /** A name that was given to this device: it takes the place of everything that would be read. */
  readonly deviceId?: string | null;
}

type Place = readonly [MachinePart, (root: string) => string | undefined];

const PLACES: readonly Place[] = [
  ['machine-id', (root) => readLine(join(root, 'etc/machine-id')) ?? readLine(join(root, 'var/lib/dbus/machine-id'))],
  ['product-uuid', (root) => readLine(join(root, 'sys/class/dmi/id/product_uuid'))],
  ['board-serial', (root) => readLine(join(root, 'sys/class/dmi/id/board_serial'))],
  ['disk-serial', readDiskSerial],
  ['cloud-instance', (root) => readLine(join(root, 'var/lib/cloud/data/instance-id'))],
  ['cpu', readCpu],
];

/** Values that makers leave in when they set none: the same on many machines. */
const EMPTY_VALUES =
  /^(?:0+|f+|none|null|default string|to be filled by o\.?e\.?m\.?|not specified|system serial number)$/i;

export function createMachineReader({ root = '/', deviceId = null }: MachineOptions = {}): MachineReader {
  return {
    read: () => {
      if (deviceId !== null) return Promise.resolve({ 'device-id': deviceId });
      const parts = PLACES.flatMap(([name, read]) => {
        const value = read(root);
        return value === undefined || EMPTY_VALUES.test(value.replaceAll('-', '')) ? [] : [[name, value]];
      });
      return Promise.resolve(Object.fromEntries(parts) as MachineParts);
    },
  };
}

function readLine(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return undefined;
    const text = readFileSync(path, 'utf8').slice(0, LICENSE_LIMITS.fingerprintPartBytesMax).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The first disk that has a serial number; loop devices and the like have none. */
function readDiskSerial(root: string): string | undefined {
  const folder = join(root, 'sys/block');
  try {
    const disks = readdirSync(folder).sort();
    const read = (disk: string): string | undefined =>
      readLine(join(folder, disk, 'device/serial')) ??
      readLine(join(folder, disk, 'serial')) ??
      readLine(join(folder, disk, 'device/wwid'));
    return disks.map(read).find((serial) => serial !== undefined);
  } catch {
    return undefined;
  }
}

/** Model and number of processors; weak alone, which is why none decides alone. */
function readCpu(root: string): string | undefined {
  if (root !== '/') return readLine(join(root, 'proc/cpuinfo'));
  const all = cpus();
  return all.length === 0 ? undefined : createHash('sha256').update(`${all[0].model} ${all.length}`).digest('hex');
}
