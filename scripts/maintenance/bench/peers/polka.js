import cors from 'cors';
import polka from 'polka';
import { json } from 'node:stream/consumers';

const app = polka();
app.use(
  cors({
    origin: JSON.parse(process.argv[2]),
    credentials: true,
    methods: ['GET', 'HEAD', 'POST', 'OPTIONS'],
    allowedHeaders: ['authorization', 'content-type', 'x-api-key'],
    maxAge: 600,
  }),
);
const send = (response, value) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value));
app.get('/', (request, response) => void send(response, { status: 'OK' }));
app.post('/', async (request, response) => send(response, { status: 'OK', received: await json(request) }));
app.listen(0, '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${app.server.address().port}`);
});
