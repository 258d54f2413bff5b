import { HttpError, RequestHandler } from '../../src/http/index.ts';

/** Calls another service. `signal` aborts that request if the client disconnects or the handler times out. */
export function weatherRoutes(service = 'https://weather.example.com') {
  class WeatherHandler extends RequestHandler {
    override async doGet() {
      // In the query, because fetch() would resolve `..` in the path.
      const url = `${service}?city=${encodeURIComponent(this.param('city'))}`;
      const { signal } = this;
      try {
        const response = await fetch(url, { signal, redirect: 'error' });
        if (!response.ok) {
          // fetch() keeps the connection open until the body has been read or cancelled.
          await response.body?.cancel();
          throw new Error(`${url} responded ${response.status}`);
        }
        return (await response.json()) as { degrees: number };
      } catch (error) {
        if (signal.aborted) throw error;
        // The log gets the cause, the client only what it can act on.
        this.logError(error);
        throw new HttpError(502, 'The weather service is not available', { 'Retry-After': '30' });
      }
    }
  }

  return { '/weather/:city': WeatherHandler };
}
