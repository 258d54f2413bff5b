import { randomBytes, randomUUID, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { HttpError, RequestHandler } from '../../src/http/index.ts';

const hash = promisify(scrypt) as (password: string, salt: Buffer, length: number) => Promise<Buffer>;

/** Yours would be in a database, like the sessions: these are lost when the process ends. */
const salt = randomBytes(16);
const users = new Map([['ada', await hash('lovelace', salt, 32)]]);
const sessions = new Map<string, string>();

/** SameSite=None lets pages of another site send it, and browsers accept that only with Secure. */
const cookie = (id: string, age: number) => `session=${id}; HttpOnly; Secure; SameSite=None; Path=/; Max-Age=${age}`;

/**
 * POST logs in, GET says who is logged in, DELETE logs out. The page calls fetch() with `credentials: 'include'`, and
 * the server needs CORS_CREDENTIALS=true and the origin of the page in CORS_ORIGINS.
 */
export class SessionHandler extends RequestHandler {
  override async doPost() {
    const { user, password } = Object(await this.readJson()) as Record<string, unknown>;
    const given = await hash(String(password), salt, 32);
    const expected = users.get(String(user)) ?? randomBytes(32);
    if (!timingSafeEqual(given, expected)) throw new HttpError(403, 'The name or the password is wrong');
    const id = randomUUID();
    sessions.set(id, String(user));
    this.sendHeader('Set-Cookie', cookie(id, 3_600));
    return { user };
  }

  override doGet() {
    const user = sessions.get(this.#id());
    if (!user) throw new HttpError(401, 'Log in first', { 'WWW-Authenticate': 'Cookie' });
    return { user };
  }

  override doDelete() {
    sessions.delete(this.#id());
    this.sendHeader('Set-Cookie', cookie('', 0));
  }

  #id(): string {
    return /(?:^|; )session=([^;]*)/.exec(this.request.headers.cookie ?? '')?.[1] ?? '';
  }
}
