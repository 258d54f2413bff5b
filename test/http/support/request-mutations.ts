/** A seeded random number generator (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** Returns a whole number from 0 to `end`, exclusive. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

/** What a client does after sending its request. */
export type Ending = 'waits for the server to close' | 'closes its half' | 'leaves' | 'resets';

export interface MutatedRequest {
  /** Latin-1 strings, each sent separately. */
  packets: string[];
  ending: Ending;
  /**
   * The allowed statuses of each response, without interim ones, if the number of responses is known.
   */
  expected?: readonly (readonly number[])[];
}

/** Waiting is slow, so it is rare. */
const ENDINGS: readonly Ending[] = [
  'waits for the server to close', ...Array<Ending>(5).fill('closes its half'), 'leaves', 'resets',
];

/** The origin that the list policy of a fuzzed server allows. */
export const ALLOWED_ORIGIN = 'https://app.example.com';

const JSON_BODY = '{"title":"a","text":["b",1.5e3,true,null,{"c":"\\u00e9"}]}';
const BODY = `Content-Type: application/json\r\nContent-Length: ${JSON_BODY.length}\r\n`;
const HOST = 'Host: 127.0.0.1\r\n';
const ORIGIN = `Origin: ${ALLOWED_ORIGIN}\r\n`;

/** One well-formed request of each kind that the server treats differently. */
const SEEDS = [
  `GET / HTTP/1.1\r\n${HOST}\r\n`,
  `GET /later?a=1&b=%20 HTTP/1.1\r\n${HOST}${ORIGIN}User-Agent: fuzz\r\n\r\n`,
  `HEAD /health HTTP/1.1\r\n${HOST}\r\n`,
  `GET / HTTP/1.0\r\n\r\n`,
  `POST / HTTP/1.1\r\n${HOST}${ORIGIN}${BODY}\r\n${JSON_BODY}`,
  `POST / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\n${BODY}\r\n${JSON_BODY}`,
  `POST / HTTP/1.1\r\n${HOST}Content-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n` +
    '8\r\n{"a":[1,\r\n4;x=y\r\n2]}\n\r\n0\r\nTrailer: x\r\n\r\n',
  `POST / HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n` +
    `4e20\r\n${'"'.padEnd(20_000, 'a')}\r\n0\r\n\r\n`,
  `POST /notes HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
  `PUT /notes/%C3%A9 HTTP/1.1\r\n${HOST}${BODY}\r\n${JSON_BODY}`,
  `DELETE /notes/1 HTTP/1.1\r\n${HOST}${ORIGIN}\r\n`,
  `OPTIONS /notes/1 HTTP/1.1\r\n${HOST}${ORIGIN}Access-Control-Request-Method: PUT\r\n` +
    'Access-Control-Request-Headers: content-type,x-api-key\r\n\r\n',
  `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
  `GET http://127.0.0.1/health HTTP/1.1\r\n${HOST}\r\n`,
  `GET /none HTTP/1.1\r\n${HOST}Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n\r\n`,
  `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  `PATCH / HTTP/1.1\r\n${HOST}Content-Encoding: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\nabcd`,
  `TRACE / HTTP/1.1\r\n${HOST}\r\n`,
  `CONNECT 127.0.0.1:80 HTTP/1.1\r\n${HOST}\r\n`,
  `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
];

/** Tokens that are meaningful somewhere in a request and therefore interesting elsewhere. */
const TOKENS = [
  '\0', '\t', '\n', '\r', '\r\n', '\r\n\r\n', '\x1b[2J', '\x7f', '\x80', '\xff', ' ', ':', ',', ';', '"', '\\', '/',
  '//', '/..', '?', '#', '*', '%', '%00', '%zz', '@', '[::1]', '0', '-1', '+1', '0x10', '1e400',
  '99999999999999999999', '0\r\n\r\n', 'ffffffffffffffff\r\n', 'null', '{', '}', '[', ']', '{"__proto__":1}',
  '"\\u005f_proto__"', '\xef\xbb\xbf', 'HTTP/1.1', 'HTTP/0.9', 'HTTP/2.0', 'http://', 'https://evil.example',
  '127.0.0.1', '__proto__', 'constructor', 'GET', 'get', 'OPTIONS', 'QUERY', 'M-SEARCH', '100-continue', 'chunked',
  'gzip', 'close',
];

