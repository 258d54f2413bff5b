import { HttpError, RequestHandler } from '../../src/http/index.ts';

/** Asks another service. When the client leaves or HANDLER_TIMEOUT is over, `signal` ends that request too. */
export class WeatherHandler extends RequestHandler {
  static service = 'https://weather.example.com';

  override async doGet() {
    const url = `${WeatherHandler.service}/${encodeURIComponent(this.param('city'))}`;
    const { signal } = this;
    try {
      const answer = await fetch(url, { signal });
      if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
      return await answer.json();
    } catch (error) {
      // The log gets the cause, the client only what it can act on.
      if (!signal.aborted) this.logError(error);
      throw new HttpError(502, 'The weather service does not answer', { 'Retry-After': '30' });
    }
  }
}
