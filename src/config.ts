import { isIPv6 } from 'node:net';
import { type CorsOptions, type LogFormat, type ServerOptions, corsErrors, hostNameError } from './http/index.ts';

export type Config = ReturnType<typeof readConfig>;

/**
 * Every setting, read from the environment. One of your own is a line in `yours`:
 *
 *     databaseUrl: text('DATABASE_URL', 'postgres://localhost/notes'),
 *
 * A handler reads it as `config.databaseUrl`, after `import { config } from '../config.ts'`; a test may assign to it.
 */
export function readConfig(environment: NodeJS.ProcessEnv, isTerminal: boolean) {
  const known = new Set<string>();
  /** What cannot be used, a line each. Where there is any, main.ts prints them all and does not start. */
  const faults: string[] = [];

  const cors = {
    origins: starOr(list('CORS_ORIGINS', []) ?? ['*']),
    credentials: choice('CORS_CREDENTIALS', 'false', ['true', 'false']) === 'true',
    allowedHeaders: starOr(list('CORS_ALLOWED_HEADERS')),
    exposedHeaders: list('CORS_EXPOSED_HEADERS'),
    maxAge: number('CORS_MAX_AGE', 600, 0, 86_400, 'seconds'),
  } as CorsOptions;
  for (const { option, message } of corsErrors(cors)) {
    refuse(`CORS_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`, message);
  }

  const host = text('HOST', '127.0.0.1');
  const engine = {
    faults,
    host,
    port: number('PORT', 8000, 0, 65_535),
    log: choice<LogFormat>('LOG', isTerminal ? 'text' : 'json', ['text', 'json', 'off']),
    server: {
      cors,
      allowedHosts: hosts('ALLOWED_HOSTS', loopbackNames(host)),
      bodyLimit: number('BODY_LIMIT', 1_048_576, 1, 1_073_741_824, 'bytes'),
      requestTimeout: number('REQUEST_TIMEOUT', 30, 1, 3_600, 'seconds'),
      handlerTimeout: number('HANDLER_TIMEOUT', 30, 0, 86_400, 'seconds'),
    } satisfies ServerOptions,
    keepAliveTimeout: number('KEEP_ALIVE_TIMEOUT', 65, 1, 3_600, 'seconds'),
    shutdown: {
      delay: number('SHUTDOWN_DELAY', 0, 0, 3_600, 'seconds'),
      timeout: number('SHUTDOWN_TIMEOUT', 10, 0, 3_600, 'seconds'),
    },
  };
  // Of the engine alone: a name of yours may well be like one that something else sets.
  const names = [...known];
  const yours = {
    // This one goes with the notes.
    notesLimit: number('NOTES_LIMIT', 1_000, 0, 1_000_000, 'notes'),
  };
  refuseMisspelt(names);
  return { ...engine, ...yours };

  function refuse(name: string, message: string): void {
    faults.push(`${name}=${environment[name] ?? ''}: ${message}`);
  }

  /** The value of a variable; undefined where it is not set at all. */
  function read(name: string): string | undefined {
    known.add(name);
    return environment[name];
  }

  /** Empty counts as unset, except for CORS_ORIGINS and ALLOWED_HOSTS, where unset may let everyone in. */
  function text(name: string, otherwise: string): string {
    return read(name) || otherwise;
  }

  function number(name: string, otherwise: number, least: number, most: number, unit?: string): number {
    const written = read(name);
    if (!written) return otherwise;
    const value = Number(written);
    if (/^\d+$/.test(written) && value >= least && value <= most) return value;
    refuse(name, `must be a whole number${unit ? ` of ${unit}` : ''} from ${least} to ${most}`);
    return otherwise;
  }

  function choice<Choice extends string>(name: string, otherwise: Choice, choices: readonly Choice[]): Choice {
    const written = read(name) || otherwise;
    const chosen = choices.find((candidate) => candidate === written);
    if (!chosen) refuse(name, `must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`);
    return chosen ?? otherwise;
  }

  /** The items of a comma list; undefined where it is not set, and `empty` where it has none. */
  function list(name: string, empty?: string[]): string[] | undefined {
    const items = read(name)?.split(',').map((item) => item.trim()).filter(Boolean);
    return items?.length === 0 ? empty : items;
  }

  /** Host names; undefined for any. */
  function hosts(name: string, otherwise: string[] | undefined): string[] | undefined {
    const names = list(name, []);
    if (!names) return otherwise;
    if (names.includes('*')) return undefined;
    if (names.length === 0) refuse(name, 'must name a host, or be * for any');
    for (const host of names) {
      const fault = hostNameError(host);
      if (fault) refuse(name, fault);
    }
    return names;
  }

  /** A setting that nobody reads would silently be the default. */
  function refuseMisspelt(settings: string[]): void {
    for (const name of Object.keys(environment)) {
      if (known.has(name)) continue;
      const meant = settings.find((setting) => isSlipOf(setting, name));
      if (meant) faults.push(`${name}: is not a setting: write ${meant}`);
      else if (name.startsWith('CORS_') && !OF_A_SERVICE.test(name)) {
        const choices = settings.filter((setting) => setting.startsWith('CORS_')).join(', ');
        faults.push(`${name}: is not a setting: choose one of ${choices}`);
      }
    }
  }
}

/** What Kubernetes and container links set for a service that happens to be called `cors`. */
const OF_A_SERVICE = /_SERVICE_HOST$|_PORT(?:_|$)/;

const LOOPBACK = /^(?:(?:.+\.)?localhost\.?|127(?:\.\d+){3}|\[::1\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]+\])$/;

function starOr(items: string[] | undefined): '*' | string[] | undefined {
  return items?.length === 1 && items[0] === '*' ? '*' : items;
}

/** The names by which a server on a loopback address is called; undefined for any other address. */
function loopbackNames(host: string): string[] | undefined {
  const address = host.replace(/%.*$/, '');
  const url = `http://${isIPv6(address) ? `[${address}]` : address}`;
  // As a URL has it, each address is spelled in one way, which is also the way in which browsers send it.
  const name = URL.canParse(url) ? new URL(url).hostname : address;
  return LOOPBACK.test(name) ? [...new Set(['localhost', '127.0.0.1', '[::1]', name])] : undefined;
}

/** Whether a name differs only in case and underscores, or, where it is long enough to tell, in up to two letters. */
function isSlipOf(meant: string, name: string): boolean {
  const [a, b] = [meant, name].map((text) => text.replace(/[_-]/g, '').toUpperCase()) as [string, string];
  return distance(a, b) <= (a.length < 8 ? 0 : 2);
}

/** How many letters must be added, left out or exchanged to make one of the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (let at = 0; at < b.length; at++) {
      next.push(Math.min(next[at]! + 1, row[at + 1]! + 1, row[at]! + Number(letter !== b[at])));
    }
    row = next;
  }
  return row.at(-1)!;
}

export const config = readConfig(process.env, process.stdout.isTTY === true);
