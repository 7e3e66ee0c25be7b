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
  /** True when somebody else than the owner judges. */
  readonly isJudge: boolean;
}

/** Fewer nulls say little of the spread between models. */
const NULLS_FEW = 5;

/** The questions of a pool. Rare ones are chosen anew by the nulls of a judge who has enough of them. */
export function toProbeQuestions(pool: ProbePool, { nulls = [], isJudge }: ProbeQuestionsOptions): QuestionSet {
  const { record } = pool;
  const isRare = record.chosen !== null;
  const isChosenHere = isRare && nulls.length >= RARE_NULLS_MIN;
  const choice = isChosenHere ? chooseAnew(record, nulls) : keepChoice(record, isRare ? [] : nulls);
  const { chosen, all } = choice;
  const answers = pickAnswers(record.answers, chosen);
  const { chance, by } = toChance({ nulls: all, answers, isRare });
  const { plan } = record;
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
      // Whoever names the nulls that choose could name some that choose what a stranger answers likewise.
      ...(isJudge && isRare && !isChosenHere && { verdictMax: 'supporting' as const }),
    },
    notes: toNotes(record, all, { by, isJudge, isRare, isChosenHere }),
  };
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
  readonly isJudge: boolean;
  readonly isRare: boolean;
  readonly isChosenHere: boolean;
}

function toNotes(record: ProbeRecord, nulls: readonly NullAgreement[], facts: Facts): string[] {
  const { by, isJudge, isRare, isChosenHere } = facts;
  const notes: string[] = [];
  if (nulls.length === 0) notes.push('No null model was measured: the rate of strangers is an assumption.');
  else {
    const { mean, deviation, largest } = toSpread(nulls.map(({ agreement }) => agreement));
    const spread = `mean ${mean.toFixed(3)}, deviation ${deviation.toFixed(3)}, largest ${largest.toFixed(3)}`;
    const few = nulls.length < NULLS_FEW ? ', too few to know the spread between models' : '';
    notes.push(`${nulls.length} null models agree: ${spread}${few}.`);
  }
  if (isRare) {
    const whose = isChosenHere ? 'the null models that were given here' : "the owner's null models";
    notes.push(`The probes are those on which few of ${whose} answer as the owner's model does.`);
  }
  if (isJudge && isRare && !isChosenHere) {
    notes.push(
      `Whoever names the null models has a say in the choice: with ${RARE_NULLS_MIN} or more of your own (--null FILE) the evidence no longer hangs on the owner's.`,
    );
  }
  if (by === 'commonest answer') notes.push('Many probes have the same answer, so they tell little.');
  if (record.modelDigest === null)
    notes.push('The recorded answers came from an end point of the owner, not from a file.');
  return notes;
}
