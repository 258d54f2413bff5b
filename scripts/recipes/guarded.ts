import { timingSafeEqual } from 'node:crypto';
import { HttpError, RequestHandler } from '../../src/http/index.ts';

/**
 * Returns a class that requires an API key. Extend `guardedBy(config.apiKey)` instead of RequestHandler. Preflights
 * never carry a key. A subclass that overrides prepare() must await super.prepare() first, or it is open to everyone.
 *
 * @param apiKey a setting: `apiKey: text('API_KEY', { default: '' })` in config.ts; empty: all requests are rejected
 */
export function guardedBy(apiKey: string) {
  const expected = Buffer.from(apiKey);
  return class GuardedHandler extends RequestHandler {
    override prepare(): unknown {
      const given = Buffer.from(String(this.request.headers['x-api-key'] ?? ''));
      const isRight = expected.length > 0 && given.length === expected.length && timingSafeEqual(given, expected);
      if (isRight) return undefined;
      throw new HttpError(401, 'Send the API key as X-Api-Key', { 'WWW-Authenticate': 'ApiKey' });
    }
  };
}
