/** The `aws-kms:` provider: AWS Key Management Service. */
export { openProvider } from './open.ts';
