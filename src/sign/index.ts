/** Signatures, owner keys, backups and timestamps. */
export * from './backup.ts';
export * from './dsse.ts';
export * from './owner.ts';
export * from './p256.ts';
export * from './ports.ts';
export * from './seed-box.ts';
