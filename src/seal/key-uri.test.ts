import { describe, expect, test } from 'vitest';
import { KEY_SCHEMES, parseKeyUri } from './key-uri.ts';

const UUID = '1234abcd-12ab-34cd-56ef-1234567890ab';
const ARN = `arn:aws:kms:eu-west-1:111122223333:key/${UUID}`;
const GCP = 'projects/p-1/locations/europe-west1/keyRings/ring_1/cryptoKeys/model-kek';

function catchError(uri: string): unknown {
  try {
    return parseKeyUri(uri);
  } catch (error) {
    return error;
  }
}

describe('key URIs of files', () => {
  test.each([
    '/keys/kek.json',
    'relative/kek.json',
    'C:\\keys\\kek.json',
    'a b?c#d%20',
  ])('%s is a path, kept as it is', (path) => {
    for (const scheme of ['local', 'passphrase', 'age']) {
      expect(parseKeyUri(`${scheme}:${path}`)).toEqual({ scheme, path });
    }
  });

  test('a TPM key: its file, the PCRs of a new one, and where the TPM is', () => {
    expect(parseKeyUri('tpm2:/keys/a b.json')).toEqual({
      scheme: 'tpm2',
      path: '/keys/a b.json',
      pcrs: null,
      device: null,
    });
    expect(parseKeyUri('tpm2:k?pcrs=7,0,7')).toMatchObject({ path: 'k', pcrs: [0, 7] });
    expect(parseKeyUri('tpm2:k?pcrs=none&device=/dev/tpmrm1')).toMatchObject({ pcrs: [], device: '/dev/tpmrm1' });
    expect(parseKeyUri('tpm2:k?device=tcp:127.0.0.1:2321')).toMatchObject({ device: 'tcp:127.0.0.1:2321' });
    for (const [query, part] of [
      ['pcrs=24', 'pcrs'],
      ['pcrs=7,', 'pcrs'],
      ['pcrs=0-7', 'pcrs'],
      ['device=tcp:10.0.0.1:2321', 'device'],
      ['device=relative', 'device'],
      ['pcr=7', 'parameters'],
    ]) {
      expect(catchError(`tpm2:k?${query}`)).toMatchObject({ code: 'KEY_URI_INVALID', fields: { part } });
    }
  });

  test('what begins like a recipient of age is one, or refused; a file of such a name is written with ./', () => {
    const recipient = `age1${'q'.repeat(58)}`;
    expect(parseKeyUri(`age:${recipient}`)).toEqual({ scheme: 'age', recipient });
    expect(parseKeyUri(`age:./${recipient}`)).toEqual({ scheme: 'age', path: `./${recipient}` });
    for (const wrong of [recipient.slice(0, -1), `${recipient}q`, `${recipient}.txt`, recipient.replace('q', 'b')]) {
      expect(catchError(`age:${wrong}`)).toMatchObject({ code: 'KEY_URI_INVALID', fields: { part: 'recipient' } });
    }
  });

  test.each(['local:', 'local:a\0b', 'age:', 'tpm2:', 'passphrase:'])('%j names no file', (uri) => {
    expect(catchError(uri)).toMatchObject({ code: 'KEY_URI_INVALID', fields: { part: 'path' } });
  });
});

