/** Credentials for a token that another identity provider signed: service accounts of Kubernetes on EKS and the like. */
import { SealError } from '../../../core/errors.ts';
import type { ProviderPorts } from '../provider.ts';
import type { ExpiringCredentials } from './expiring.ts';
import { askSts } from './sts.ts';

const PLACE = 'web identity';

export interface WebIdentityOptions {
  readonly ports: Pick<ProviderPorts, 'clock' | 'env' | 'files'>;
  readonly region: string;
}

/** As the environment names it; null where it names no token. @throws as {@link askWithWebIdentity} */
export async function findWebIdentityCredentials(options: WebIdentityOptions): Promise<ExpiringCredentials | null> {
  const {
    AWS_WEB_IDENTITY_TOKEN_FILE: path,
    AWS_ROLE_ARN: roleArn,
    AWS_ROLE_SESSION_NAME: session,
  } = options.ports.env;
  if (!path || !roleArn) return null;
  return askWithWebIdentity(options, { path, roleArn, session });
}

/**
 * AssumeRoleWithWebIdentity of STS in the key's Region.
 * @throws SealError KEY_CREDENTIALS_MISSING without the file; those of {@link askSts}
 */
export async function askWithWebIdentity(
  { ports, region }: WebIdentityOptions,
  role: { readonly path: string; readonly roleArn: string; readonly session: string | undefined },
): Promise<ExpiringCredentials> {
  // The platform mounts it, with the modes that it chooses.
  const token = ports.files.findPublic(role.path);
  if (token === null) throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'aws-kms', place: PLACE } });
  const parameters = {
    Action: 'AssumeRoleWithWebIdentity',
    RoleArn: role.roleArn,
    RoleSessionName: role.session ?? 'modelward',
    WebIdentityToken: new TextDecoder().decode(token).trim(),
  };
  return askSts({ ports, region, parameters, credentials: null, place: PLACE });
}
