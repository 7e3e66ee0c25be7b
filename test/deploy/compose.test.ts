/** The recipe of two gateways with their stores, as it is written: who reaches whom, and who reads which secret. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readGatewayConfig } from '../../src/gateway/index.ts';
import { gateways, readCompose, readComposeFile, readPeers, recipe, type Service } from './compose-recipe.ts';

const compose = readCompose();
const services = Object.entries(compose.services);
const config = readGatewayConfig(readComposeFile('gateway.yaml'));

const networksOf = ({ networks }: Service): readonly string[] =>
  Array.isArray(networks) ? (networks as string[]) : Object.keys(networks);
const secretsIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(/\/run\/secrets\/([\w-]+)/g), ([, name]) => name);

describe('networks', () => {
  test('from outside the balancer alone is reached; stores by gateways and the operator alone, and none of them gets out', () => {
    expect(services.filter(([, { ports }]) => ports !== undefined).map(([name]) => name)).toEqual(['balancer']);
    const within = (network: string): string[] =>
      services
        .filter(([, service]) => networksOf(service).includes(network))
        .map(([name]) => name)
        .sort();
    expect(within('stores')).toEqual([...gateways, 'operator', 'postgres', 'redis'].sort());
    expect(within('inner')).toEqual(['balancer', ...gateways].sort());
    expect(within('edge')).toEqual(['balancer']);
    expect([compose.networks.stores.internal, compose.networks.inner.internal]).toEqual([true, true]);
    for (const [, { network_mode: mode, privileged }] of services)
      expect([mode, privileged]).toEqual([undefined, undefined]);
  });

  test('the one proxy that is believed is the balancer; there are as many machines as gateways', () => {
    const address = (compose.services.balancer.networks as Record<string, { ipv4_address: string }>).inner.ipv4_address;
    expect(config.identity.trustedProxies).toEqual([`${address}/32`]);
    expect(config.limits.store).toMatchObject({ kind: 'redis', machines: gateways.length });
    expect(config.listen.tls).toMatchObject({ clientCertificates: 'required' });
  });
});

describe('secrets', () => {
  test('are files: no text of the recipe is one, and no variable holds one', () => {
    for (const [, { environment = {} }] of services) {
      for (const [name, value] of Object.entries(environment)) {
        if (/PASS|SECRET|TOKEN|KEY/.test(name))
          expect([name, value]).toEqual([name, `/run/secrets/${value.slice(13)}`]);
      }
    }
    const texts = ['compose.yaml', 'gateway.yaml', 'nginx.conf', 'postgres-init.sql', 'Dockerfile', 'prepare'].map(
      recipe,
    );
    for (const text of texts) expect(text).not.toMatch(/BEGIN|mwk_live_|:\/\/\w+:\w+@/);
    expect(recipe('.gitignore')).toContain('secrets/');
  });

  test('each is made, each is given, and each service has what its files and words name, and no more than it needs', () => {
    const made = recipe('prepare');
    const declared = Object.entries(compose.secrets);
    const used = new Set(services.flatMap(([, { secrets = [] }]) => secrets));
    expect([...used].sort()).toEqual(declared.map(([name]) => name).sort());
    for (const [name, { file }] of declared) {
      const isMade =
        name === 'model_key' || made.includes(file) || made.includes(`--out ${file.split('/').slice(0, 2).join('/')}`);
      expect([name, isMade]).toEqual([name, true]);
    }
    const files = { gateway: 'gateway.yaml', nginx: 'nginx.conf', postgres_init: 'postgres-init.sql' } as const;
    for (const [name, { configs = [], command = [], environment = {}, secrets = [], entrypoint }] of services) {
      expect(entrypoint).toBeUndefined();
      const texts = configs.map(({ source }) => recipe(files[source as keyof typeof files]));
      const named = new Set(secretsIn([...texts, ...command, ...Object.values(environment)].join('\n')));
      const isGateway = gateways.includes(name);
      // The address of the database names the authority of its certificate.
      if (isGateway) named.add('postgres_ca');
      if (name !== 'operator') expect([name, [...secrets].sort()]).toEqual([name, [...named].sort()]);
    }
    expect(compose.services.operator.secrets).not.toContain('model_key');
  });
});

test('every service has no rights beyond its own, and writes to its volumes alone', () => {
  for (const [name, service] of services) {
    const { cap_drop: dropped, read_only: isReadOnly, security_opt: options, user } = service;
    expect([name, dropped, isReadOnly]).toEqual([name, ['ALL'], true]);
    expect(options).toEqual(['no-new-privileges:true']);
    if (name !== 'balancer') expect(user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  }
});

test('what is mounted is there; homes are of one gateway each; numbers agree', () => {
  for (const { file } of Object.values(compose.configs)) expect(existsSync(join(compose.folder, file))).toBe(true);
  const homes = services.flatMap(([, { volumes = [] }]) =>
    volumes.filter((volume) => volume.includes('/var/lib/modelward')),
  );
  expect(new Set(homes).size).toBe(gateways.length + 1);
  for (const name of gateways) {
    expect(Number.parseInt(compose.services[name].stop_grace_period!, 10) * 1000).toBeGreaterThan(
      config.limits.drainDelayMs + config.limits.drainTimeoutMs,
    );
  }
  expect(recipe('nginx.conf')).toContain(`client_max_body_size ${config.limits.bodyBytesMax / 1024 ** 2}m`);
  const peers = readPeers();
  for (const name of ['pg', 'ioredis']) expect(recipe('Dockerfile')).toContain(`${name}@${peers[name]}`);
});
