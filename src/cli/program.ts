/** The commands in the order of help; docs/cli.md and shell completion are made from this tree. */
import { Command } from 'commander';
import { addCommands, type CommandRow } from './command-table.ts';
import type { CommandHost } from './context.ts';

/** Headings of the help. */
const GROUP = {
  begin: 'Begin here:',
  mark: 'Mark and prove:',
  check: 'Check and compare:',
  seal: 'Encrypt and run:',
  serve: 'Serve:',
  edit: 'Edit graphs and answers:',
  records: 'Records and keys:',
} as const;

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'tour',
    group: GROUP.begin,
    summary: 'protect the bundled model and check everything, step by step',
    load: async () => (await import('./commands/tour.ts')).defineTour,
  },
  {
    name: 'completion',
    group: GROUP.begin,
    summary: 'print the completion script of a shell',
    load: async () => (await import('./commands/completion.ts')).defineCompletion,
  },
  {
    name: 'protect',
    group: GROUP.mark,
    summary: 'mark, commit, sign, seal and record a model, with a report',
    load: async () => (await import('./commands/protect.ts')).defineProtect,
  },
  {
    name: 'embed',
    group: GROUP.mark,
    summary: 'put the ownership mark into a copy of a model, with its claim and commitment',
    load: async () => (await import('./commands/embed.ts')).defineEmbed,
  },
  {
    name: 'detect',
    group: GROUP.mark,
    summary: 'read the ownership mark in a suspect and say how strong the evidence is',
    load: async () => (await import('./commands/detect.ts')).defineDetect,
  },
  {
    name: 'lineage',
    group: GROUP.mark,
    summary: 'say whether the weights of a suspect and of an original share a past, without a mark',
    load: async () => (await import('./commands/lineage.ts')).defineLineage,
  },
  {
    name: 'mark',
    group: GROUP.mark,
    summary: 'plan the ownership mark of a model that is still to be trained',
    load: async () => (await import('./commands/mark/index.ts')).defineMark,
  },
  {
    name: 'recipients',
    group: GROUP.mark,
    summary: 'who was given a copy that names them',
    load: async () => (await import('./commands/recipients/index.ts')).defineRecipients,
  },
  {
    name: 'disclose',
    group: GROUP.mark,
    summary: 'write the seed of a claim in the clear, for a judge',
    load: async () => (await import('./commands/disclose.ts')).defineDisclose,
  },
  {
    name: 'trigger',
    group: GROUP.mark,
    summary: 'secret inputs with drawn answers: put them into a model, or ask a suspect',
    load: async () => (await import('./commands/trigger/index.ts')).defineTrigger,
  },
  {
    name: 'text',
    group: GROUP.mark,
    summary: 'mark what a text model writes, and read the mark in texts',
    load: async () => (await import('./commands/text/index.ts')).defineText,
  },
  {
    name: 'probes',
    group: GROUP.mark,
    summary: 'record what a model answers to keyed questions, to know a copy behind an end point',
    load: async () => (await import('./commands/probes.ts')).defineProbes,
  },
  {
    name: 'verify-remote',
    group: GROUP.mark,
    summary: 'ask a model behind an end point whether it is a copy of ours',
    load: async () => (await import('./commands/verify-remote.ts')).defineVerifyRemote,
  },
  {
    name: 'attack',
    group: GROUP.mark,
    summary: 'attack a marked model, and see how much accuracy and evidence each attack leaves',
    load: async () => (await import('./commands/attack.ts')).defineAttack,
  },
  {
    name: 'baseline',
    group: GROUP.check,
    summary: 'write a signed manifest of a model as it is now',
    load: async () => (await import('./commands/baseline.ts')).defineBaseline,
  },
  {
    name: 'verify',
    group: GROUP.check,
    summary: 'compare a model with its signed baseline',
    load: async () => (await import('./commands/verify.ts')).defineVerify,
  },
  {
    name: 'sign',
    group: GROUP.check,
    summary: 'sign a model, file or folder, for anyone to verify (OpenSSF Model Signing)',
    load: async () => (await import('./commands/sign.ts')).defineSign,
  },
  {
    name: 'verify-signature',
    group: GROUP.check,
    summary: 'say who signed a model, and whether it is still what they signed',
    load: async () => (await import('./commands/verify-signature.ts')).defineVerifySignature,
  },
  {
    name: 'diff',
    group: GROUP.check,
    summary: 'compare two models: graph, tensors to the bit, and what was done',
    load: async () => (await import('./commands/diff.ts')).defineDiff,
  },
  {
    name: 'scan',
    group: GROUP.check,
    summary: 'look for backdoors and hidden payloads, without a baseline',
    load: async () => (await import('./commands/scan.ts')).defineScan,
  },
  {
    name: 'inspect',
    group: GROUP.check,
    summary: 'print tensors, graph, types, cost and metadata of a model; look at it while it runs',
    load: async () => (await import('./commands/inspect.ts')).defineInspect,
  },
  {
    name: 'seal',
    group: GROUP.seal,
    summary: 'encrypt a model with a fresh key, wrapped into an envelope kept apart',
    load: async () => (await import('./commands/seal.ts')).defineSeal,
  },
  {
    name: 'open',
    group: GROUP.seal,
    summary: 'decrypt a sealed model into a new folder',
    load: async () => (await import('./commands/open.ts')).defineOpen,
  },
  {
    name: 'run',
    group: GROUP.seal,
    summary: 'run an ONNX model, plain or sealed, on npy inputs; record its answers',
    load: async () => (await import('./commands/run.ts')).defineRun,
  },
  {
    name: 'license',
    group: GROUP.seal,
    summary: 'let a sealed model open on one device, under signed terms, without a network',
    load: async () => (await import('./commands/license/index.ts')).defineLicense,
  },
  {
    name: 'attest',
    group: GROUP.seal,
    summary: 'verify evidence of trusted hardware, and hold it against a policy',
    load: async () => (await import('./commands/attest/index.ts')).defineAttest,
  },
  {
    name: 'broker',
    group: GROUP.seal,
    summary: 'release keys of sealed models to machines that prove what they run',
    load: async () => (await import('./commands/broker/index.ts')).defineBroker,
  },
  {
    name: 'graph',
    group: GROUP.edit,
    summary: 'find, insert, replace, remove, rename and edit nodes, values and tensors of a graph',
    load: async () => (await import('./commands/graph/index.ts')).defineGraph,
  },
  {
    name: 'worker',
    group: GROUP.edit,
    summary: 'edit models for fleets of several machines, with jobs from a queue',
    load: async () => (await import('./commands/worker.ts')).defineWorker,
  },
  {
    name: 'stamp',
    group: GROUP.edit,
    summary: 'put a mark into what a model answers, read it from recordings, replace or remove it',
    load: async () => (await import('./commands/stamp/index.ts')).defineStamp,
  },
  {
    name: 'label',
    group: GROUP.edit,
    summary: 'write or read a fragile label: it identifies an unchanged file, and is no watermark',
    load: async () => (await import('./commands/label/index.ts')).defineLabel,
  },
  {
    name: 'serve',
    group: GROUP.serve,
    summary: 'answer queries to models over TLS, and show their weights to nobody',
    load: async () => (await import('./commands/serve/serve.ts')).defineServe,
  },
  {
    name: 'apikey',
    group: GROUP.serve,
    summary: 'make, rotate and revoke keys by which customers ask the gateway',
    load: async () => (await import('./commands/apikey/index.ts')).defineApiKey,
  },
  {
    name: 'tls',
    group: GROUP.serve,
    summary: 'make certificates for a server and its clients, and see how long they hold',
    load: async () => (await import('./commands/tls/index.ts')).defineTls,
  },
  {
    name: 'log',
    group: GROUP.records,
    summary: 'verify, query, export and prove what the gateway answered',
    load: async () => (await import('./commands/log/index.ts')).defineLog,
  },
  {
    name: 'verify-response',
    group: GROUP.records,
    summary: 'say whether an answer is the one that the gateway gave to a request',
    load: async () => (await import('./commands/verify-response.ts')).defineVerifyResponse,
  },
  {
    name: 'ledger',
    group: GROUP.records,
    summary: 'read, prove and check the tamper-evident record',
    load: async () => (await import('./commands/ledger.ts')).defineLedger,
  },
  {
    name: 'witness',
    group: GROUP.records,
    summary: 'cosign the ledgers of others, so that nobody can show two histories',
    load: async () => (await import('./commands/witness/index.ts')).defineWitness,
  },
  {
    name: 'keys',
    group: GROUP.records,
    summary: 'the owner identity: make, show, back up, restore',
    load: async () => (await import('./commands/keys.ts')).defineKeys,
  },
];

/** @param version printed by --version */
export function createProgram(host: CommandHost, version: string): Command {
  const program = new Command('modelward')
    .description('Mark, seal, record and verify trained AI models: detection and evidence, not prevention.')
    .version(version)
    .option('--json', 'print exactly one JSON object as the result')
    .option('--quiet', 'no progress and no notes; warnings and errors stay')
    .option(
      '--home <dir>',
      'folder of owner, keys, claims and ledger (default: $MODELWARD_HOME, else the state folder)',
    )
    .option('--key-passphrase-file <file>', 'passphrase or PIN of a key, from a file that only you can read')
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', EXIT_CODES);
  addCommands(program, COMMANDS, host);
  return program;
}

const EXIT_CODES = `
Exit codes: 0 done · 1 findings · 2 wrong usage · 3 input malformed or refused ·
4 not analysed or cannot tell · 5 no key · 6 environment · 70 internal error ·
130 interrupted`;