describe('key URIs of services', () => {
  test.each([
    [ARN, 'eu-west-1', ARN],
    [`${ARN}?region=eu-west-1`, 'eu-west-1', ARN],
    [`${UUID}?region=us-gov-west-1`, 'us-gov-west-1', UUID],
    [`mrk-${'0af1'.repeat(8)}?region=us-east-1`, 'us-east-1', `mrk-${'0af1'.repeat(8)}`],
    ['alias/model/kek_1?region=ap-southeast-2', 'ap-southeast-2', 'alias/model/kek_1'],
    ['arn:aws-cn:kms:cn-north-1:111122223333:alias/x', 'cn-north-1', 'arn:aws-cn:kms:cn-north-1:111122223333:alias/x'],
  ])('aws-kms:%s', (rest, region, key) => {
    expect(parseKeyUri(`aws-kms:${rest}`)).toEqual({
      ...{ scheme: 'aws-kms', key, also: [] },
      ...{ region, endpoint: null, profile: null },
    });
  });

  test('aws-kms: keys that an alias led to before', () => {
    const mrk = `mrk-${'0'.repeat(32)}`;
    expect(parseKeyUri(`aws-kms:alias/x?region=eu-west-1&also=${UUID},${mrk}`)).toMatchObject({ also: [UUID, mrk] });
  });

  test('AWS: an end point and a profile', () => {
    const uri = `aws-kms:${ARN}?endpoint=https%3A%2F%2Fvpce-1.kms.eu-west-1.vpce.amazonaws.com&profile=model%20owner`;
    expect(parseKeyUri(uri)).toMatchObject({
      endpoint: 'https://vpce-1.kms.eu-west-1.vpce.amazonaws.com',
      profile: 'model owner',
    });
    expect(parseKeyUri(`aws-kms:${ARN}?endpoint=http://127.0.0.1:5000`)).toMatchObject({
      endpoint: 'http://127.0.0.1:5000',
    });
  });

  test('Google Cloud', () => {
    const plain = { scheme: 'gcp-kms', key: GCP, endpoint: null, credentialsPath: null };
    expect(parseKeyUri(`gcp-kms:${GCP}`)).toEqual(plain);
    const uri = `gcp-kms:${GCP}?credentials-file=%2Fetc%2Fkeys%2Fsa.json&endpoint=http://[::1]:8080`;
    expect(parseKeyUri(uri)).toEqual({ ...plain, endpoint: 'http://[::1]:8080', credentialsPath: '/etc/keys/sa.json' });
    const regional = 'https://cloudkms.europe-west3.rep.googleapis.com';
    expect(parseKeyUri(`gcp-kms:${GCP}?endpoint=${regional}`)).toEqual({ ...plain, endpoint: regional });
  });

  test('Vault and OpenBao', () => {
    expect(parseKeyUri('vault:transit/model?addr=https://vault.example.org:8200')).toEqual({
      scheme: 'vault',
      mount: 'transit',
      key: 'model',
      addr: 'https://vault.example.org:8200',
      namespace: null,
      caPath: null,
      tokenPath: null,
      appRolePath: null,
    });
    const uri = 'vault:eng/transit/model?addr=https://v/&namespace=a/b/&ca-file=ca.pem&approle-file=role.json';
    expect(parseKeyUri(uri)).toMatchObject({
      mount: 'eng/transit',
      addr: 'https://v',
      namespace: 'a/b',
      caPath: 'ca.pem',
      appRolePath: 'role.json',
    });
  });

  test('Azure', () => {
    expect(parseKeyUri('azure-kv:https://models.vault.azure.net/keys/model-kek')).toEqual({
      scheme: 'azure-kv',
      vault: 'https://models.vault.azure.net',
      key: 'model-kek',
      credentialsPath: null,
      login: null,
    });
    const uri = 'azure-kv:https://models.managedhsm.azure.net/keys/k?credentials-file=sp.json&login=http://localhost:1';
    expect(parseKeyUri(uri)).toMatchObject({ credentialsPath: 'sp.json', login: 'http://localhost:1' });
    const government = 'azure-kv:https://m01.vault.usgovcloudapi.net/keys/k?login=https://login.microsoftonline.us';
    expect(parseKeyUri(government)).toMatchObject({ login: 'https://login.microsoftonline.us' });
  });

  test('PKCS #11, as RFC 7512 writes it', () => {
    const uri =
      'pkcs11:token=The%20Software%20PKCS%2311%20softtoken;object=model;id=%01%a2-x;type=secret-key?module-path=/usr/lib/p11.so&pin-source=file:/etc/pin';
    expect(parseKeyUri(uri)).toEqual({
      scheme: 'pkcs11',
      attributes: {
        token: 'The Software PKCS#11 softtoken',
        object: 'model',
        id: '01a22d78',
        type: 'secret-key',
      },
      modulePath: '/usr/lib/p11.so',
      moduleName: null,
      pinPath: '/etc/pin',
    });
    expect(parseKeyUri('pkcs11:object=m;slot-id=3?pin-source=file:///etc/pin')).toMatchObject({ pinPath: '/etc/pin' });
    expect(parseKeyUri('pkcs11:object=m?pin-source=/etc/pin')).toMatchObject({ pinPath: '/etc/pin' });
  });
});

