/** Which tests speak of which error codes, and the codes that no test makes, each with the reason. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ErrorCode } from '../../src/core/errors.ts';

const root = resolve(import.meta.dirname, '../..');

/** What these tell was read where they are made (`error-sites.ts`); nothing of a secret is at hand there. */
export const NOT_MADE_BY_A_TEST: Partial<Record<ErrorCode, string>> = {
  OBJECT_CREDENTIALS:
    'takes a machine without any credentials; tells the code and evidence of what reads those of key services',
  LEDGER_ENTRY_MALFORMED: 'takes a ledger of another writer; tells index and offset',
  OBJECT_STORE_UNTRUSTED: "takes a store's address with a foreign certificate; tells host and the name of the fault",
  OBJECT_TOO_LARGE: 'takes an object of more than 500 GiB',
  DATABASE_POSTGRES_MISSING: 'takes an installation without the package; tells its version',
  RUNTIME_PROFILE_UNAVAILABLE: 'takes an installation without the native runtime',
  RUNTIME_OPTIMIZER_UNAVAILABLE: 'takes an installation without the native runtime',
  RUNTIME_INPUTS_UNKNOWN: 'takes a runtime that does not tell the inputs of a model',
  KEY_DISABLE_OUTSIDE: 'takes a key service that rotates and does not disable; tells type and name of the key',
  CLI_TOUR_FAILED: 'takes a broken tour',
  SAFETENSORS_TENSOR_COUNT: 'takes a header of 100 MB',
  SURGERY_PLAN_TOO_LARGE: 'takes a plan larger than the bound of its file',
  WATERMARK_PLAN_TOO_LARGE: 'takes a plan larger than the bound of its file',
  RECIPIENT_ORDER_CHANGES_OUTPUTS: 'takes a model whose outputs change by an order of neurons that cannot change them',
  WATERMARK_TRIGGER_SUSPECT_UNFIT: 'takes a suspect that is run, and answers in another shape',
  INSPECT_TENSOR_UNSUPPORTED: 'takes a tensor of a type that has no numbers',
};

/** All that tests say, but for the lists of codes of this folder. */
export function readTests(): string {
  const texts = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|txt)$/.test(name) && (folder === 'test' || name.endsWith('.test.ts')))
      .filter((name) => !/hygiene\/(coverage|canary\.test)\.ts$/.test(name))
      .map((name) => readFileSync(join(root, folder, name), 'utf8')),
  );
  return texts.join('\n');
}
