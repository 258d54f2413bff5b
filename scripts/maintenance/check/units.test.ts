/**
 * Checks the systemd units and the container file of scripts/deploy as far as that goes without running systemd or a
 * container: `node --import tsx --test scripts/maintenance/check/units.test.ts`.
 */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';

/** For the start, the answer and the end of a server, in milliseconds. */
const STEP_LIMIT = 20_000;

const isMissing = spawnSync('systemd-analyze', ['--version']).error !== undefined;
const skip = isMissing && process.env['CI'] !== 'true' && 'systemd-analyze is missing: apt-get install systemd';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
/** Before, node cannot run TypeScript as it is. */
const skipOldNode = (major < 22 || (major === 22 && minor < 18)) && 'needs Node 22.18 or newer';

function folderFor(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'units-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Copies of the units, in which node is where it is here; `change` is made to the service. */
function unitsIn(folder: string, change: (service: string) => string = (service) => service): string[] {
  const service = readFileSync('scripts/deploy/api@.service', 'utf8').replace('/usr/bin/node', process.execPath);
  writeFileSync(join(folder, 'api@.service'), change(service));
  cpSync('scripts/deploy/api.socket', join(folder, 'api.socket'));
  return [join(folder, 'api.socket'), join(folder, 'api@.service')];
}

function analyze(...options: string[]): SpawnSyncReturns<string> {
  return spawnSync('systemd-analyze', options, { encoding: 'utf8' });
}

test('systemd finds no fault in the units', { skip }, (t) => {
  const { status, stderr } = analyze('verify', '--recursive-errors=yes', ...unitsIn(folderFor(t)));
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
});

test('a misspelt setting in a unit would be found', { skip }, (t) => {
  const misspelt = unitsIn(folderFor(t), (service) => service.replace('ProtectHome=', 'ProtectHouse='));
  const { status, stderr } = analyze('verify', '--recursive-errors=yes', ...misspelt);
  assert.notEqual(status, 0);
  assert.match(stderr, /ProtectHouse/);
});

for (const [what, threshold, change] of [
  ['is under 2', 20, (service: string) => service],
  ['is under 1 with PrivateNetwork', 10, (service: string) => service.replace('#PrivateNetwork', 'PrivateNetwork')],
] as const) {
  test(`the exposure score of the service ${what}`, { skip }, (t) => {
    const [, service] = unitsIn(folderFor(t), change);
    const { status, stdout } = analyze('security', '--offline=true', `--threshold=${threshold}`, service!);
    assert.equal(status, 0, stdout);
  });
}

/** Resolves once the server has answered a request and stopped; rejects where it fails or writes to standard error. */
async function run(t: TestContext, folder: string, command: string[], environment: NodeJS.ProcessEnv): Promise<void> {
  // The file says that the network needs a flag of its own from Node 25 on.
  const [node, ...flags] = major < 25 ? command : [command[0]!, '--allow-net', '--no-warnings', ...command.slice(1)];
  const server = spawn(node!, flags, {
    cwd: folder,
    env: { ...environment, HOST: '127.0.0.1', PORT: '0', LOG: 'off' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => server.kill('SIGKILL'));
  let output = '';
  let errors = '';
  server.stderr.on('data', (chunk) => (errors += chunk));
  server.stdout.on('data', (chunk) => (output += chunk));
  const limit = { signal: AbortSignal.timeout(STEP_LIMIT) };
  const end = once(server, 'close', limit);
  while (!output.includes('\n')) {
    await Promise.race([once(server.stdout, 'data', limit), end]);
    assert.equal(server.exitCode, null, `The server ended before it listened: ${errors}`);
  }
  const answer = await fetch(`${/http:\S+/.exec(output)![0]}/health`, limit);
  assert.equal(answer.status, 200);
  server.kill('SIGTERM');
  assert.deepEqual(await end, [0, null]);
  assert.equal(errors, '');
}

test("the unit's command may read src alone, and fill the compile cache", { skip: skipOldNode }, async (t) => {
  const folder = folderFor(t);
  cpSync('src', join(folder, 'src'), { recursive: true });
  cpSync('package.json', join(folder, 'package.json'));
  const cache = join(folder, 'cache');
  mkdirSync(cache);
  const unit = readFileSync('scripts/deploy/api@.service', 'utf8');
  const places = [['/opt/api', folder], ['/var/cache/api', cache], ['/usr/bin/node', process.execPath]] as const;
  const here = (text: string) => places.reduce((found, [there, place]) => found.replaceAll(there, place), text);
  const [, command] = /^ExecStart=((?:.*\\\n)*.*)$/m.exec(unit)!;
  const lines = unit.matchAll(/^Environment=([^=]+)=(.*)$/gm);
  const environment = Object.fromEntries([...lines].map(([, name, value]) => [name!, here(value!)]));
  // Asked by its address; see ALLOWED_HOSTS in the README.
  await run(t, folder, here(command!).split(/[\s\\]+/), { ...environment, ALLOWED_HOSTS: '127.0.0.1' });
  assert.ok(readdirSync(cache).length > 0, 'Nothing is in the compile cache');
});

test('what the container file copies is enough for its command', { skip: skipOldNode }, async (t) => {
  const folder = folderFor(t);
  const lines = readFileSync('scripts/deploy/Containerfile', 'utf8').match(/^[^#\n].*$/gm)!;
  let command: string[] = [];
  const environment: Record<string, string> = {};
  for (const line of lines) {
    const [instruction, first = ''] = line.split(' ');
    if (instruction === 'COPY') cpSync(first, join(folder, first), { recursive: true });
    else if (instruction === 'ENV') environment[first.split('=')[0]!] = first.split('=')[1]!;
    else if (instruction === 'CMD') command = JSON.parse(line.slice('CMD '.length).replaceAll('/app', folder));
    else assert.match(line, /^(?:FROM|WORKDIR|USER|EXPOSE) /);
  }
  assert.equal(command[0], 'node');
  await run(t, folder, [process.execPath, ...command.slice(1)], environment);
});
