import cors from '@fastify/cors';
import fastify from 'fastify';

const server = fastify();
await server.register(cors, {
  origin: JSON.parse(process.argv[2]),
  credentials: true,
  methods: ['GET', 'HEAD', 'POST', 'OPTIONS'],
  allowedHeaders: ['authorization', 'content-type', 'x-api-key'],
  maxAge: 600,
});
server.get('/', () => ({ status: 'OK' }));
server.post('/', (request) => ({ status: 'OK', received: request.body }));
console.log(`Listening on ${await server.listen({ port: 0, host: '127.0.0.1' })}`);
