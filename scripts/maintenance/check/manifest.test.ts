import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { required } from '../../../test/required-settings.ts';
import { DeployedServer, canStripTypes, strippedInto } from './deployed-server.ts';

// Tests scripts/deploy/kubernetes.yaml without a cluster. The types of kubernetes-models find a misspelt field, but its
// validator does not.

const packages = new URL('manifest/', import.meta.url);
const isInstalled = existsSync(new URL('node_modules/kubernetes-models/', packages));
const howToInstall = 'kubernetes-models is missing: npm ci --prefix scripts/maintenance/check/manifest';
const skip = !isInstalled && process.env['CI'] !== 'true' && howToInstall;

interface Container {
  ports: { name: string }[];
  env: { name: string; value: string }[];
  resources: { limits: { memory: string } };
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string } };
}

/** The fields that these tests read. */
interface Objects {
  Deployment: {
    spec: {
      selector: { matchLabels: object };
      template: {
        metadata: { labels: object };
        spec: { containers: Container[]; terminationGracePeriodSeconds?: number };
      };
    };
  };
  Service: { spec: { selector: object; ports: { targetPort: string }[] } };
  PodDisruptionBudget: { spec: { selector: { matchLabels: object } } };
}

/** Returns the objects of the manifest by their kind. */
function readManifest(): Objects {
  const { parseAllDocuments } = createRequire(packages)('yaml') as {
    parseAllDocuments(text: string): { errors: Error[]; toJS(): { kind: keyof Objects } }[];
  };
  const documents = parseAllDocuments(readFileSync('scripts/deploy/kubernetes.yaml', 'utf8'));
  assert.deepEqual(documents.flatMap(({ errors }) => errors), []);
  const objects = Object.fromEntries(documents.map((document) => [document.toJS().kind, document.toJS()]));
  assert.deepEqual(Object.keys(objects), ['Deployment', 'Service', 'PodDisruptionBudget']);
  return objects as unknown as Objects;
}

/** Returns the errors of the compiler for these objects as literals of their types, or an empty text. */
function typeErrorsIn(t: TestContext, objects: Objects): string {
  // The compiler finds the packages from there, and git ignores it.
  const folder = new URL(`node_modules/.checked-${process.pid}/`, packages);
  mkdirSync(folder, { recursive: true });
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = new URL('manifest.ts', folder);
  writeFileSync(file, `
    import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
    import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
    import type { IService } from 'kubernetes-models/v1/Service';
    export const deployment: IDeployment = ${JSON.stringify(objects.Deployment)};
    export const service: IService = ${JSON.stringify(objects.Service)};
    export const budget: IPodDisruptionBudget = ${JSON.stringify(objects.PodDisruptionBudget)};
  `);
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--skipLibCheck', '--ignoreConfig'];
  const compiler = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));
  const command = [compiler, ...options, fileURLToPath(file)];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  return status === 0 ? '' : stdout + stderr;
}

test('contains only fields that Kubernetes knows', { skip }, (t) => {
  assert.equal(typeErrorsIn(t, readManifest()), '');
});

test('detects a misspelt field and a wrong type', { skip }, (t) => {
  const misspelt = readManifest();
  Object.assign(misspelt.Deployment.spec.template.spec.containers[0]!, { readinesProbe: {} });
  assert.match(typeErrorsIn(t, misspelt), /readinesProbe/);
  const wrong = readManifest();
  wrong.Deployment.spec.template.spec.containers[0]!.env.push({ name: 'PORT', value: 8000 as never });
  assert.match(typeErrorsIn(t, wrong), /number/);
});

test('refers only to labels and ports that the deployment has', { skip }, () => {
  const { Deployment, Service, PodDisruptionBudget } = readManifest();
  const { labels } = Deployment.spec.template.metadata;
  assert.deepEqual(Deployment.spec.selector.matchLabels, labels);
  assert.deepEqual(Service.spec.selector, labels);
  assert.deepEqual(PodDisruptionBudget.spec.selector.matchLabels, labels);
  const [container] = Deployment.spec.template.spec.containers;
  const ports = container!.ports.map(({ name }) => name);
  for (const { targetPort } of Service.spec.ports) assert.ok(ports.includes(targetPort));
  for (const probe of ['readinessProbe', 'livenessProbe'] as const) {
    assert.equal(container![probe]!.httpGet.path, '/health');
    assert.ok(ports.includes(container![probe]!.httpGet.port));
  }
});

test('sets only valid settings, and lets the server stop before Kubernetes kills it', { skip }, async () => {
  const { containers, terminationGracePeriodSeconds = 30 } = readManifest().Deployment.spec.template.spec;
  const environment = environmentOf(containers[0]!);
  const { readConfig } = await import('../../../src/config.ts');
  const { errors, shutdown } = readConfig({ HOST: '0.0.0.0', ...required, ...environment });
  assert.deepEqual(errors, []);
  const { delay = 0, timeout = 8 } = shutdown;
  assert.ok(delay > 0);
  assert.ok(delay + timeout < terminationGracePeriodSeconds);
});

function environmentOf({ env }: Container): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value }) => [name, value]));
}

const NOTE = JSON.stringify({ title: 'Largest', text: 'a'.repeat(9_900) });
const SLOW_CLIENTS = 25;
const skipPeak = skip || (!canStripTypes && 'needs Node 22.18 or newer')
  || (process.platform !== 'linux' && 'only Linux tells the peak of a process');

test('has memory for the largest list of notes and clients that do not read it', { skip: skipPeak }, async (t) => {
  const [container] = readManifest().Deployment.spec.template.spec.containers;
  const folder = mkdtempSync(join(tmpdir(), 'manifest-'));
  t.after(() => rmSync(folder, { recursive: true }));
  strippedInto(folder);
  const server = await DeployedServer.start(t, {
    folder,
    command: [process.execPath, 'build/main.js'],
    environment: environmentOf(container!),
  });
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: NOTE };
  let notes = 0;
  while ((await server.fetch('/notes', post)).status === 201) notes++;
  assert.ok(notes > 0);

  const received = Array.from({ length: SLOW_CLIENTS }, async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    t.after(() => socket.destroy());
    socket.write('GET /notes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    // Reads the beginning of the response, then no more.
    await once(socket, 'readable', { signal: AbortSignal.timeout(20_000) });
  });
  await Promise.all(received);
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.process.pid}/status`, 'utf8'))![1];
  const limit = /^(\d+)Mi$/.exec(container!.resources.limits.memory)![1];
  t.diagnostic(`${notes} notes, ${SLOW_CLIENTS} clients: ${Math.round(Number(peak) / 1024)} MiB of ${limit}`);
  assert.ok(Number(peak) / 1024 < Number(limit) / 2, `The peak is ${peak} kB`);
});
