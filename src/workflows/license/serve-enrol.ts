/** The two steps of an enrolment over the licence server: nothing is kept between them, and an answer counts once. */
import { utf8 } from '../../core/bytes.ts';
import { certifyDevice, type CertifyContext, challengeDevice } from './certify.ts';

type Step = (context: CertifyContext, text: string) => Promise<string>;

const STEPS: Readonly<Record<string, Step>> = {
  /** Takes an enrolment, gives a challenge. */
  '/v1/enrol': (context, text) => challengeDevice(context, utf8(text), { isFile: false }),
  /** Takes the response, gives the vendor's word. */
  '/v1/enrol/response': async (context, text) => (await certifyDevice(context, text)).certified,
};

/** What answers at this path; undefined where it is none of an enrolment's, or where no maker of TPMs is believed. */
export function findEnrolStep(
  context: CertifyContext | null,
  path: string,
): ((text: string) => Promise<string>) | undefined {
  if (context === null || !Object.hasOwn(STEPS, path)) return undefined;
  return (text) => STEPS[path](context, text);
}
