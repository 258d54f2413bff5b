/**
 * The settings without which your server does not start, such as `{ SESSION_SECRET: 'only for tests' }`. The tests that
 * start the server, or read its configuration, set them.
 */
export const required: Record<string, string> = {};
