/** A throw-away Redis cluster on the loopback interface: three servers, and one that copies the third. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findFreePort } from './free-port.ts';
import { createRedis, type RedisServer } from './redis.ts';

export interface RedisCluster {
  /** The last one copies the one before it. */
  readonly servers: readonly RedisServer[];
  readonly password: string;
  /** Moves all slots of one server to another, with their keys. */
  moveSlots(from: RedisServer, to: RedisServer): Promise<void>;
  remove(): Promise<void>;
}

const MAIN_SERVERS = 3;
const SLOTS = 16_384;

export async function createRedisCluster(): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  const remove = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.remove()));
  };
  try {
    for (let at = 0; at <= MAIN_SERVERS; at += 1)
      servers.push(await createRedis({ clusterPort: await findFreePort() }));
    await join(servers);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    ...{ servers, password: servers[0].password, remove },
    moveSlots: async (from, to) => {
      const slots = (await ask(from, 'CLUSTER', 'MYID')).id;
      const flags = ['--cluster-from', slots, '--cluster-to', (await ask(to, 'CLUSTER', 'MYID')).id];
      await manage(from, ['reshard', toPlace(from), ...flags, '--cluster-slots', String(SLOTS), '--cluster-yes']);
    },
  };
}

async function join(servers: readonly RedisServer[]): Promise<void> {
  const [main, copy] = [servers.slice(0, MAIN_SERVERS), servers[MAIN_SERVERS]];
  await manage(main[0], ['create', ...main.map(toPlace), '--cluster-replicas', '0', '--cluster-yes']);
  const last = main[MAIN_SERVERS - 1];
  await untilAll(main, 'cluster_known_nodes:3');
  const { id } = await ask(last, 'CLUSTER', 'MYID');
  await manage(main[0], ['add-node', toPlace(copy), toPlace(main[0]), '--cluster-slave', '--cluster-master-id', id]);
  await untilAll(servers, 'cluster_state:ok');
  await untilAll(servers, 'cluster_known_nodes:4');
  for (let left = 2000; !(await copy.ask('INFO', 'replication')).includes('master_link_status:up'); left -= 1) {
    if (left === 0) throw new TypeError('the copy has no line to what it copies');
    await new Promise((done) => setTimeout(done, 20));
  }
}

async function untilAll(servers: readonly RedisServer[], word: string): Promise<void> {
  for (const server of servers) {
    for (let left = 2000; !(await server.ask('CLUSTER', 'INFO')).includes(word); left -= 1) {
      if (left === 0) throw new TypeError(`the cluster has not become one: ${word}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

async function ask(server: RedisServer, ...words: readonly string[]): Promise<{ readonly id: string }> {
  return { id: /[0-9a-f]{40}/.exec(await server.ask(...words))![0] };
}

const toPlace = ({ port }: RedisServer): string => `127.0.0.1:${port}`;

async function manage({ password }: RedisServer, words: readonly string[]): Promise<void> {
  const env = { ...process.env, REDISCLI_AUTH: password };
  await promisify(execFile)('redis-cli', ['--cluster', ...words], { env });
}
