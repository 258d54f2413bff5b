import assert from 'node:assert/strict';
import { type SpawnSyncReturns, execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DeployedServer, canStripTypes, strippedInto } from './deployed-server.ts';

// The systemd units and the container file of scripts/deploy, without running systemd or a container engine.

const isMissing = spawnSync('systemd-analyze', ['--version']).error !== undefined;
const skip = isMissing && process.env['CI'] !== 'true' && 'systemd-analyze is missing: apt-get install systemd';
const skipOldNode = !canStripTypes && 'needs Node 22.18 or newer';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'units-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Copies the units and returns their paths. `change` is applied to the service. */
function unitsIn(folder: string, change: (service: string) => string = (service) => service): string[] {
  const service = readFileSync('scripts/deploy/api@.service', 'utf8').replace('/usr/bin/node', process.execPath);
  writeFileSync(join(folder, 'api@.service'), change(service));
  cpSync('scripts/deploy/api.socket', join(folder, 'api.socket'));
  return [join(folder, 'api.socket'), join(folder, 'api@.service')];
}

function analyze(...options: string[]): SpawnSyncReturns<string> {
  return spawnSync('systemd-analyze', options, { encoding: 'utf8' });
}

test('contains units that systemd-analyze accepts', { skip }, (t) => {
  const { status, stderr } = analyze('verify', '--recursive-errors=yes', ...unitsIn(folderFor(t)));
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
});

test('detects a misspelt setting in a unit', { skip }, (t) => {
  const misspelt = unitsIn(folderFor(t), (service) => service.replace('ProtectHome=', 'ProtectHouse='));
  const { status, stderr } = analyze('verify', '--recursive-errors=yes', ...misspelt);
  assert.notEqual(status, 0);
  assert.match(stderr, /ProtectHouse/);
});

for (const [title, threshold, change] of [
  ['keeps the exposure score under 2', 20, (service: string) => service],
  [
    'keeps the exposure score under 1 with PrivateNetwork', 10,
    (service: string) => service.replace('#PrivateNetwork', 'PrivateNetwork'),
  ],
] as const) {
  test(title, { skip }, (t) => {
    const [, service] = unitsIn(folderFor(t), change);
    const { status, stdout } = analyze('security', '--offline=true', `--threshold=${threshold}`, service!);
    assert.equal(status, 0, stdout);
  });
}

test("serves and stops with the unit's command and environment", { skip: skipOldNode }, async (t) => {
  const folder = folderFor(t);
  strippedInto(folder);
  const unit = readFileSync('scripts/deploy/api@.service', 'utf8');
  const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit)!;
  const environment = Object.fromEntries([...unit.matchAll(/^Environment=([^=]+)=(.*)$/gm)].map(([, ...pair]) => pair));
  const server = await DeployedServer.start(t, {
    folder,
    command: command.replaceAll('/opt/api', folder).replace('/usr/bin/node', process.execPath).split(' '),
    // An IP address needs no entry in ALLOWED_HOSTS.
    environment,
  });
  assert.equal((await server.fetch('/health')).status, 200);
  await server.stop();
});

test('serves and stops after the steps of the container file', { skip: skipOldNode }, async (t) => {
  const { folder, environment, command } = runContainerfile(folderFor(t));
  assert.equal(command[0], 'node');
  const server = await DeployedServer.start(t, {
    folder,
    command: [process.execPath, ...command.slice(1)],
    environment,
  });
  assert.equal((await server.fetch('/health')).status, 200);
  await server.stop();
});

/** Executes the steps of the container file, with a folder for each stage instead of an image. */
function runContainerfile(stages: string): { folder: string; environment: Record<string, string>; command: string[] } {
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env['PATH']}`;
  const environment: Record<string, string> = {};
  let command: string[] = [];
  let folder = '';
  for (const line of readFileSync('scripts/deploy/Containerfile', 'utf8').match(/^[^#\n].*$/gm)!) {
    const [instruction, ...words] = line.split(' ');
    if (instruction === 'FROM') mkdirSync((folder = join(stages, words[2] ?? 'last')));
    else if (instruction === 'RUN') execFileSync('sh', ['-c', words.join(' ')], { cwd: folder, env: { PATH } });
    else if (instruction === 'ENV') Object.assign(environment, Object.fromEntries([words[0]!.split('=')]));
    else if (instruction === 'CMD') command = JSON.parse(words.join(' ').replaceAll('/app', folder));
    else if (instruction !== 'COPY') assert.match(line, /^(?:WORKDIR \/app|USER \d+|EXPOSE 8000)$/);
    else {
      const stage = /^--from=(.*)/.exec(words[0]!)?.[1];
      const [from, to] = words.slice(-2) as [string, string];
      const path = stage ? from.replace('/app', join(stages, stage)) : from;
      cpSync(path, join(folder, to, to === './' ? from.split('/').at(-1)! : ''), { recursive: true });
    }
  }
  return { folder, environment, command };
}

test('names a file that strip-types.ts cannot copy, and removes the copy', { skip: skipOldNode }, (t) => {
  const folder = folderFor(t);
  const [source, target] = [join(folder, 'source'), join(folder, 'target')];
  mkdirSync(source);
  writeFileSync(join(source, 'color.ts'), 'enum Color { red }\n');
  const parameters = ['scripts/deploy/strip-types.ts', source, target];
  const run = () => spawnSync(process.execPath, parameters, { encoding: 'utf8' });
  assert.match(run().stderr, /color\.ts cannot be copied[^]*enum is not supported/);
  mkdirSync(target);
  assert.match(run().stderr, /target exists: delete it first/);
});
