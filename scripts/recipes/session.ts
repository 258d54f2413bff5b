import { randomBytes, randomUUID, scrypt, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { HttpError, RequestHandler } from '../../src/http/index.ts';

const scryptAsync = promisify(scrypt) as (
  password: string, salt: Buffer, length: number, cost: { N: number; r: number; p: number },
) => Promise<Buffer>;
/** The minimum that OWASP recommends for 16 MiB of memory. Node's default has a lower p. */
const COST = { N: 2 ** 14, r: 8, p: 5 };
const HASH_BYTES = 32;
const SESSION_SECONDS = 3_600;

/** Returns what to store of a password, which is the salt and the hash after it. */
export async function hashPassword(password: string, salt: Buffer = randomBytes(16)): Promise<Buffer> {
  return Buffer.concat([salt, await scryptAsync(password, salt, HASH_BYTES, COST)]);
}

/**
 * The users that are logged in. The example keeps them in memory, which a restart loses and no other process sees. Use
 * a database as soon as there are two processes.
 */
export class Sessions {
  readonly #sessions = new Map<string, { user: string; expiresAt: number }>();

  /** Returns the name of the user who sent a request. @throws HttpError 401 if nobody is logged in */
  userOf(request: IncomingMessage): string {
    const session = this.#sessions.get(sessionId(request));
    if (session && session.expiresAt > Date.now()) return session.user;
    throw new HttpError(401, 'Log in first', { 'WWW-Authenticate': 'Cookie' });
  }

  /** Returns the ID of a new session. */
  begin(user: string): string {
    for (const [id, { expiresAt }] of this.#sessions) if (expiresAt <= Date.now()) this.#sessions.delete(id);
    const id = randomUUID();
    this.#sessions.set(id, { user, expiresAt: Date.now() + SESSION_SECONDS * 1000 });
    return id;
  }

  end(request: IncomingMessage): void {
    this.#sessions.delete(sessionId(request));
  }
}

function sessionId({ headers }: IncomingMessage): string {
  return /(?:^|; )session=([^;]*)/.exec(headers.cookie ?? '')?.[1] ?? '';
}

/**
 * Returns a Set-Cookie header. Pages of another site send the cookie only with SameSite=None, which requires Secure,
 * and Chromium without third-party cookies only with Partitioned. Chromium and Firefox accept Secure from
 * http://localhost too. If other people have subdomains of your domain, call the cookie `__Host-session`, here and in
 * sessionId(), so that they cannot set it. If all your pages are on the same site as the API, write SameSite=Strict
 * without Partitioned.
 */
function cookie(id: string, maxAge: number): string {
  return `session=${id}; HttpOnly; Secure; SameSite=None; Partitioned; Path=/; Max-Age=${maxAge}`;
}

/**
 * Returns a route. POST logs in, GET responds with the user who is logged in, and DELETE logs out. Any other handler
 * that has `sessions` asks `sessions.userOf(this.request)`. Pages call fetch() with `credentials: 'include'`, and the
 * server needs CORS_CREDENTIALS=true and the origin of the page in CORS_ORIGINS.
 *
 * @param users maps each name to what hashPassword() returned: `new Map([['ada', await hashPassword(password)]])`
 */
export function sessionRoutes(sessions: Sessions, users: ReadonlyMap<string, Buffer>) {
  const nobody = randomBytes(16 + HASH_BYTES);

  class SessionHandler extends RequestHandler {
    override async doPost() {
      const { user, password } = Object(await this.readJson()) as Record<string, unknown>;
      if (typeof user !== 'string' || typeof password !== 'string') {
        throw new HttpError(422, 'user and password must be strings');
      }
      // For an unknown name too, so that the time of the response does not tell which names exist.
      const expected = users.get(user) ?? nobody;
      const given = await hashPassword(password, expected.subarray(0, -HASH_BYTES));
      if (!timingSafeEqual(given, expected)) throw new HttpError(403, 'The name or the password is wrong');
      this.sendHeader('Set-Cookie', cookie(sessions.begin(user), SESSION_SECONDS));
      return { user };
    }

    override doGet() {
      return { user: sessions.userOf(this.request) };
    }

    override doDelete() {
      sessions.end(this.request);
      this.sendHeader('Set-Cookie', cookie('', 0));
    }
  }

  return { '/session': SessionHandler };
}
