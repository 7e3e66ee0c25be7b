/** Probes as questions to a model that one cannot look into (docs/spec/remote-check.md §3). */
import { type Answer, type NullAgreement, type QuestionSet, toSpread } from '../remote/questions.ts';
import { toAgreementRate, toChance } from './chance.ts';
import { PROBE_FAMILIES } from './families.ts';
import { pickAnswers, type ProbePool, type ProbeRecord } from './record.ts';
import { chooseRare, RARE_NULLS_MIN } from './select.ts';

/** What one null model of the judge says to every probe of a pool. */
export interface NullAnswers {
  readonly name: string;
  /** Format-neutral digest of its tensors, hex. */
  readonly digest: string | null;
  readonly answers: readonly (Answer | null)[];
}

export interface ProbeQuestionsOptions {
  /** Null models that whoever judges runs himself; he need not believe those of the annex then. */
  readonly nulls?: readonly NullAnswers[];
  /** Somebody else than the owner who judges, and what he saw; null when the owner asks. */
  readonly judge: ProbeJudge | null;
}

/** What a judge did not have to take the owner's word for. */
export interface ProbeJudge {
  /** The record of the annex was proven, and lies before the date that he gave. */
  readonly isBefore: boolean;
  /** The committed model gave the recorded answers in front of him. */
  readonly areAnswersOurs: boolean;
}

/** Fewer nulls say little of the spread between models. */
const NULLS_FEW = 5;

/** The questions of a pool. Rare ones are chosen anew by the nulls of a judge who has enough of them. */
export function toProbeQuestions(pool: ProbePool, { nulls = [], judge }: ProbeQuestionsOptions): QuestionSet {
  const { record } = pool;
  const isRare = record.chosen !== null;
  const isChosenHere = isRare && nulls.length >= RARE_NULLS_MIN;
  const choice = isChosenHere ? chooseAnew(record, nulls) : keepChoice(record, isRare ? [] : nulls);
  const { chosen, all } = choice;
  const answers = pickAnswers(record.answers, chosen);
  const { chance, by } = toChance({ nulls: all, answers, isRare });
  const { plan } = record;
  const verdictMax = findVerdictMax(all, nulls, judge);
  return {
    type: 'probes',
    count: answers.length,
    hasBatchAxis: plan.kind === 'tensors' && plan.hasBatchAxis,
    classes: plan.kind === 'tensors' ? plan.classes : null,
    output: plan.kind === 'tensors' ? plan.output : null,
    question: (index) => pool.probe(chosen === null ? index : chosen[index]),
    expected: (index) => answers[index],
    statistic: {
      kind: 'calibrated',
      chance,
      // The owner could have chosen among the families; counted, though nulls move with the choice.
      log2Trials: Math.log2(PROBE_FAMILIES.length),
      nulls: all,
      ...(verdictMax !== undefined && { verdictMax }),
    },
    forget: pool.forget,
    notes: toNotes(record, all, { by, judge, isRare, isChosenHere, hasOwnNulls: countModels(nulls) >= NULLS_MIN }),
  };
}

/** Null models of a flag: fewer may all be unlike the stranger that is asked. */
const NULLS_MIN = RARE_NULLS_MIN;

/**
 * Independent models of one task agree on seven in ten probes and more (docs/lab.md), so without null models there is no
 * evidence. Whoever names the nulls could name some that choose what a stranger answers likewise, or say that they agree
 * less: a judge counts his own.
 */
function findVerdictMax(
  all: readonly NullAgreement[],
  own: readonly NullAnswers[],
  judge: ProbeJudge | null,
): 'supporting' | 'inconclusive' | undefined {
  if (all.length === 0) return 'inconclusive';
  if (countModels(all) < NULLS_MIN) return 'supporting';
  if (judge === null) return undefined;
  return judge.isBefore && judge.areAnswersOurs && countModels(own) >= NULLS_MIN ? undefined : 'supporting';
}

/** The same model under two names is one. */
function countModels(nulls: readonly Pick<NullAgreement, 'digest'>[]): number {
  return new Set(nulls.map(({ digest }, at) => digest ?? at)).size;
}

interface Choice {
  readonly chosen: readonly number[] | null;
  readonly all: readonly NullAgreement[];
}

function chooseAnew({ answers, chosen }: ProbeRecord, nulls: readonly NullAnswers[]): Choice {
  const count = chosen?.length ?? answers.length;
  const rare = chooseRare({ answers, nulls: nulls.map((one) => one.answers), count });
  return {
    chosen: rare.chosen,
    all: nulls.map(({ name, digest }, index) => ({ name, digest, agreement: rare.rates[index] })),
  };
}

function keepChoice({ answers, chosen, nulls }: ProbeRecord, more: readonly NullAnswers[]): Choice {
  const measured = more.map(({ name, digest, answers: theirs }) => {
    return { name, digest, agreement: toAgreementRate(answers, theirs) };
  });
  return { chosen, all: [...nulls, ...measured] };
}

interface Facts {
  readonly by: ReturnType<typeof toChance>['by'];
  readonly judge: ProbeJudge | null;
  readonly isRare: boolean;
  readonly isChosenHere: boolean;
  readonly hasOwnNulls: boolean;
}

function toNotes(record: ProbeRecord, nulls: readonly NullAgreement[], facts: Facts): string[] {
  const { by, judge, isRare, isChosenHere, hasOwnNulls } = facts;
  const notes: string[] = [];
  if (nulls.length === 0) {
    notes.push('No null models were recorded: strangers of the same task may agree as often.');
  } else {
    const { mean, deviation, largest } = toSpread(nulls.map(({ agreement }) => agreement));
    const spread = `mean ${mean.toFixed(3)}, deviation ${deviation.toFixed(3)}, largest ${largest.toFixed(3)}`;
    const few = nulls.length < NULLS_FEW ? ', too few to know the spread between models' : '';
    notes.push(`${nulls.length} null models agree: ${spread}${few}.`);
  }
  if (isRare) {
    const whose = isChosenHere ? 'the null models that were given here' : "the owner's null models";
    notes.push(`The probes are those on which few of ${whose} answer as the owner's model does.`);
  }
  if (countModels(nulls) > 0 && countModels(nulls) < NULLS_MIN) {
    notes.push(`With fewer than ${NULLS_MIN} null models the evidence is supporting at most.`);
  }
  if (judge !== null) notes.push(...toJudgeNotes(judge, hasOwnNulls, record));
  if (by === 'commonest answer') notes.push('Many probes have the same answer, so they tell little.');
  if (record.modelDigest === null)
    notes.push('The recorded answers came from an end point of the owner, not from a file.');
  return notes;
}

/** What keeps the verdict of a judge at "supporting". */
function toJudgeNotes(judge: ProbeJudge, hasOwnNulls: boolean, { modelDigest }: ProbeRecord): string[] {
  const notes: string[] = [];
  if (!hasOwnNulls) {
    notes.push(
      `Whoever names the null models has a say in the evidence: it is supporting at most without ${NULLS_MIN} or more of your own (--null FILE).`,
    );
  }
  if (!judge.isBefore) {
    notes.push(
      'Supporting at most: nothing shows that the answers were recorded before the suspect could be asked (--proof FILE and --before DATE).',
    );
  }
  if (modelDigest === null) {
    notes.push('Supporting at most: answers of an end point cannot be had again from the committed model.');
  } else if (!judge.areAnswersOurs) {
    notes.push(
      'Supporting at most: that the committed model gives the recorded answers was not checked (--model FILE).',
    );
  }
  return notes;
}
