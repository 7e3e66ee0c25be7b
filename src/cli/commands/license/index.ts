/** `modelward license`: permission to open a sealed model on one device. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'enrol',
    summary: 'on the device: make its key, and write what the vendor needs to know',
    load: async () => (await import('./enrol.ts')).defineEnrol,
  },
  {
    name: 'respond',
    summary: 'on the device: prove to the vendor that the key is in its TPM',
    load: async () => (await import('./enrol.ts')).defineRespond,
  },
  {
    name: 'activate',
    summary: 'on the device: take a licence into use',
    load: async () => (await import('./device.ts')).defineActivate,
  },
  {
    name: 'check',
    summary: 'on the device: say whether a licence may be used now and here',
    load: async () => (await import('./device.ts')).defineCheck,
  },
  {
    name: 'show',
    summary: 'print what a licence says; with the key of the vendor, verified',
    load: async () => (await import('./show.ts')).defineShow,
  },
  {
    name: 'request',
    summary: 'on the device: write a request for the vendor',
    load: async () => (await import('./exchange.ts')).defineRequest,
  },
  {
    name: 'accept',
    summary: 'on the device: take the answer of the vendor',
    load: async () => (await import('./exchange.ts')).defineAccept,
  },
  {
    name: 'sync',
    summary: 'on the device: ask the licence server, and take its answer',
    load: async () => (await import('./serve.ts')).defineSync,
  },
  {
    name: 'challenge',
    summary: 'as vendor: ask a device to prove that its key is in a TPM of a known maker',
    load: async () => (await import('./certify.ts')).defineChallenge,
  },
  {
    name: 'certify',
    summary: 'as vendor: take the proof, and certify the enrolment',
    load: async () => (await import('./certify.ts')).defineCertify,
  },
  {
    name: 'issue',
    summary: 'as vendor: make a licence for an enrolled device and a sealed model',
    load: async () => (await import('./vendor.ts')).defineIssue,
  },
  {
    name: 'renew',
    summary: 'as vendor: make a licence longer',
    load: async () => (await import('./vendor.ts')).defineRenew,
  },
  {
    name: 'answer',
    summary: 'as vendor: answer the request of a device',
    load: async () => (await import('./vendor-exchange.ts')).defineAnswer,
  },
  {
    name: 'revoke',
    summary: 'as vendor: end, suspend or restore a licence',
    load: async () => (await import('./vendor-exchange.ts')).defineRevoke,
  },
  {
    name: 'status-list',
    summary: 'as vendor: write the signed list of revoked and suspended licences',
    load: async () => (await import('./vendor-exchange.ts')).defineStatusList,
  },
  {
    name: 'list',
    summary: 'as vendor: the licences that were issued',
    load: async () => (await import('./vendor-exchange.ts')).defineList,
  },
  {
    name: 'register',
    summary: 'as vendor: say or change where the register of licences is',
    load: async () => (await import('./register.ts')).defineRegister,
  },
  {
    name: 'serve',
    summary: 'as vendor: answer requests of devices over TLS 1.3',
    load: async () => (await import('./serve.ts')).defineServe,
  },
];

export function defineLicense(license: Command, host: CommandHost): void {
  license.description(
    'Licences: a sealed model opens on one device, under terms that the vendor signs, without a network. The key of the model is encrypted to a key of that device; everything else is a rule that the device keeps.',
  );
  addCommands(license, COMMANDS, host);
}
