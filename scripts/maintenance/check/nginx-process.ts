import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { listeningSocket } from './shared-socket.ts';

/** For each wait. */
export const STEP_LIMIT_MS = 20_000;
export const NAME = 'api.example.com';

export interface Message {
  method: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export interface ReceivedResponse {
  status: number;
  /** Name and value of each header that a browser reads for CORS, in their order. */
  cors: string[];
  body: string;
}

interface Site {
  readonly text: string;
  readonly replacements: readonly (readonly [pattern: RegExp, replacement: string])[];
}

const BARE_SITE = `
  server {
    listen 443 ssl;
    listen [::]:443 ssl;
    ssl_certificate /etc/letsencrypt/live/api.example.com/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/api.example.com/privkey.pem;
    location / {
      proxy_pass http://127.0.0.1:8000;
    }
  }`;

/** A server that does nothing but `proxy_pass`. */
export const bareSite: Site = { text: BARE_SITE, replacements: [] };

/** Returns the file of scripts/deploy without its rate limit, and with other changes. */
export function shippedSite(...changes: [pattern: RegExp, replacement: string][]): Site {
  return limitedSite([/^  limit_req zone=.*\n/m, ''], ...changes);
}

/** Returns the file of scripts/deploy with these changes. */
export function limitedSite(...replacements: [pattern: RegExp, replacement: string][]): Site {
  return { text: readFileSync('scripts/deploy/nginx.conf', 'utf8'), replacements };
}

/** An nginx process in front of a port of this machine. */
export class Nginx {
  readonly port: number;
  readonly #certificate: Buffer;

  private constructor(port: number, certificate: Buffer) {
    this.port = port;
    this.#certificate = certificate;
  }

  /** Resolves once nginx responds. */
  static async start(t: TestContext, upstreamPort: number, site: Site = shippedSite()): Promise<Nginx> {
    const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`, '-keyout', key, '-out', certificate,
    ], { stdio: 'ignore' });
    const socket = await listeningSocket();
    const replacements = [
      [/(?<=^ *listen )443 ssl;$/m, `127.0.0.1:${socket.port} ssl;`],
      // Some machines have no IPv6.
      [/(?<=^ *listen )\[::\]:443 ssl;$/m, `unix:${folder}/socket ssl;`],
      [/127\.0\.0\.1:8000/g, `127.0.0.1:${upstreamPort}`],
      [/\/etc\/letsencrypt\/live\/api\.example\.com\/fullchain\.pem/, certificate],
      [/\/etc\/letsencrypt\/live\/api\.example\.com\/privkey\.pem/, key],
      ...site.replacements,
    ] as const;
    let { text } = site;
    for (const [pattern, replacement] of replacements) {
      assert.match(text, pattern);
      text = text.replace(pattern, replacement);
    }
    writeFileSync(join(folder, 'site.conf'), text);
    writeFileSync(join(folder, 'nginx.conf'), `
      daemon off;
      worker_processes 2;
      pid ${folder}/pid;
      error_log ${folder}/error.log;
      events {}
      http {
        access_log off;
        gzip on;
        client_body_temp_path ${folder}/body;
        proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi;
        scgi_temp_path ${folder}/scgi;
        include ${folder}/site.conf;
      }`);
    const nginx = spawn('nginx', ['-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')], {
      // nginx uses the listening sockets that NGINX names, so no other process can take the port in between.
      env: { PATH: `${process.env['PATH']}:/usr/sbin`, NGINX: '3;' },
      stdio: ['ignore', 'ignore', 'inherit', socket.descriptor],
    });
    socket.close();
    t.after(async () => {
      if (nginx.exitCode === null) {
        nginx.kill('SIGTERM');
        await once(nginx, 'exit', { signal: AbortSignal.timeout(STEP_LIMIT_MS) });
      }
      rmSync(folder, { recursive: true });
    });
    await Promise.race([
      once(nginx, 'spawn'),
      once(nginx, 'error').then(([error]) => Promise.reject(error)),
    ]);
    const started = new Nginx(socket.port, readFileSync(certificate));
    // The socket is listening already, so this request waits in the backlog until nginx accepts it.
    await started.send(started.agent(t), { method: 'GET' });
    return started;
  }

  /** Returns the agent of a client with a single connection. */
  agent(t: TestContext): https.Agent {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: this.#certificate, servername: NAME });
    t.after(() => agent.destroy());
    return agent;
  }

  request(agent: https.Agent, message: Message): http.ClientRequest {
    const options = { agent, port: this.port, host: '127.0.0.1', ...message };
    return https.request({ ...options, headers: { host: `${NAME}:${this.port}`, ...message.headers } });
  }

  send(agent: https.Agent, message: Message): Promise<ReceivedResponse> {
    return responseTo(this.request(agent, message), message);
  }
}

/** Sends a message to a server without nginx. */
export function sendDirectly(port: number, message: Message): Promise<ReceivedResponse> {
  const options = { port, host: '127.0.0.1', agent: false, ...message };
  return responseTo(http.request({ ...options, headers: { host: NAME, ...message.headers } }), message);
}

/** Rejects if the response is incomplete. */
async function responseTo(request: http.ClientRequest, { body }: Message): Promise<ReceivedResponse> {
  const limit = setTimeout(() => request.destroy(new Error(`No response within ${STEP_LIMIT_MS} ms`)), STEP_LIMIT_MS);
  try {
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    const cors: string[] = [];
    for (let index = 0; index < response.rawHeaders.length; index += 2) {
      const name = response.rawHeaders[index]!;
      if (/^(?:access-control-|vary$)/i.test(name)) cors.push(`${name}: ${response.rawHeaders[index + 1]}`);
    }
    return { status: response.statusCode!, cors, body: text };
  } finally {
    clearTimeout(limit);
  }
}
