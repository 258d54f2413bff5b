import { isIP, isIPv6 } from 'node:net';
import { loadEnvironmentFile, settingsReader } from './environment.ts';
import { type CorsOptions, corsErrors, hostNameError, isLoopback, originMatcher } from './http/index.ts';

export type Config = ReturnType<typeof readConfig>;

/**
 * CORS options in code. Uncomment a line or add your own. A function in `origins`, which no environment variable can
 * express, decides about the origins that are not in CORS_ORIGINS.
 */
const corsInCode: Partial<CorsOptions> = {
  // origins: async (origin) => tenants.has(origin),
  // origins: () => true, credentials: true,
};

interface Options {
  isTerminal?: boolean;
  corsInCode?: Partial<CorsOptions>;
}

/**
 * Reads all settings from the environment. To add your own, add a line to `yours`:
 *
 *     databaseUrl: text('DATABASE_URL', { default: 'postgres://localhost/notes' }),
 *
 * Handlers import `config` from '../config.ts' and read `config.databaseUrl`. Tests may assign to it. Put your own
 * checks below `yours`: `if (…) reject('DATABASE_URL', 'must …')`. reject() prints the value of the variable. If it
 * is a secret, write `reader.errors.push('SESSION_SECRET: must …')`. If the server cannot start without a setting,
 * add it to test/required-settings.ts too.
 */
