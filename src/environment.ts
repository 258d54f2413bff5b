import { lstatSync, readFileSync } from 'node:fs';

interface TextOptions<Default> {
  default?: Default;
}

interface NumberOptions<Default> extends TextOptions<Default> {
  min: number;
  max: number;
  unit?: string;
}

interface ChoiceOptions<Choice, Default> extends TextOptions<Default> {
  choices: readonly Choice[];
}

/** Creates functions that read settings from environment variables, and collect all errors and warnings. */
export function settingsReader(environment: NodeJS.ProcessEnv) {
  const known = new Set<string>();
  /** Lists that are right except for their punctuation, with the value to write instead. */
  const repaired = new Map<string, string>();
  const rejected = new Set<string>();
  const errors: string[] = [];
  const warnings: string[] = [];
  return { choice, errors, list, number, reject, rejectMistakes, text, warn, warnings };

  function reject(name: string, message: string): void {
    rejected.add(name);
    errors.push(`${name}=${environment[name] ?? ''}: ${message}`);
  }

  function warn(name: string, message: string): void {
    warnings.push(`${name}=${environment[name] ?? ''}: ${message}`);
  }

  function read(name: string): string | undefined {
    known.add(name);
    return environment[name];
  }

  /** Returns a setting. An empty variable counts as unset, except for a list, whose default may allow everyone. */
  function text<Default extends string | undefined = undefined>(name: string, options: TextOptions<Default> = {}) {
    const written = read(name);
    // docker run --env-file keeps quotes, which a shell, systemd and .env remove.
    const inside = /^\s*(["'`])(.*)\1\s*$/s.exec(written ?? '')?.[2];
    // Without the value, which may be a secret.
    if (inside !== undefined) errors.push(`${name}: must be written without quotes`);
    return (inside ?? written) || (options.default as Default);
  }

  function number<Default extends number | undefined = undefined>(name: string, options: NumberOptions<Default>) {
    const { min, max, unit } = options;
    const written = text(name);
    if (written === undefined) return options.default as Default;
    const value = Number(written);
    if (/^\d+$/.test(written) && value >= min && value <= max) return value;
    reject(name, `must be a whole number${unit ? ` of ${unit}` : ''} from ${min} to ${max}, in digits alone`);
    return options.default as Default;
  }

  function choice<Choice extends string, Default extends Choice | undefined = undefined>(
    name: string, options: ChoiceOptions<Choice, Default>,
  ): Choice | Default {
    const written = text(name);
    if (written === undefined) return options.default as Default;
    const { choices } = options;
    const chosen = choices.find((candidate) => candidate === written);
    if (chosen === undefined) reject(name, `must be ${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`);
    return chosen ?? (options.default as Default);
  }

  /** Returns the items of a list separated by commas, or undefined if the variable is not set. */
  function list(name: string): string[] | undefined {
    const written = read(name);
    if (written === undefined) return undefined;
    const items = written.split(',').map((item) => item.trim()).filter(Boolean);
    // A JSON list, quotes, spaces or semicolons. The brackets of an IPv6 address stay.
    const inside = written.replace(/^\s*\[(?=\s*["'`])|(?<=["'`]\s*)\]\s*$/g, '');
    const separated = inside.split(/[\s,;"'`]+/).filter(Boolean);
    if (separated.join(',') !== items.join(',')) repaired.set(name, separated.join(','));
    return separated;
  }

  /** Rejects malformed lists and misspelt settings. Call it last, because it compares variables with all settings. */
  function rejectMistakes(): void {
    for (const [name, value] of repaired) {
      const format = value.includes(',') ? 'a list separated by commas, without quotes' : 'without quotes';
      if (rejected.has(name)) continue;
      // Any other list may be secret.
      if (/^CORS_|^ALLOWED_HOSTS$/.test(name)) reject(name, `must be ${format}: write ${name}=${value}`);
      else errors.push(`${name}: must be ${format}`);
    }
    const settings = [...known];
    for (const name of Object.keys(environment)) {
      if (known.has(name)) continue;
      const meant = settings.find((setting) => environment[setting] === undefined && isTypoOf(setting, name));
      if (meant !== undefined) {
        if (OF_OTHER_TOOLS.has(name)) warnings.push(`${name}: ignored, because the setting is called ${meant}`);
        else errors.push(`${name}: is not a setting: write ${meant}`);
      } else if (name.startsWith('CORS_') && !OF_A_SERVICE.test(name)) {
        const choices = settings.filter((setting) => setting.startsWith('CORS_')).join(', ');
        errors.push(`${name}: is not a setting: choose one of ${choices}, or remove it`);
      }
    }
  }
}

/** Variables that Kubernetes and container links set for a service named `cors`. */
const OF_A_SERVICE = /_SERVICE_HOST$|_PORT(?:_|$)|^CORS_(?:NAME$|ENV_)/;

/** Variables of other software that resemble a setting. They may be meant for this server, or not. */
const OF_OTHER_TOOLS = new Set(['KEEPALIVE_TIMEOUT', 'REQUESTS_TIMEOUT']);

/**
 * Returns whether `name` looks like a typo of `meant`: it differs only in case, underscores or hyphens or, for names of
 * eight or more letters, by one or two letters that are missing or added, or by one that is replaced.
 * Different digits, as in API_KEY_1 and API_KEY_2, are not a typo.
 */
function isTypoOf(meant: string, name: string): boolean {
  const [a, b] = [meant, name].map((text) => text.replace(/[_-]/g, '').toUpperCase()) as [string, string];
  if (a === b) return true;
  // Lengths first, because a distance takes time, and an environment may have hundreds of variables.
  if (a.length < 8 || Math.abs(a.length - b.length) > 2) return false;
  return a.replace(/\D/g, '') === b.replace(/\D/g, '') && distance(a, b) <= 2;
}

/** Counts the letters to remove or insert. A replaced letter counts twice, so that HOST is not a typo of PORT. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (let at = 0; at < b.length; at++) {
      next.push(letter === b[at] ? row[at]! : Math.min(next[at]!, row[at + 1]!) + 1);
    }
    row = next;
  }
  return row.at(-1)!;
}

/**
 * Adds the variables of .env to the environment, unless they are set already, and returns errors. An ignored line would
 * silently leave a setting, such as CORS_ORIGINS, at its default, so every line must be valid. Tests never read it.
 */
export function loadEnvironmentFile(environment: NodeJS.ProcessEnv): string[] {
  const isTest = environment['NODE_TEST_CONTEXT'] !== undefined || /\.test\.\w+$/.test(process.argv[1] ?? '');
  if (isTest) return [];
  let text: string;
  try {
    // Read the file only once: secret managers may provide it as a named pipe.
    text = readFileSync('.env', 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Under Node's permission model, the process may have no permission to read the file.
    if (code === 'ERR_ACCESS_DENIED') return [];
    if (code !== 'ENOENT') return [`.env: cannot be read (${code}): make it a file that this user may read`];
    const isDangling = lstatSync('.env', { throwIfNoEntry: false }) !== undefined;
    return isDangling ? ['.env: is a link to a file that does not exist: create that file, or remove the link'] : [];
  }
  if (/[\0\ufeff\ufffd]/.test(text)) return ['.env: must be UTF-8 without a byte order mark: save it so'];
  const { errors, variables } = parseEnvironmentFile(text);
  for (const [name, value] of variables) environment[name] ??= value;
  return errors;
}

const PLAIN = String.raw`[^\s"'\x60#](?:[^\r\n#]*[^\s#])?`;
const VALUE = String.raw`(?<quote>["'\x60])(?<quoted>(?:(?!\k<quote>)[^])*)\k<quote>|(?<plain>${PLAIN})`;
const ASSIGNMENT = String.raw`(?:export[ \t]+)?(?<name>[a-z_][\w.-]*)[ \t]*=[ \t]*(?:${VALUE})?`;
const COMMENT = String.raw`(?<=^|[\s=])#.*`;
/** One entry of .env: nothing, a comment, or NAME=value. Only a value in quotes may have several lines or a #. */
const ENTRY = new RegExp(String.raw`[ \t]*(?:${ASSIGNMENT})?[ \t]*(?:${COMMENT})?(?:\r?\n|$)`, 'iy');

/** Reads the format that `node --env-file` reads, but rejects what Node's versions skip or read differently. */
export function parseEnvironmentFile(text: string): { errors: string[]; variables: Map<string, string> } {
  const errors: string[] = [];
  const variables = new Map<string, string>();
  let at = 0;
  let line = 1;
  const reject = (message: string) => errors.push(`.env:${line}: ${message}`);
  while (at < text.length) {
    ENTRY.lastIndex = at;
    const match = ENTRY.exec(text);
    const { name, quote, quoted, plain = '' } = match?.groups ?? {};
    // A quote that is not closed takes in the lines up to the next quote, and with them other settings.
    const swallowed = /\n\s*(?:export\s+)?([A-Z][A-Z0-9_]*)[ \t]*=[ \t]*[^\s=]/.exec(quoted ?? '')?.[1];
    if (!match || swallowed) {
      const end = text.indexOf('\n', at);
      const next = end < 0 ? text.length : end + 1;
      reject(lineError(text.slice(at, next).trim()));
      at = next;
      line++;
      continue;
    }
    if (name !== undefined) {
      if (variables.has(name)) reject(`${name} is set on an earlier line too: remove one of them`);
      variables.set(name, quote === '"' ? quoted!.replaceAll('\\n', '\n') : (quoted ?? plain));
    }
    at += match[0].length;
    line += match[0].split('\n').length - 1;
  }
  return { errors, variables };
}

/** Returns how to correct an invalid line. It leaves out the value, which may be a secret. */
function lineError(line: string): string {
  const parts = /^(?:set\s+|export\s+|\$env:)?([a-z_][\w.-]*)\s*(=|:(?!\/\/))\s*(.*)$/i.exec(line) ?? [];
  const [, name, sign, value = ''] = parts;
  if (name === undefined) {
    return 'is not NAME=value: write it so (a list on one line), or begin the line with # to make it a comment';
  }
  if (sign === ':' || /^(?:set\s|\$env:)/i.test(line)) return `is not NAME=value: write ${name}=…`;
  if (/^["'`]/.test(value)) {
    const isOpen = !value.slice(1).includes(value[0]!);
    if (isOpen) return `the quote after ${name}= is not closed: write ${name}=${value[0]}…${value[0]}`;
    return `something follows the value of ${name}: write ${name}=${value[0]}…${value[0]}, with other quotes outside`;
  }
  if (value.includes('#')) return `a # in a value must be in quotes: write ${name}="…"`;
  return `is not NAME=value: write ${name}=…`;
}
