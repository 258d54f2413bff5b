/**
 * The settings without which your server does not start, such as `{ SESSION_SECRET: 'only for tests' }`. `npm test`
 * sets them, and so do the tests that start the server with an environment of their own.
 */
export const required: Record<string, string> = {};