describe('key URIs that are refused', () => {
  test.each([
    '',
    'kek.json',
    '/keys/kek.json',
    ':x',
    'Local:x',
    `local:${'x'.repeat(16 * 1024)}`,
    'aws-kms:',
    'aws-kms:alias/x',
    `aws-kms:${UUID}`,
    `aws-kms:${UUID}?region=eu-west-1/../x`,
    `aws-kms:${UUID}?region=EU-WEST-1`,
    `aws-kms:${ARN}?region=us-east-1`,
    `aws-kms:${ARN}?region=eu-west-1&region=eu-west-1`,
    `aws-kms:${ARN}?endpoint=http://10.0.0.1`,
    `aws-kms:${ARN}?endpoint=http://127.0.0.1.example.org`,
    `aws-kms:${ARN}?endpoint=https://h/path`,
    `aws-kms:${ARN}?endpoint=file:///x`,
    `aws-kms:${ARN}?unknown=1`,
    `aws-kms:${ARN}?also=${UUID}`,
    `aws-kms:alias/x?region=eu-west-1&also=alias/y`,
    `aws-kms:alias/x?region=eu-west-1&also=${UUID},`,
    `aws-kms:alias/x?region=eu-west-1&also=${Array(17).fill(UUID).join()}`,
    `aws-kms:${ARN}?region`,
    `aws-kms:${ARN}?profile=%0a`,
    `aws-kms:${ARN}?profile=%zz`,
    `aws-kms:${ARN}/..`,
    'aws-kms:arn:aws:s3:::bucket',
    'aws-kms:alias/a?b?region=eu-west-1',
    'gcp-kms:projects/p/locations/l/keyRings/r',
    `gcp-kms:${GCP}/cryptoKeyVersions/1`,
    `gcp-kms:../${GCP}`,
    `gcp-kms:${GCP}?endpoint=https://example.org`,
    `gcp-kms:${GCP}?endpoint=https://evilgoogleapis.com`,
    'vault:model?addr=https://v',
    'vault:transit/model',
    'vault:transit/../model?addr=https://v',
    'vault:transit/model/..?addr=https://v',
    'vault:/transit/model?addr=https://v',
    'vault:transit/model?addr=http://vault.example.org',
    'vault:transit/model?addr=https://v?x=1',
    'vault:transit/model?addr=https://v&namespace=../root',
    'vault:transit/model?addr=https://v&token-file=a&approle-file=b',
    'azure-kv:https://evil.example.org/keys/k',
    'azure-kv:https://m.vault.azure.net.example.org/keys/k',
    'azure-kv:https://models.vault.azure.net:444/secrets/k',
    'azure-kv:https://models.vault.azure.net/keys/k/0123',
    'azure-kv:http://models.vault.azure.net/keys/k',
    'azure-kv:models/k',
    'azure-kv:https://models.vault.azure.net/keys/k?login=https://login.example.org',
    'azure-kv:https://models.vault.azure.net/keys/k?login=https://login.microsoftonline.com.example.org',
    'azure-kv:https://models.vault.azure.net/keys/k?login=https://login.microsoftonline.com:444',
    'pkcs11:',
    'pkcs11:token=a',
    'pkcs11:object=a;object=b',
    'pkcs11:object=a;id=%01;id=%02',
    'pkcs11:object=a;type=private',
    'pkcs11:object=a;slot-id=x',
    'pkcs11:object=a;x-vendor=1',
    'pkcs11:object=a b',
    'pkcs11:id=',
    'pkcs11:object=%ff',
    'pkcs11:object=a?module-path=',
  ])('%s', (uri) => {
    expect(catchError(uri)).toMatchObject({ code: 'KEY_URI_INVALID' });
  });

  test.each([
    'aws-kms:alias/x?region=eu-west-1&secret-access-key=CANARY',
    'aws-kms:alias/x?accessKey=CANARY',
    `gcp-kms:${GCP}?token=CANARY`,
    'vault:transit/model?addr=https://v&token=CANARY',
    'vault:transit/model?addr=https://v&secret_id=CANARY',
    'vault:transit/model?addr=https://name:CANARY@v',
    'azure-kv:https://a:CANARY@models.vault.azure.net/keys/k',
    'azure-kv:https://models.vault.azure.net/keys/k?clientSecret=CANARY',
    'pkcs11:object=a?pin-value=CANARY',
    'pkcs11:object=a?pin-source=CANARY',
    'pkcs11:object=a?pin-source=|echo%20CANARY',
    'pkcs11:object=a?pin-source=https://CANARY',
    'pkcs11:object=a;pin=CANARY',
  ])('%s carries a secret: its own code, which does not repeat it', (uri) => {
    const error = catchError(uri);
    expect(error).toMatchObject({ code: 'KEY_URI_SECRET' });
    expect(`${String(error)}${String((error as Error).stack)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('an unknown scheme has its own code, and nothing behind the scheme is repeated', () => {
    const error = catchError('ftp:user:CANARY@host');
    expect(error).toMatchObject({ code: 'KEY_SCHEME_UNKNOWN', fields: { scheme: 'ftp' } });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test('no refusal repeats more than the scheme and the part', () => {
    for (const scheme of KEY_SCHEMES) {
      for (const rest of [
        'CANARY\0',
        'CANARY%',
        '?CANARY=1',
        '?region=CANARY',
        'CANARY?addr=CANARY',
        'object=CANARY%',
      ]) {
        const error = catchError(`${scheme}:${rest}`);
        if (!(error instanceof Error)) continue;
        expect(`${String(error)}${String(error.stack)}${JSON.stringify(error)}${String(error.cause)}`).not.toContain(
          'CANARY',
        );
      }
    }
  });
});
