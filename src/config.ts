import { type CorsOptions, type LogFormat, type ServerOptions, corsFaults, hostNameFault } from './http/index.ts';

/** What the environment says, checked and with the defaults filled in. */
export interface Config {
  host: string;
  port: number;
  log: LogFormat;
  server: ServerOptions & { cors: CorsOptions };
  /** How long an idle connection stays open, in seconds. */
  keepAliveTimeout: number;
  /** In seconds. */
  shutdown: { delay: number; timeout: number };
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Reads the variables that the README lists; one that is empty counts as not set, but for the lists of who is let in.
 *
 * @throws Error with a line for each variable that cannot be used: its name, its value, and what it may be
 */
export function readConfig(environment: NodeJS.ProcessEnv, isTerminal: boolean): Config {
  const faults: string[] = [];
  const refuse = (name: string, message: string) => faults.push(`${name}=${environment[name] ?? ''}: ${message}`);

  const number = (name: string, otherwise: number, least: number, most: number, unit: string) => {
    const text = environment[name];
    if (!text) return otherwise;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    refuse(name, `must be a whole number${unit} from ${least} to ${most}`);
    return otherwise;
  };
  const choice = <Choice extends string>(name: string, otherwise: Choice, ...choices: readonly Choice[]) => {
    const text = environment[name] || otherwise;
    if ((choices as readonly string[]).includes(text)) return text as Choice;
    refuse(name, `must be ${choices.join(' or ')}`);
    return otherwise;
  };
  const list = (name: string) => environment[name]?.split(',').map((item) => item.trim()).filter(Boolean);

  const host = environment['HOST'] || '127.0.0.1';
  const isLoopback = host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
  const allowedHosts = list('ALLOWED_HOSTS') ?? (isLoopback ? [...new Set([...LOOPBACK_NAMES, host === '::1' ? '[::1]' : host])] : ['*']);
  if (allowedHosts.length === 0) refuse('ALLOWED_HOSTS', 'must name a host, or be * for any');
  for (const name of allowedHosts) {
    const fault = name === '*' ? undefined : hostNameFault(name);
    if (fault) refuse('ALLOWED_HOSTS', fault);
  }

  const headers = list('CORS_ALLOWED_HEADERS');
  const origins = list('CORS_ORIGINS') ?? ['*'];
  const cors = {
    origins: origins.length === 1 && origins[0] === '*' ? '*' : origins,
    credentials: choice('CORS_CREDENTIALS', 'false', 'true', 'false') === 'true',
    ...(headers?.length && { allowedHeaders: headers.length === 1 && headers[0] === '*' ? '*' : headers }),
    exposedHeaders: list('CORS_EXPOSED_HEADERS') ?? [],
    maxAge: number('CORS_MAX_AGE', 600, 0, 86_400, ' of seconds'),
  } as CorsOptions;
  for (const { option, message } of corsFaults(cors)) refuse(`CORS_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`, message);

  const config: Config = {
    host,
    port: number('PORT', 8000, 0, 65_535, ''),
    log: choice<LogFormat>('LOG', isTerminal ? 'text' : 'json', 'text', 'json', 'off'),
    server: {
      cors,
      ...(!allowedHosts.includes('*') && { allowedHosts }),
      bodyLimit: number('BODY_LIMIT', 1_048_576, 1, 1_073_741_824, ' of bytes'),
      requestTimeout: number('REQUEST_TIMEOUT', 30, 1, 3_600, ' of seconds'),
      handlerTimeout: number('HANDLER_TIMEOUT', 30, 0, 86_400, ' of seconds'),
    },
    keepAliveTimeout: number('KEEP_ALIVE_TIMEOUT', 65, 1, 3_600, ' of seconds'),
    shutdown: {
      delay: number('SHUTDOWN_DELAY', 0, 0, 3_600, ' of seconds'),
      timeout: number('SHUTDOWN_TIMEOUT', 10, 0, 3_600, ' of seconds'),
    },
  };
  if (faults.length) throw new Error(faults.join('\n'));
  return config;
}
