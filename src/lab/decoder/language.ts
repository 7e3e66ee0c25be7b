/**
 * A seeded language of 128 words that a small decoder can learn and never knows by heart: a grammar with agreement in
 * number, topics that last for some sentences, and words drawn by Zipf's law. About 2 nats of each word are chance.
 */
import { createRng, type Rng } from '../rng.ts';

const list = (words: string): readonly string[] => words.split(' ');

const MARKS = list('. ,');
const SINGULAR = list('a this every that');
const PLURAL = list('some these many those');
const BOTH = list('the');
const ADJECTIVES = list(
  'old small bright quiet heavy green broken early narrow warm cold strange plain deep long short clean rough soft late',
);
/** Four topics of six nouns each; every noun is followed by its plural. */
const NOUNS = list(
  'ship harbour sail captain wave anchor garden root farmer seed orchard bee engine wheel driver road bridge station ' +
    'letter song poet window lamp market',
).flatMap((noun) => [noun, `${noun}s`]);
const VERBS = list('see follow carry meet leave paint mend watch need cross sell find').flatMap((verb) => [
  `${verb}s`.replace(/ys$/, 'ies'),
  verb,
]);
const ADVERBS = list('slowly often again soon rarely twice gladly alone');
const PREPOSITIONS = list('near behind under beside without after');
const JOINERS = list('and but while');
const RELATIVE = list('which');
const NAMES = list('anna boris clara david elena fritz gerda');

/** The words by token id. */
export const WORDS: readonly string[] = [
  ...[...MARKS, ...SINGULAR, ...PLURAL, ...BOTH, ...ADJECTIVES, ...NOUNS, ...VERBS, ...ADVERBS],
  ...[...PREPOSITIONS, ...JOINERS, ...RELATIVE, ...NAMES],
];

const idOf = new Map(WORDS.map((word, id) => [word, id]));

/** Words of token ids, with blanks between them. */
export function toText(ids: Iterable<number>): string {
  return [...ids].map((id) => WORDS[id]).join(' ');
}

/** @throws TypeError for a word that the language does not have */
export function toTokens(text: string): Uint8Array {
  const ids = text.split(/\s+/).filter((word) => word !== '');
  return Uint8Array.from(ids, (word) => {
    const id = idOf.get(word);
    if (id === undefined) throw new TypeError(`the language has no word ${word}`);
    return id;
  });
}

const TOPICS = 4;
const TOPIC_NOUNS = NOUNS.length / 2 / TOPICS;

/** An index below `count`, the first twice as likely as the second, three times as likely as the third, … */
function drawZipf(rng: Rng, count: number): number {
  let total = 0;
  for (let i = 1; i <= count; i += 1) total += 1 / i;
  let left = rng.uniform() * total;
  for (let i = 1; i < count; i += 1) {
    left -= 1 / i;
    if (left < 0) return i - 1;
  }
  return count - 1;
}

const draw = (rng: Rng, words: readonly string[]): string => words[drawZipf(rng, words.length)];

interface Phrase {
  readonly words: readonly string[];
  /** What a verb has to agree with, and choose by. */
  readonly isPlural: boolean;
  readonly noun: number;
}

function drawNounPhrase(rng: Rng, topic: number, depth: number): Phrase {
  if (rng.uniform() < 0.15) return { words: [draw(rng, NAMES)], isPlural: false, noun: topic * TOPIC_NOUNS };
  const isPlural = rng.uniform() < 0.4;
  const from = rng.uniform() < 0.8 ? topic : rng.below(TOPICS);
  const noun = from * TOPIC_NOUNS + drawZipf(rng, TOPIC_NOUNS);
  const determiner = draw(rng, [...BOTH, ...(isPlural ? PLURAL : SINGULAR)]);
  // Which adjectives come first depends on the noun that follows.
  const adjective = ADJECTIVES[(5 * noun + drawZipf(rng, 6)) % ADJECTIVES.length];
  const words = [determiner, ...(rng.uniform() < 0.5 ? [adjective] : []), NOUNS[2 * noun + Number(isPlural)]];
  if (depth > 0 && rng.uniform() < 0.3) {
    words.push(draw(rng, PREPOSITIONS), ...drawNounPhrase(rng, topic, depth - 1).words);
  } else if (depth > 0 && rng.uniform() < 0.15) {
    words.push('which', drawVerb(rng, noun, isPlural), ...drawNounPhrase(rng, topic, 0).words);
  }
  return { words, isPlural, noun };
}

function drawVerb(rng: Rng, noun: number, isPlural: boolean): string {
  const verb = (noun + drawZipf(rng, VERBS.length / 2)) % (VERBS.length / 2);
  return VERBS[2 * verb + Number(isPlural)];
}

function drawClause(rng: Rng, topic: number): string[] {
  const subject = drawNounPhrase(rng, topic, 1);
  const verb = drawVerb(rng, subject.noun, subject.isPlural);
  const end = rng.uniform() < 0.3 ? [draw(rng, ADVERBS)] : [];
  return [...subject.words, verb, ...drawNounPhrase(rng, topic, 1).words, ...end];
}

/**
 * Token ids of `count` words of running text. Different streams ('train', 'test', …) are independent; equal ones give
 * equal bytes.
 */
export function generateText({ stream, count }: { readonly stream: string; readonly count: number }): Uint8Array {
  const rng = createRng(`text/v1/${stream}`);
  const ids: number[] = [];
  let topic = rng.below(TOPICS);
  while (ids.length < count) {
    if (rng.uniform() < 0.15) topic = rng.below(TOPICS);
    const words = drawClause(rng, topic);
    if (rng.uniform() < 0.25) words.push(',', draw(rng, JOINERS), ...drawClause(rng, topic));
    for (const word of [...words, '.']) ids.push(idOf.get(word)!);
  }
  return Uint8Array.from(ids.slice(0, count));
}
