/** The manifests for Kubernetes: against its schemas, the restricted profile, and themselves. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readGatewayConfig } from '../../src/gateway/index.ts';
import { describeWhere, hasProgram } from '../shared-data.ts';
import { deploy, readRecipe } from './kit.ts';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly resources: { readonly limits: Readonly<Record<string, string>> };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
}

interface PodSpec {
  readonly containers: readonly [Container];
  readonly initContainers: readonly [Container];
  readonly volumes: readonly { readonly name: string }[];
  readonly securityContext: object;
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken: boolean;
  readonly terminationGracePeriodSeconds: number;
}

interface Document {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: object };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, string>>;
}

const path = join(deploy, 'kubernetes/modelward.yaml');
const documents = parseAllDocuments(readRecipe('kubernetes', 'modelward.yaml')).map((one) => one.toJS() as Document);
const find = (kind: string, name = 'modelward'): Document => {
  const found = documents.find((one) => one.kind === kind && one.metadata.name === name);
  if (found === undefined) throw new TypeError(`no ${kind} ${name}`);
  return found;
};
const deployment = find('Deployment').spec as {
  selector: object;
  replicas: number;
  template: { spec: PodSpec; metadata: object };
};
const pod = deployment.template.spec;
const [gateway] = pod.containers;
const config = readGatewayConfig(parse(find('ConfigMap').data['gateway.yaml']));

const validator = resolve(import.meta.dirname, '../oracles/.venv/bin/kubernetes-validate');
describeWhere(hasProgram(validator, ['--version']), 'the manifests', 'kubernetes-validate', () => {
  test.each(['1.29', '1.37'])('are understood by Kubernetes %s, without a member that it does not know', (version) => {
    const args = ['-k', version, '--strict', path];
    expect(() => execFileSync(validator, args, { stdio: 'pipe' })).not.toThrow();
  });

  test('would be refused with a member that is misspelt', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-kubernetes-'));
    const text = readRecipe('kubernetes', 'modelward.yaml');
    writeFileSync(join(folder, 'bad.yaml'), text.replace('readOnlyRootFilesystem', 'readOnlyRootFileSystem'));
    const { status } = spawnSync(validator, ['-k', '1.29', '--strict', join(folder, 'bad.yaml')]);
    rmSync(folder, { recursive: true });
    expect(status).not.toBe(0);
  });
});

describe('the pod', () => {
  test('keeps to the restricted profile, with a root file system that is read alone', () => {
    expect(find('Namespace').metadata.labels).toEqual({ 'pod-security.kubernetes.io/enforce': 'restricted' });
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    for (const { securityContext, resources, image } of [...pod.containers, ...pod.initContainers]) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        privileged: false,
        capabilities: { drop: ['ALL'] },
      });
      expect(resources.limits.memory).toMatch(/^\d+[GM]i$/);
      expect(image).toMatch(/@sha256:[0-9a-f]{64}$/);
    }
  });

  test('mounts volumes that it has, at the places that the configuration reads, and writes where it must alone', () => {
    const names = new Set(pod.volumes.map(({ name }) => name));
    const mounts = [...gateway.volumeMounts, ...pod.initContainers[0].volumeMounts];
    expect(new Set(mounts.map(({ name }) => name))).toEqual(names);
    const isBelow = (file: string): boolean =>
      gateway.volumeMounts.some(({ mountPath }) => file.startsWith(`${mountPath}/`));
    const { tls } = config.listen;
    const { database } = config;
    const files = [tls?.cert, tls?.key, database !== undefined && 'file' in database ? database.file : undefined];
    for (const file of [...files, ...config.models.map((model) => model.file), gateway.args?.at(-1)]) {
      expect([file, isBelow(file ?? '')]).toEqual([file, true]);
    }
    const written = gateway.volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath);
    expect(written).toEqual(['/var/lib/modelward', '/tmp']);
  });

  test('ends after the answers at work: preStop and drain fit into the grace period', () => {
    const wait = /(\d[\d_]*)\)$/.exec(gateway.lifecycle?.preStop.exec.command.at(-1) ?? '')?.[1] ?? '';
    const waitMs = Number(wait.replaceAll('_', ''));
    expect(waitMs).toBeGreaterThanOrEqual(5000);
    const { drainDelayMs, drainTimeoutMs } = config.limits;
    expect(drainDelayMs).toBeGreaterThan(0);
    expect(waitMs + drainDelayMs + drainTimeoutMs).toBeLessThan(pod.terminationGracePeriodSeconds * 1000);
  });

  test('makes a secret of a group one of its user alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-secret-'));
    const [program, ...words] = pod.initContainers[0].command ?? [];
    const [given, taken] = [join(folder, 'given'), join(folder, 'taken')];
    writeFileSync(given, 'postgres://');
    chmodSync(given, 0o440);
    execFileSync(program, [...words.slice(0, -2), given, taken]);
    expect(statSync(taken).mode & 0o777).toBe(0o400);
    rmSync(folder, { recursive: true });
  });
});

describe('the network', () => {
  test('has no address outside of the cluster', () => {
    const kinds = documents.map(({ kind }) => kind);
    expect(kinds).not.toContain('Ingress');
    expect(find('Service').spec).toMatchObject({ type: 'ClusterIP' });
    expect(JSON.stringify(documents)).not.toMatch(/LoadBalancer|NodePort|hostNetwork|hostPort|externalIPs|hostPath/);
  });

  test('lets nothing in or out but what is named, and that by ports', () => {
    expect(find('NetworkPolicy', 'default-deny').spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    const rules = find('NetworkPolicy').spec as Record<
      'ingress' | 'egress',
      readonly { ports: readonly object[]; from?: object[]; to?: object[] }[]
    >;
    for (const { ports, from, to } of [...rules.ingress, ...rules.egress]) {
      expect([ports.length, (from ?? to)?.length]).toEqual([expect.any(Number), 1]);
      expect(ports.length).toBeGreaterThan(0);
    }
    expect(rules.ingress.flatMap(({ ports }) => ports)).toEqual([{ protocol: 'TCP', port: config.listen.port }]);
    expect(JSON.stringify(rules)).not.toContain('0.0.0.0/0');
  });

  test('finds the pods that there are', () => {
    const labels = { 'app.kubernetes.io/name': 'modelward' };
    expect(deployment.template.metadata).toEqual({ labels });
    expect(deployment.selector).toEqual({ matchLabels: labels });
    expect(find('Service').spec.selector).toEqual(labels);
    for (const kind of ['PodDisruptionBudget', 'NetworkPolicy']) {
      expect(JSON.stringify(find(kind).spec)).toContain(JSON.stringify({ matchLabels: labels }));
    }
    expect(gateway.ports?.map(({ containerPort }) => containerPort)).toEqual([config.listen.port]);
    expect(pod.serviceAccountName).toBe(find('ServiceAccount').metadata.name);
    expect(
      documents.filter(({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== 'modelward'),
    ).toEqual([]);
  });

  test('keeps one replica through disruptions of two or more', () => {
    expect(find('PodDisruptionBudget').spec.minAvailable).toBeLessThan(deployment.replicas);
    expect(find('HorizontalPodAutoscaler').spec.minReplicas).toBe(deployment.replicas);
  });
});
