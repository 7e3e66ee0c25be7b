/** Text marks of decoders: put in, taken out, read in texts. */
export { detectText, type DetectTextOptions, type TextReport } from './detect.ts';
export type { TextEffect } from './effect.ts';
export { embedText, type EmbedTextOptions, type EmbedTextResult, removeText } from './embed.ts';
