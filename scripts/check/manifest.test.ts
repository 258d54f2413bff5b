/**
 * Checks scripts/deploy/kubernetes.yaml against the types of kubernetes-models, whose own validator passes misspelt
 * fields. No cluster is needed: `npm ci --prefix scripts/check/manifest`, then
 * `node --import tsx --test scripts/check/manifest.test.ts`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const packages = new URL('manifest/', import.meta.url);
const isInstalled = existsSync(new URL('node_modules/kubernetes-models/', packages));
const howToInstall = 'kubernetes-models is missing: npm ci --prefix scripts/check/manifest';
const skip = !isInstalled && process.env['CI'] !== 'true' && howToInstall;

interface Container {
  ports: { name: string }[];
  env: { name: string; value: string }[];
  [probe: `${string}Probe`]: { httpGet: { path: string; port: string } };
}

/** What these tests look into. */
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

/** The objects of the manifest by their kind. */
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

/** What the compiler says of these objects, as literals of their types; empty where it finds nothing. */
function faultsOf(t: TestContext, objects: Objects): string {
  // Where the compiler finds the packages, and git ignores it.
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
  const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
  const command = [compiler, ...options, fileURLToPath(file)];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  return status === 0 ? '' : stdout + stderr;
}

test('the manifest has no field that Kubernetes does not know', { skip }, (t) => {
  assert.equal(faultsOf(t, readManifest()), '');
});

test('a misspelt field or a wrong type in the manifest would be found', { skip }, (t) => {
  const misspelt = readManifest();
  Object.assign(misspelt.Deployment.spec.template.spec.containers[0]!, { readinesProbe: {} });
  assert.match(faultsOf(t, misspelt), /readinesProbe/);
  const wrong = readManifest();
  wrong.Deployment.spec.template.spec.containers[0]!.env.push({ name: 'PORT', value: 8000 as never });
  assert.match(faultsOf(t, wrong), /number/);
});

test('service and disruption budget name labels and ports that the deployment has', { skip }, () => {
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

test('the server accepts the environment of the manifest, and stops before Kubernetes ends it', { skip }, async () => {
  const { containers, terminationGracePeriodSeconds = 30 } = readManifest().Deployment.spec.template.spec;
  const environment = Object.fromEntries(containers[0]!.env.map(({ name, value }) => [name, value]));
  const { readConfig } = await import('../../src/config.ts');
  const { errors, shutdown } = readConfig({ HOST: '0.0.0.0', ...environment });
  assert.deepEqual(errors, []);
  const { delay = 0, timeout = 10 } = shutdown;
  assert.ok(delay > 0);
  assert.ok(delay + timeout < terminationGracePeriodSeconds);
});
