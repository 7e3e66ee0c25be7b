/** The same judgement for all sizes from 1 to 1,024. */
import './go-judge.test.ts';
