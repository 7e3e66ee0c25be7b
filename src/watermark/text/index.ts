/** The text mark: a keyed green list in front of a decoder's scores, and its detector on text. */
export { readText, type TextReading } from './detect.ts';
export { createGreenList, deriveTextKey, type GreenList } from './green.ts';
export { editTextMark, editTextMarkRemoval, findTextPlaces, type TextPlaces } from './insert.ts';
export { textAnnexSchema, type TextAnnexBody, type TextParams, toDefaultBuckets } from './params.ts';
