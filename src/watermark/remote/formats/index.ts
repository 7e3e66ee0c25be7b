/** The ways in which end points are asked, by name. */
import { instancesFormat, oipFormat, plainFormat, torchserveFormat } from './tensors.ts';
import { chatFormat, completionsFormat } from './texts.ts';
import { tokensFormat } from './tokens.ts';
import type { RequestFormat } from './types.ts';

export { parseReply } from './json.ts';
export { createTemplateFormat, type TemplateOptions } from './template.ts';
export type { FormatContext, RequestFormat } from './types.ts';

export const FORMAT_NAMES = [
  ...(['plain', 'kserve-v1', 'oip', 'torchserve', 'openai-chat', 'openai-completions'] as const),
  'openai-tokens',
] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

export const FORMATS: Readonly<Record<FormatName, RequestFormat>> = Object.freeze(
  Object.assign(Object.create(null) as Record<FormatName, RequestFormat>, {
    plain: plainFormat,
    'kserve-v1': instancesFormat,
    oip: oipFormat,
    torchserve: torchserveFormat,
    'openai-chat': chatFormat,
    'openai-completions': completionsFormat,
    'openai-tokens': tokensFormat,
  } satisfies Record<FormatName, RequestFormat>),
);