const LINES = [
  'Content-Length: 0', 'Content-Length: 5', 'Content-Length: 5, 5', 'Content-Length: 9999999',
  'Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding:', 'Host: evil.example',
  'Host:', 'Connection: close', 'Connection: keep-alive', 'Expect: 100-continue', 'Expect: tea',
  'Content-Type: text/plain', 'Content-Type: application/json', 'Content-Encoding: br', 'Origin: null', 'Origin:',
  `Origin: ${ALLOWED_ORIGIN}`, `Origin: ${ALLOWED_ORIGIN}/`, 'Origin: https://evil.example',
  'Sec-Fetch-Site: cross-site', 'Expect:', 'Access-Control-Request-Method: PUT', 'Access-Control-Request-Method:',
  'Access-Control-Request-Headers: *', 'Sec-Fetch-Site: same-origin', 'Upgrade: h2c', ' folded: line', 'x', ': x',
  'x :y',
].map((line) => `${line}\r\n`);

type Mutation = (text: string, random: Random) => string;

const replace = (text: string, at: number, length: number, by: string) =>
  text.slice(0, at) + by + text.slice(at + length);
const startOfLine = (text: string, random: Random) => text.lastIndexOf('\n', random.below(text.length + 1)) + 1;
const endOfLine = (text: string, start: number) => (text.indexOf('\n', start) + 1 || text.length);

const insertLine: Mutation = (text, random) => replace(text, startOfLine(text, random), 0, random.pick(LINES));

/** Mild mutations are listed repeatedly, because input that Node's parser rejects tests nothing else. */
const MUTATIONS: readonly Mutation[] = [
  insertLine, insertLine, insertLine, insertLine,
  (text, random) => replace(text, random.below(text.length), 1, String.fromCharCode(random.below(256))),
  (text, random) => replace(text, random.below(text.length), 1, ''),
  (text, random) => replace(text, random.below(text.length), random.below(20), ''),
  (text, random) => replace(text, random.below(text.length), random.below(3), random.pick(TOKENS)),
  (text, random) => text.slice(0, random.below(text.length)),
  function removeLine(text, random) {
    const start = startOfLine(text, random);
    return text.slice(0, start) + text.slice(endOfLine(text, start));
  },
  function repeatLine(text, random) {
    const start = startOfLine(text, random);
    const end = endOfLine(text, start);
    return text.slice(0, end) + text.slice(start, end).repeat(random.pick([1, 2, 99, 120, 1_500])) + text.slice(end);
  },
  function repeatPart(text, random) {
    const start = random.below(text.length);
    const end = start + 1 + random.below(8);
    const times = random.pick([1, 10, 100, 1_000, 5_000]);
    return text.slice(0, end) + text.slice(start, end).repeat(times) + text.slice(end);
  },
  function moveLine(text, random) {
    const start = startOfLine(text, random);
    const line = text.slice(start, endOfLine(text, start));
    const rest = replace(text, start, line.length, '');
    return replace(rest, startOfLine(rest, random), 0, line);
  },
  function changeCase(text, random) {
    const start = startOfLine(text, random);
    const line = text.slice(start, endOfLine(text, start));
    return replace(text, start, line.length, random.below(2) ? line.toUpperCase() : line.toLowerCase());
  },
  (text, random) => replace(text, text.length - random.below(60), 60, `${'['.repeat(random.pick([1, 100, 5_000]))}1`),
  function splice(text, random) {
    const other = random.pick(SEEDS);
    return text.slice(0, random.below(text.length)) + other.slice(random.below(other.length));
  },
  (text, random) => text + random.pick(SEEDS),
  (text, random) => random.pick(SEEDS) + text,
];

