import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { listen } from '../../test/listen.ts';
import { Sessions, hashPassword, sessionRoutes } from './session.ts';

const LIMIT = { timeout: 20_000 };
const origin = 'https://app.example.com';
const users = new Map([['ada', await hashPassword('lovelace')]]);

async function listenWithSessions(t: TestContext): Promise<string> {
  const sessions = new Sessions();
  class OrdersHandler extends RequestHandler {
    override doGet() {
      return { ordersOf: sessions.userOf(this.request) };
    }
  }
  const routes = { ...sessionRoutes(sessions, users), '/orders': OrdersHandler };
  return (await listen(t, routes, { cors: { origins: [origin], credentials: true } })).url;
}

function login(url: string, user: string, password: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', origin };
  return fetch(`${url}/session`, { method: 'POST', headers, body: JSON.stringify({ user, password }) });
}

async function loggedIn(url: string): Promise<{ cookie: string; origin: string }> {
  const [cookie] = (await login(url, 'ada', 'lovelace')).headers.getSetCookie()[0]!.split('; ');
  return { cookie: `other=1; ${cookie}`, origin };
}

test('sends a cookie that pages of other sites send back', LIMIT, async (t) => {
  const url = await listenWithSessions(t);
  const response = await login(url, 'ada', 'lovelace');
  assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
  const [cookie] = response.headers.getSetCookie();
  assert.match(cookie!, /^session=[\w-]{36}; HttpOnly; Secure; SameSite=None; Partitioned; Path=\/; Max-Age=3600$/);
});

test('rejects a wrong password and an unknown name with the same response', LIMIT, async (t) => {
  const url = await listenWithSessions(t);
  const responses = [await login(url, 'ada', 'wrong'), await login(url, 'bob', 'lovelace')];
  const [wrong, unknown] = await Promise.all(responses.map((response) => response.text()));
  assert.deepEqual(responses.map(({ status }) => status), [403, 403]);
  assert.equal(wrong, unknown);
});

test('tells other handlers who is logged in', LIMIT, async (t) => {
  const url = await listenWithSessions(t);
  assert.equal((await fetch(`${url}/orders`)).status, 401);
  const headers = await loggedIn(url);
  assert.deepEqual(await (await fetch(`${url}/orders`, { headers })).json(), { ordersOf: 'ada' });
});

test('ends the session at the logout', LIMIT, async (t) => {
  const url = await listenWithSessions(t);
  const headers = await loggedIn(url);
  assert.deepEqual(await (await fetch(`${url}/session`, { headers })).json(), { user: 'ada' });
  assert.equal((await fetch(`${url}/session`, { method: 'DELETE', headers })).status, 204);
  assert.equal((await fetch(`${url}/session`, { headers })).status, 401);
});

test('ends the session after an hour', LIMIT, async (t) => {
  const url = await listenWithSessions(t);
  const headers = await loggedIn(url);
  const now = Date.now();
  t.mock.method(Date, 'now', () => now + 3_601_000);
  assert.equal((await fetch(`${url}/session`, { headers })).status, 401);
});

test('denies pages of other origins', LIMIT, async (t) => {
  const url = await listenWithSessions(t);
  const headers = { ...(await loggedIn(url)), origin: 'https://evil.example' };
  assert.equal((await fetch(`${url}/session`, { headers })).status, 403);
});
