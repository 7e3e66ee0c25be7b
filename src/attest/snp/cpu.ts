/** Which processor product a CPUID family and model is of. Bergamo and Siena are Genoa to the key service. @see AMD 57230 */
import type { SnpReport } from './report.ts';
import type { SnpProduct } from './trust.ts';

interface CpuRow {
  readonly product: SnpProduct;
  readonly family: number;
  readonly modelMin: number;
  readonly modelMax: number;
}

const CPUS: readonly CpuRow[] = [
  { product: 'Milan', family: 0x19, modelMin: 0x00, modelMax: 0x0f },
  { product: 'Genoa', family: 0x19, modelMin: 0x10, modelMax: 0x1f },
  { product: 'Genoa', family: 0x19, modelMin: 0xa0, modelMax: 0xaf },
  { product: 'Turin', family: 0x1a, modelMin: 0x00, modelMax: 0x1f },
];

/** Undefined for a processor that is not known, and for reports before version 3, which name none. */
export function productOfCpu(cpu: SnpReport['cpu']): SnpProduct | undefined {
  if (cpu === null) return undefined;
  return CPUS.find(
    ({ family, modelMin, modelMax }) => cpu.family === family && cpu.model >= modelMin && cpu.model <= modelMax,
  )?.product;
}
