import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { cors } from 'hono/cors';

const app = new Hono();
app.use(
  cors({
    origin: JSON.parse(process.argv[2]),
    credentials: true,
    allowMethods: ['GET', 'HEAD', 'POST', 'OPTIONS'],
    allowHeaders: ['authorization', 'content-type', 'x-api-key'],
    maxAge: 600,
  }),
);
app.get('/', (context) => context.json({ status: 'OK' }));
app.post('/', async (context) => context.json({ status: 'OK', received: await context.req.json() }));
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`Listening on http://127.0.0.1:${port}`);
});
