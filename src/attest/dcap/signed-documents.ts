/**
 * TCB info and QE identity: the two JSON texts that Intel signs.
 * @see Intel PCS API v4, "Get TCB Info", "Get Quoting Enclave Identity", "Get TD Quoting Enclave Identity"
 */
import { z } from 'zod';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';
import { TCB_STATUSES } from '../claims.ts';
import { refuseCollateral } from './collateral.ts';

const hexOf = (lengthBytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-fA-F]{${lengthBytes * 2}}$`))
    .transform((value) => value.toLowerCase());
const time = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  .transform((value, context) => {
    const ms = Date.parse(value);
    if (Number.isFinite(ms)) return ms;
    context.addIssue({ code: 'custom', message: 'no date' });
    return z.NEVER;
  });
const svn = (max: number) => z.int().min(0).max(max);
const components = z.array(z.object({ svn: svn(0xff) })).length(16);
const judged = {
  tcbDate: time,
  tcbStatus: z.enum(TCB_STATUSES),
  advisoryIDs: z.array(z.string().max(64)).max(ATTEST_LIMITS.advisoriesMax).default([]),
};
const isvLevels = z
  .array(z.object({ tcb: z.object({ isvsvn: svn(0xffff) }), ...judged }))
  .max(ATTEST_LIMITS.tcbLevelsMax);
const dated = { issueDate: time, nextUpdate: time, tcbEvaluationDataNumber: z.int().min(0) };
const moduleIdentity = { mrsigner: hexOf(48), attributes: hexOf(8), attributesMask: hexOf(8) };

const tcbInfoSchema = z.object({
  id: z.enum(['SGX', 'TDX']),
  version: z.literal(3),
  ...dated,
  fmspc: hexOf(6),
  pceId: hexOf(2),
  // The only matching rule there is: component by component.
  tcbType: z.literal(0),
  tdxModule: z.object(moduleIdentity).optional(),
  tdxModuleIdentities: z
    .array(z.object({ id: z.string().max(16), ...moduleIdentity, tcbLevels: isvLevels }))
    .max(ATTEST_LIMITS.tdxModulesMax)
    .default([]),
  tcbLevels: z
    .array(
      z.object({
        tcb: z.object({
          sgxtcbcomponents: components,
          tdxtcbcomponents: components.optional(),
          pcesvn: svn(0xffff),
        }),
        ...judged,
      }),
    )
    .max(ATTEST_LIMITS.tcbLevelsMax),
});

const qeIdentitySchema = z.object({
  id: z.enum(['QE', 'TD_QE']),
  version: z.literal(2),
  ...dated,
  miscselect: hexOf(4),
  miscselectMask: hexOf(4),
  attributes: hexOf(16),
  attributesMask: hexOf(16),
  mrsigner: hexOf(32),
  isvprodid: svn(0xffff),
  tcbLevels: isvLevels,
});

export type TcbInfo = z.infer<typeof tcbInfoSchema>;
export type QeIdentity = z.infer<typeof qeIdentitySchema>;
export type IsvLevel = z.infer<typeof isvLevels>[number];

/** @throws AttestError ATTEST_COLLATERAL_MALFORMED */
export function parseTcbInfo(text: string): TcbInfo {
  return parse('tcb_info', text, tcbInfoSchema);
}

/** @throws AttestError ATTEST_COLLATERAL_MALFORMED */
export function parseQeIdentity(text: string): QeIdentity {
  return parse('qe_identity', text, qeIdentitySchema);
}

function parse<T>(name: string, text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    refuseCollateral(name, cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  refuseCollateral(`${name}: ${parsed.error.issues.map(({ path }) => path.join('.')).join(', ')}`);
}