/** Encodes `text` as chunks of 1 to `most` bytes, with varying size notation. */
function inChunks(text: string, most: number, random: Random): string {
  let chunks = '';
  for (let at = 0, size: number; at < text.length; at += size) {
    size = Math.min(1 + random.below(most), text.length - at);
    const hex = size.toString(16);
    const digits = random.pick([hex, hex.toUpperCase(), `0${hex}`, `${hex};a=b`]);
    chunks += `${digits}\r\n${text.slice(at, at + size)}\r\n`;
  }
  return `${chunks}0\r\n\r\n`;
}

type Made = (random: Random) => { text: string; endings: readonly Ending[]; expected: number[][] };

const SENT: readonly Ending[] = [...Array<Ending>(3).fill('closes its half'), 'waits for the server to close'];

/** Unmutated requests with known responses. */
const MADE: readonly Made[] = [
  function chunksDownToOneByte(random) {
    const body = random.below(8) ? JSON_BODY : `"${'a'.repeat(random.below(12_000))}"`;
    const framing = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n';
    const lines = `${HOST}${ORIGIN}${framing}Connection: close\r\n`;
    const text = `POST / HTTP/1.1\r\n${lines}\r\n${inChunks(body, random.pick([1, 1, 2, 9]), random)}`;
    return { text, endings: ['waits for the server to close'], expected: [[body.length > 10_000 ? 413 : 200]] };
  },
  function partialBodyOfNoInterest(random) {
    const [requestLine, status] = random.pick([['POST /none', 404], ['PUT /', 405], ['GET /none', 404]] as const);
    const length = 2 + random.below(100);
    const part = 'x'.repeat(random.below(length));
    const text = `${requestLine} HTTP/1.1\r\n${HOST}${ORIGIN}Content-Length: ${length}\r\n\r\n${part}`;
    return { text, endings: SENT, expected: [[status]] };
  },
  function partialChunksOfNoInterest(random) {
    const chunks = inChunks('x'.repeat(1 + random.below(20)), 3, random);
    const part = chunks.slice(0, random.below(chunks.length));
    const text = `POST /none HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${part}`;
    return { text, endings: SENT, expected: [[404]] };
  },
  function partialBody(random) {
    const text = `POST / HTTP/1.1\r\n${HOST}${ORIGIN}${BODY}\r\n${JSON_BODY.slice(0, random.below(JSON_BODY.length))}`;
    return { text, endings: SENT, expected: [[400, 408]] };
  },
  function halfClosedPipeline(random) {
    const count = 1 + random.below(5);
    const text = `GET / HTTP/1.1\r\n${HOST}\r\n`.repeat(count);
    return { text, endings: ['closes its half'], expected: Array<number[]>(count).fill([200]) };
  },
  function fragment(random) {
    const target = random.pick(['/#', '/#a', '/?a=1#b', '/notes#', '/none#x', 'http://127.0.0.1/#', '/notes/a#b']);
    const method = random.pick(['GET', 'POST', 'OPTIONS', 'DELETE']);
    const text = `${method} ${target} HTTP/1.1\r\n${HOST}${random.pick(['', ORIGIN])}\r\n`;
    return { text, endings: SENT, expected: [[400]] };
  },
];

/**
 * Returns request `number` of the run with this seed. It is a well-formed request or pipeline with one or two
 * mutations, or occasionally an unmutated one with a known response.
 */
export function mutatedRequest(seed: number, number: number): MutatedRequest {
  const random = new Random(Math.imul(seed, 0x9e3779b1) + number);
  if (random.below(8) === 0) {
    const { text, endings, expected } = random.pick(MADE)(random);
    return { packets: inPackets(text, random), ending: random.pick(endings), expected };
  }
  let text = random.pick(SEEDS);
  for (let left = 1 + random.below(2); left > 0 && text; left--) text = random.pick(MUTATIONS)(text, random);
  return { packets: inPackets(text, random), ending: random.pick(ENDINGS) };
}

function inPackets(text: string, random: Random): string[] {
  const packets: string[] = [];
  for (let at = 0, end: number; at < text.length; at = end) {
    end = random.below(3) || packets.length === 8 ? text.length : at + 1 + random.below(text.length - at);
    packets.push(text.slice(at, end));
  }
  return packets;
}
