/** A configuration as the admin API shows it: numbers and switches whole, texts only where they are no secret, path or address. */

/** Members whose texts are shown; a member that is new is hidden until it stands here. */
const SHOWN = new Set([
  ...[
    'name',
    'model',
    'version',
    'host',
    'protocol',
    'protocols',
    'clientCertificates',
    'dtype',
    'level',
    'temporality',
    'lines',
    'tenant',
    'algorithms',
    'kind',
    'whenAway',
    'versions',
    'minVersion',
  ],
]);

const SET = '(set)';

/** @param config of plain values; names of members are shown as they are */
export function toShownConfig(config: unknown, name = ''): unknown {
  if (Array.isArray(config)) return config.map((member: unknown) => toShownConfig(member, name));
  if (typeof config === 'object' && config !== null) {
    return Object.fromEntries(
      Object.entries(config).map(([member, value]: [string, unknown]) => [member, toShownConfig(value, member)]),
    );
  }
  if (typeof config === 'string') return SHOWN.has(name) ? config : SET;
  return typeof config === 'number' || typeof config === 'boolean' ? config : null;
}
