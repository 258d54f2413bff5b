import { config } from '../../src/config.ts';
import { type CorsOptions, HttpError, RequestHandler } from '../../src/http/index.ts';

const cities = ['Athens', 'Berlin', 'Cairo', 'Dakar', 'Essen', 'Florence', 'Geneva'];
const SIZE = 3;

/** Responds with a page of a list, as in `?page=2`. RFC 8288 defines Link. */
export class CitiesHandler extends RequestHandler {
  /** Lets pages of other origins read two more headers. It replaces the environment's policy, hence the spreads. */
  static override readonly cors: CorsOptions = {
    ...config.server.cors,
    exposedHeaders: [...(config.server.cors.exposedHeaders ?? []), 'link', 'x-total-count'],
  };

  override doGet() {
    const page = Number(this.query.get('page') ?? 1);
    const last = Math.max(1, Math.ceil(cities.length / SIZE));
    if (!Number.isInteger(page) || page < 1 || page > last) {
      throw new HttpError(400, `page must be a whole number from 1 to ${last}`);
    }
    const links = [];
    if (page > 1) links.push(`<?page=${page - 1}>; rel="prev"`);
    if (page < last) links.push(`<?page=${page + 1}>; rel="next"`);
    if (links.length > 0) this.sendHeader('Link', links.join(', '));
    this.sendHeader('X-Total-Count', cities.length);
    return { cities: cities.slice((page - 1) * SIZE, page * SIZE) };
  }
}
