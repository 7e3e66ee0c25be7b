/** Recovery: removes what a batch left behind that was cut off before its head was stored (docs/spec/ledger.md §8). */
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';
import type { Storage } from '../source/ports.ts';
import { DurableFiles } from './durable-files.ts';
import { toPrivateFolder } from './layout.ts';
import { TILE_WIDTH, type TileLevel, toLevelCount, toTileLevels, toTilePath, toTileWidth } from './tile-path.ts';

/** Deletes tiles, bundles and disclosures beyond `size`, durably. Only the holder of the lock may call it. */
export function discardUnsignedTail(options: {
  readonly storage: Storage;
  readonly folder: string;
  readonly size: number;
}): void {
  const { storage, folder, size } = options;
  const files = new DurableFiles(storage, folder);
  const reach = size + LEDGER_LIMITS.batchEntriesMax;
  const levels: TileLevel[] = ['entries', ...toTileLevels(reach)];
  for (const level of levels) {
    const last = Math.floor(toLevelCount(reach, level) / TILE_WIDTH);
    for (let index = Math.floor(toLevelCount(size, level) / TILE_WIDTH); index <= last; index += 1) {
      const path = `${folder}/${toTilePath({ level, index, width: TILE_WIDTH })}`;
      const width = toTileWidth(size, level, index);
      if (storage.exists(path)) files.remove(path);
      for (const name of storage.list(`${path}.p`)) if (Number(name) > width) files.remove(`${path}.p/${name}`);
    }
  }
  for (let first = size - (size % TILE_WIDTH); first <= reach; first += TILE_WIDTH) {
    const path = `${folder}/${toPrivateFolder(first)}`;
    for (const name of storage.list(path)) {
      if (Number.parseInt(name, 10) >= size) files.remove(`${path}/${name}`);
    }
  }
  files.flush();
}
