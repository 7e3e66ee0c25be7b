/**
 * The rules of a scan: one row each. Numbers never change; docs/spec/scan-rules.md tells what each one sees, how it
 * can be evaded and what it alarms on without reason.
 */

export interface ScanRule {
  readonly name: string;
  /** What a finding of the rule means, one sentence. */
  readonly summary: string;
  /** When it alarms on honest models. */
  readonly falseAlarms: string;
}

const rows = {
  G01: {
    name: 'select-on-trigger',
    summary: 'A selecting operator is switched by a comparison of an input value, with almost no weights in between.',
    falseAlarms: 'mode switches such as a sample rate (graded suspicious), masks of padding',
  },
  G02: {
    name: 'parameter-free-trigger',
    summary: 'A yes-or-no signal made of an input without weights joins what the weights computed.',
    falseAlarms: 'energy gates in front of audio models, clipping against statistics of the input',
  },
  G03: {
    name: 'parameter-free-path',
    summary: 'An output depends on an input by a path that crosses no weights.',
    falseAlarms:
      'pass-through outputs, colour planes beside a super-resolution network, states, mean pooling by a mask',
  },
  G04: {
    name: 'tiny-detector',
    summary: 'A yes-or-no signal made by a handful of weights (a small convolution, a template) joins the network.',
    falseAlarms: 'gates of very small networks',
  },
  G05: {
    name: 'overwritten-output',
    summary: 'Constants are written over a computed value: ScatterND, ScatterElements, or Concat with parts cut out.',
    falseAlarms: 'exported in-place assignments, fixed background classes',
  },
  G06: {
    name: 'shape-trigger',
    summary: 'The size of an input decides which value goes on, or is added to it as a yes-or-no signal.',
    falseAlarms: 'exporters that squeeze or pad by shape (graded benign when both sides are the same value)',
  },
  G07: {
    name: 'loop',
    summary: 'A loop runs very long, or as often as an input says.',
    falseAlarms: 'decoders and sequence models with a length input (graded suspicious)',
  },
  G08: {
    name: 'sampling',
    summary: 'Random numbers take part in inference.',
    falseAlarms: 'generative models; graded high only where a random yes-or-no joins the network',
  },
  G09: {
    name: 'integer-hash',
    summary: 'An input is turned into integers and mixed by modulo, shift or bit operations.',
    falseAlarms: 'hashing embeddings, token arithmetic, positions',
  },
  G10: {
    name: 'constant-branch',
    summary: 'One branch of If holds next to no weights and gives a constant while the other one computes.',
    falseAlarms: 'guards for empty inputs',
  },
  G11: {
    name: 'rare-literal',
    summary: 'A value of an input is compared with an unusual constant.',
    falseAlarms: 'token numbers, sample rates, thresholds',
  },
  G12: {
    name: 'dead-part',
    summary: 'Nodes, functions or tensors from which nothing reaches an output.',
    falseAlarms: 'left-overs of exporters; graded suspicious when they hold many bytes',
  },
  G13: {
    name: 'custom-domain',
    summary: 'Operators that the runtime gets from a library of the deployer: what they do is not in the file.',
    falseAlarms: 'known extensions (tokenizers, image decoders, accelerators)',
  },
  G14: {
    name: 'expansion-bomb',
    summary: 'Functions and subgraphs that call each other blow a small file up.',
    falseAlarms: 'none known',
  },
  S01: {
    name: 'dual-storage',
    summary: 'A tensor has two storages: readers disagree which one counts.',
    falseAlarms: 'none known; runtimes and checkers differ on such files',
  },
  S02: {
    name: 'outside-path',
    summary: 'The model names data outside its folder, or behind a link.',
    falseAlarms: 'link farms of model caches: give the folder with --data-root',
  },
  S03: {
    name: 'ambiguous-file',
    summary: 'The file is built so that two readers see different models, or that readers exhaust themselves.',
    falseAlarms: 'files cut or damaged on the way',
  },
  T01: {
    name: 'code-text',
    summary: 'Text that reads like program code, outside the weights or in a text tensor.',
    falseAlarms: 'doc strings with stack traces of exporters',
  },
  T02: {
    name: 'packed-text',
    summary: 'A long run of text that is packed or encrypted.',
    falseAlarms: 'embedded tokenizers and certificates',
  },
  T03: {
    name: 'hidden-file',
    summary: 'A tensor or a gap begins like a program, an archive or a script.',
    falseAlarms: 'by chance once in 2^32 tensors for the shortest signature that is used',
  },
  T04: {
    name: 'network-address',
    summary: 'An address in the file; nothing follows it here.',
    falseAlarms: 'licences and home pages',
  },
  T05: {
    name: 'hidden-characters',
    summary: 'Characters that cannot be seen, or that turn the direction of text, in names or templates.',
    falseAlarms: 'texts of right-to-left languages',
  },
  W01: {
    name: 'not-a-number',
    summary: 'Weights hold NaN or infinity.',
    falseAlarms: 'masks with minus infinity (graded benign)',
  },
  W02: {
    name: 'outlier-values',
    summary: 'A few values lie many powers of two above all others, as flipped exponent bits do.',
    falseAlarms: 'see docs/spec/scan-rules.md, W02',
  },
  W03: {
    name: 'outlier-rows',
    summary: 'A few rows are much larger than all others.',
    falseAlarms: 'rare tokens in embeddings, rows for special classes',
  },
  W04: {
    name: 'low-bits',
    summary: 'The low mantissa bits are not as natural floats have them.',
    falseAlarms: 'one in 10^9 tensors under the null; tensors on a grid are left out',
  },
  W05: {
    name: 'repeated-blocks',
    summary: 'Blocks of weights occur more than once.',
    falseAlarms: 'tied or copied layers (graded benign)',
  },
  P01: {
    name: 'pickle-import',
    summary: 'Loading the file would import or call what tensors do not need.',
    falseAlarms: 'classes of the model in files that hold a whole object',
  },
  P02: {
    name: 'archive-oddity',
    summary: 'The archive or a pickle in it is not as PyTorch writes it.',
    falseAlarms: 'archives that other zip programs packed',
  },
  C01: {
    name: 'template-code',
    summary: 'A chat template reaches for the interpreter behind it.',
    falseAlarms: 'none known',
  },
  C02: {
    name: 'template-trigger',
    summary: 'A chat template acts on a phrase of the conversation.',
    falseAlarms: 'templates that look for markers without angle or square brackets',
  },
} as const satisfies Record<string, ScanRule>;

export type ScanRuleId = keyof typeof rows;

export const SCAN_RULES: Readonly<Record<ScanRuleId, ScanRule>> = rows;
