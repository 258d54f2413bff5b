import { timingSafeEqual } from 'node:crypto';
import { HttpError, RequestHandler } from '../../src/http/index.ts';

// In src/, make it a setting like the others: `apiKey: text('API_KEY', '')` in config.ts, and here config.apiKey.
const key = Buffer.from(process.env['API_KEY'] ?? '');

/**
 * Extend this class instead of RequestHandler, and only clients that send the key get in. Preflights never carry one.
 * A subclass that overrides prepare() must await super.prepare() first, or it is open.
 */
export class GuardedHandler extends RequestHandler {
  override prepare() {
    const given = Buffer.from(String(this.request.headers['x-api-key'] ?? ''));
    const isRight = key.length > 0 && given.length === key.length && timingSafeEqual(given, key);
    if (!isRight) throw new HttpError(401, 'Send the API key as X-Api-Key', { 'WWW-Authenticate': 'ApiKey' });
  }
}
