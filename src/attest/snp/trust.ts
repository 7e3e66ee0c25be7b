/** Which AMD roots are believed, and what is known of each processor product. */
import { type Certificate, readCertificate } from '../x509/certificate.ts';

/** Products as certificates name them; Bergamo and Siena carry Genoa's. */
export type SnpProduct = 'Milan' | 'Genoa' | 'Turin';

/** Base64 of the DER of AMD's three certificates of one product. */
export interface AmdAuthority {
  readonly product: SnpProduct;
  readonly ark: string;
  readonly ask: string;
  readonly asvk: string;
}

export interface SnpTrust {
  readonly product: SnpProduct;
  /** The root key: the only thing believed. */
  readonly ark: Certificate;
  /** Known authorities below it, so that evidence need not bring them: they are checked like any other. */
  readonly authorities: readonly Certificate[];
}

export function toSnpTrust({ product, ark, ask, asvk }: AmdAuthority): SnpTrust {
  const read = (base64: string) => readCertificate(new Uint8Array(Buffer.from(base64, 'base64')));
  return { product, ark: read(ark), authorities: [read(ask), read(asvk)] };
}
