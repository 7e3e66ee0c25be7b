/** TCB_VERSION of SEV-SNP: eight bytes of security versions, laid out by product (SEV-SNP ABI, revision 1.57+, 2.2). */
import type { SnpProduct } from './trust.ts';

/** Security patch levels, each 0..255. `fmc` exists on Turin only. */
export interface SnpTcb {
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
  readonly fmc?: number;
}

export type SnpComponent = keyof SnpTcb;

/** Which byte of the little-endian number holds which level. */
const LAYOUT: Readonly<Record<SnpProduct, Readonly<Partial<Record<SnpComponent, number>>>>> = {
  Milan: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Genoa: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Turin: { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 },
};

/** Components of a product, in the order of its bytes. */
export function toComponents(product: SnpProduct): SnpComponent[] {
  return Object.keys(LAYOUT[product]) as SnpComponent[];
}

/** @param bytes eight, as they stand in the report */
export function toSnpTcb(bytes: Uint8Array, product: SnpProduct): SnpTcb {
  const levels = Object.entries(LAYOUT[product]).map(([name, at]) => [name, bytes[at]] as const);
  return Object.fromEntries(levels) as unknown as SnpTcb;
}