export function readConfig(environment: NodeJS.ProcessEnv, { isTerminal = false, corsInCode = {} }: Options = {}) {
  const reader = settingsReader(environment);
  const { choice, list, number, reject, text } = reader;

  const yours = {
    // Delete this line, and NOTES_LIMIT in test/config.test.ts, together with the notes example.
    notesLimit: number('NOTES_LIMIT', { default: 1_000, min: 0, max: 1_000_000, unit: 'notes' }),
  };

  const host = readHost();
  // A setting that has no default here has its default in src/http.
  const engine = {
    /** All errors, one per line. If there are any, main.ts prints them and exits. */
    errors: reader.errors,
    /** Variables that are ignored, because other software may have set them. */
    warnings: reader.warnings,
    host,
    port: number('PORT', { default: 8000, min: 0, max: 65_535 }),
    log: choice('LOG', { default: isTerminal ? 'text' : 'json', choices: ['text', 'json', 'off'] }),
    server: {
      cors: readCors(),
      allowedHosts: readAllowedHosts(),
      bodyLimit: number('BODY_LIMIT', { min: 1, max: 1_073_741_824, unit: 'bytes' }),
      requestTimeout: number('REQUEST_TIMEOUT', { min: 1, max: 3_600, unit: 'seconds' }),
      handlerTimeout: number('HANDLER_TIMEOUT', { min: 0, max: 86_400, unit: 'seconds' }),
    },
    keepAliveTimeout: number('KEEP_ALIVE_TIMEOUT', { default: 65, min: 1, max: 3_600, unit: 'seconds' }),
    shutdown: {
      delay: number('SHUTDOWN_DELAY', { min: 0, max: 3_600, unit: 'seconds' }),
      timeout: number('SHUTDOWN_TIMEOUT', { min: 0, max: 3_600, unit: 'seconds' }),
    },
  };
  reader.rejectMistakes();
  // A setting of your own must not have the name of another one, which it would replace.
  return { ...engine, ...(yours satisfies Record<string, unknown> & Partial<Record<keyof typeof engine, never>>) };

  /** Ignores a HOST that is a name other than localhost, because conda and tcsh set HOST for their own use. */
  function readHost(): string {
    const defaultHost = '127.0.0.1';
    const address = text('HOST', { default: defaultHost });
    if (isIP(address.replace(/%.*$/, '')) || loopbackNames(address)) return address;
    if (/^[\w.-]*[a-z][\w.-]*$/i.test(address)) {
      reader.warn('HOST', 'ignored, because it is a name: to listen on every IPv4 address, write HOST=0.0.0.0');
    } else {
      reject('HOST', 'must be an IP address without a port, or localhost: for every IPv4 address, write HOST=0.0.0.0');
    }
    return defaultHost;
  }

  function readCors(): CorsOptions {
    const listed = starOr(list('CORS_ORIGINS'));
    const credentials = choice('CORS_CREDENTIALS', { choices: ['true', 'false'] });
    const fromEnvironment = {
      origins: listed,
      credentials: credentials === undefined ? undefined : credentials === 'true',
      allowedHeaders: starOr(nonEmpty(list('CORS_ALLOWED_HEADERS'))),
      exposedHeaders: nonEmpty(list('CORS_EXPOSED_HEADERS')),
      maxAge: number('CORS_MAX_AGE', { min: 0, max: 86_400, unit: 'seconds' }),
    };
    const { origins: originsInCode, ...othersInCode } = corsInCode;
    const predicate = typeof originsInCode === 'function' ? originsInCode : undefined;
    // Only origins may be set in both places, as a list in the environment and a function in code.
    for (const option of Object.keys(corsInCode) as (keyof typeof fromEnvironment)[]) {
      if (fromEnvironment[option] === undefined || (option === 'origins' && predicate && listed !== '*')) continue;
      reject(variableOf(option), 'is set in src/config.ts too: remove one of them');
    }
    const origins = listed ?? originsInCode ?? '*';
    const cors = { ...fromEnvironment, ...othersInCode, origins } as CorsOptions;
    for (const { option, message } of corsErrors(cors)) {
      // corsErrors() speaks of options. Whoever has set a variable needs its name, and the place of the code.
      const named = originsInCode ? message : message.replace("origins '*'", 'CORS_ORIGINS=*');
      const isInCode = corsInCode[option] !== undefined && (option !== 'origins' || listed === undefined);
      if (isInCode) reader.errors.push(`corsInCode.${option} in src/config.ts: ${named}`);
      else reject(variableOf(option), named.replace('in code', 'in corsInCode of src/config.ts'));
    }
    if (!predicate || !Array.isArray(listed)) return cors;
    const isListed = originMatcher(listed);
    return { ...cors, origins: (origin, request) => isListed(origin) || predicate(origin, request) };
  }

  /** Returns the allowed host names, or undefined if any host is allowed. */
  function readAllowedHosts(): string[] | undefined {
    const names = list('ALLOWED_HOSTS');
    if (!names) return loopbackNames(host);
    if (names.includes('*')) return undefined;
    if (names.length === 0) reject('ALLOWED_HOSTS', 'must list at least one host name, or be * to allow any');
    for (const name of names) {
      const error = hostNameError(name);
      if (error) reject('ALLOWED_HOSTS', error);
    }
    return names;
  }
}

function variableOf(option: string): string {
  return `CORS_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

/** Returns a list, or undefined if it is empty, so that the default applies. */
function nonEmpty(items: string[] | undefined): string[] | undefined {
  return items?.length === 0 ? undefined : items;
}

/** Returns `*` for a list of only `*`, and any other list as it is. */
function starOr(items: string[] | undefined): '*' | string[] | undefined {
  return items?.length === 1 && items[0] === '*' ? '*' : items;
}

/** Returns the host names that reach a server on a loopback address, or undefined for any other address. */
function loopbackNames(host: string): string[] | undefined {
  const address = host.replace(/%.*$|\.$/, '');
  const url = `http://${isIPv6(address) ? `[${address}]` : address}`;
  // The URL parser normalizes the address to the form that browsers send.
  const name = (isIPv6(address) || /^[\w.-]+$/.test(address)) && URL.canParse(url) ? new URL(url).hostname : '';
  return isLoopback(name) ? [...new Set(['localhost', '127.0.0.1', '[::1]', name])] : undefined;
}

const fileErrors = loadEnvironmentFile(process.env);
export const config = readConfig(process.env, { isTerminal: process.stdout.isTTY === true, corsInCode });
config.errors.unshift(...fileErrors);
