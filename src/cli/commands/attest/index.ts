/** `modelward attest`: evidence of trusted hardware. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'show',
    summary: 'print what evidence says of itself, unverified, and what has to be fetched to verify it',
    load: async () => (await import('./show.ts')).defineAttestShow,
  },
  {
    name: 'verify',
    summary: 'say who signed the evidence, and whether it is intact and current',
    load: async () => (await import('./verify.ts')).defineAttestVerify,
  },
  {
    name: 'validate',
    summary: 'verify evidence, and hold it against a policy',
    load: async () => (await import('./validate.ts')).defineAttestValidate,
  },
  {
    name: 'fetch',
    summary: 'fetch certificates, revocation lists and collateral from the vendor, checked',
    load: async () => (await import('./fetch.ts')).defineAttestFetch,
  },
  {
    name: 'collect',
    summary: 'inside a confidential VM: ask the hardware for evidence',
    load: async () => (await import('./collect.ts')).defineAttestCollect,
  },
];

export function defineAttest(attest: Command, host: CommandHost): void {
  attest.description(
    'Evidence of trusted hardware: AMD SEV-SNP reports, Intel SGX and TDX quotes, AWS Nitro documents, TPM quotes. "verify" says whether evidence is authentic, "validate" whether it is good enough for a policy. Collateral comes from files, which "fetch" alone gets; roots are compiled in.',
  );
  addCommands(attest, COMMANDS, host);
}
