import cors from 'cors';
import express from 'express';

const app = express();
app.use(
  cors({
    origin: JSON.parse(process.argv[2]),
    credentials: true,
    methods: ['GET', 'HEAD', 'POST', 'OPTIONS'],
    allowedHeaders: ['authorization', 'content-type', 'x-api-key'],
    maxAge: 600,
  }),
);
app.use(express.json());
app.get('/', (request, response) => void response.json({ status: 'OK' }));
app.post('/', (request, response) => void response.json({ status: 'OK', received: request.body }));
const server = app.listen(0, '127.0.0.1', () => console.log(`Listening on http://127.0.0.1:${server.address().port}`));
