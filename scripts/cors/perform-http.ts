import http, { type Agent, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { HttpRequest, HttpResponse } from './browser-model.ts';

const TIMEOUT_MS = 10_000;

const MAX_BODY_CHARACTERS = 65_536;

/** Explanations of a missing response, each with advice. */
const REASONS: Record<string, string> = {
  ECONNREFUSED: 'nothing is listening there. Start the server, or check the address.',
  ECONNRESET: 'the connection was reset. Check the log of the server; if it speaks https:, write https:// instead.',
  ENOTFOUND: 'no host has this name. Check the address.',
  EAI_AGAIN: 'the host name could not be looked up. Check the address, or try again later.',
  TimeoutError: `there was no response within ${TIMEOUT_MS / 1000} seconds. Check the log of the server.`,
  EPROTO: 'this port does not speak https:. Write http:// instead, or let the server speak https:.',
  CERT_HAS_EXPIRED: 'its certificate has expired, so browsers reject it. Renew it.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name. Use that name, or get one for this name.',
};

const UNKNOWN_AUTHORITY =
  'its certificate is self-signed, or from an unknown authority. A browser rejects it without telling the page why, ' +
  'until the user opens this address and accepts the certificate. To accept it here, put ' +
  'NODE_EXTRA_CA_CERTS=certificate.pem before the command.';
for (const code of [
  'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]) REASONS[code] = UNKNOWN_AUTHORITY;

/**
 * Sends one request with exactly these headers, and returns every header line of the response unchanged.
 *
 * @param agent reuses connections. Without it, each request opens a connection
 */
export async function performHttp(request: HttpRequest, agent: Agent | false = false): Promise<HttpResponse> {
  const { method, url, headers, body } = request;
  const { protocol, host } = new URL(url);
  const isBare = body === undefined && /^(?:GET|HEAD|OPTIONS)$/.test(method);
  const length = isBare ? [] : ['Content-Length', String(Buffer.byteLength(body ?? ''))];
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      (protocol === 'https:' ? https : http)
        .request(url, { method, headers: ['Host', host, ...headers.flat(), ...length], agent, signal }, resolve)
        .once('error', reject)
        // Comes alone after 101 (Switching Protocols).
        .once('close', () => reject(new Error('the connection was closed without a response')))
        .end(body);
    });
    const { remoteAddress } = response.socket;
    return {
      status: response.statusCode ?? 0,
      headers: pairs(response.rawHeaders),
      body: await readText(response, { keepConnection: agent !== false }),
      ...(remoteAddress !== undefined && { address: remoteAddress }),
    };
  } catch (error) {
    const { name, code, message } = error as NodeJS.ErrnoException;
    const cause = signal.aborted ? 'TimeoutError' : (code ?? name);
    throw new Error(REASONS[cause] ?? `${message || cause}.`, { cause: error });
  }
}

/** Reads the body only if it is JSON, because the caller needs no other body, and some never end. */
async function readText(response: IncomingMessage, options: { keepConnection: boolean }): Promise<string> {
  let text = '';
  if (/^application\/(?:[\w.+-]+\+)?json\b/i.test(response.headers['content-type'] ?? '')) {
    response.setEncoding('utf8');
    try {
      for await (const chunk of response) if ((text += chunk).length > MAX_BODY_CHARACTERS) break;
    } catch {
      // The body ended early. Keep what was received.
    }
  }
  if (options.keepConnection) response.resume();
  else response.destroy();
  return text;
}

function pairs(lines: readonly string[]): [string, string][] {
  return lines.flatMap((name, at) => (at % 2 === 0 ? [[name, lines[at + 1] ?? '']] : []));
}
