/**
 * Restrictions by address, which apply in addition to CORS. They are blocked ports (Fetch, "block bad port"), mixed
 * content (https://www.w3.org/TR/mixed-content/) and local network access
 * (https://wicg.github.io/local-network-access/). The rules are those that Chromium 156 and Firefox 153 were observed
 * to follow, with pages and servers on addresses that the browsers were configured to treat as public or local.
 */

/** The network of an address, which is this computer, its local network, or the internet. */
export type AddressSpace = 'loopback' | 'local' | 'public';

/** Chrome's name of the permission that a user gives to a page. */
export type Permission = 'loopback-network' | 'local-network';

export type AccessReason = 'bad-port' | 'unusable-address' | 'mixed-content' | 'local-network';

export type Access =
  | { kind: 'open' }
  | { kind: 'asks'; permission: Permission; detail: string }
  | { kind: 'blocked'; reason: AccessReason; section: string; detail: string };

/** The known IP addresses of both ends. */
interface Addresses {
  /** The address of the URL's host. */
  target?: string | undefined;
  /** The address of the page's host. */
  page?: string | undefined;
}

/** The "bad ports" of Fetch, ports of other protocols that browsers block. */
const BAD_PORTS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
]);

/** Returns whether a page of this origin may send a request to `url` at all. */
export function accessTo(url: URL, origin: string, addresses: Addresses = {}): Access {
  if (url.port !== '' && BAD_PORTS.has(Number(url.port))) {
    return blocked('bad-port', 'Fetch, block bad port',
      `No browser sends a request to port ${url.port}, which belongs to another protocol. ` +
      'Chrome says net::ERR_UNSAFE_PORT, and Firefox "This address is restricted".');
  }
  const page = /^https?:\/\//.test(origin) ? new URL(origin) : undefined;
  if (page === undefined) return { kind: 'open' };
  if (url.hostname === '0.0.0.0') {
    return blocked('unusable-address', 'Fetch, HTTP-network fetch',
      'Firefox never calls 0.0.0.0: a server may listen on this address, but a client cannot call it.');
  }
  return mixedContent(url, page) ?? localNetwork(url, page, addresses) ?? { kind: 'open' };
}

/** Returns how private a host is, judging by its name, or else by its address. */
export function spaceOf(hostname: string, address?: string): AddressSpace {
  if (isLoopbackName(hostname)) return 'loopback';
  if (/\.local\.?$/.test(hostname)) return 'local';
  return spaceOfAddress(/^[\d.]+$|^\[/.test(hostname) ? hostname : (address ?? ''));
}

/** Returns whether a name always means this computer (Secure Contexts, "potentially trustworthy origin"). */
export function isLoopbackName(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost\.?|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}

/** Implements "IP address block" of Local Network Access. */
function spaceOfAddress(address: string): AddressSpace {
  const plain = address.toLowerCase().replace(/^\[|\]$/g, '');
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(plain)?.slice(1).map((part) => parseInt(part, 16));
  const [high = 0, low = 0] = mapped ?? [];
  const ipv4 = mapped ? [high >> 8, high & 255, low >> 8, low & 255].join('.') : plain.replace(/^::ffff:/, '');
  if (/^(?:127\.|0\.0\.0\.0$)/.test(ipv4) || plain === '::1' || plain === '::') return 'loopback';
  if (/^(?:10|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./.test(ipv4)) {
    return 'local';
  }
  return /^(?:f[cd]|fe[89ab])[\da-f]*:/.test(plain) ? 'local' : 'public';
}

/** Blocks an http: address for an https: page. Loopback counts as secure, and Chrome also allows the local network. */
function mixedContent(url: URL, page: URL): Access | undefined {
  if (page.protocol !== 'https:' || url.protocol !== 'http:' || isLoopbackName(url.hostname)) return undefined;
  const isBlockedInChrome = spaceOf(url.hostname) === 'public';
  const subject =
    `The page at '${page.origin}' was loaded over HTTPS, but requested an insecure resource '${url.href}'`;
  return blocked('mixed-content', 'Mixed Content, should fetching request be blocked as mixed content',
    isBlockedInChrome
      ? 'A page loaded over https: may not call an http: address, because the response could be modified in transit. ' +
        `Chrome says "Mixed Content: ${subject}. This request has been blocked; the content must be served over HTTPS."`
      : 'Firefox does not let an https: page call an http: address of the local network ("Blocked loading mixed ' +
        `active content “${url.href}”"). ` +
        `Chrome does${needsPermission(url, page, {}) ? ' once the user allows it' : ''}.`);
}

function localNetwork(url: URL, page: URL, addresses: Addresses): Access | undefined {
  if (!needsPermission(url, page, addresses)) return undefined;
  const space = spaceOf(url.hostname, addresses.target);
  const permission = space === 'loopback' ? 'loopback-network' : 'local-network';
  const where = space === 'loopback' ? 'this computer' : 'the local network';
  const section = 'Local Network Access, local network access check';
  if (page.protocol === 'http:' && !isLoopbackName(page.hostname)) {
    return blocked('local-network', section,
      `Chrome does not let an http: page on the internet call ${where}, and does not ask. It says ` +
      '"blocked by CORS policy: The request client is not a secure context and the resource is in more-private ' +
      `address space \`${space}\`." ` +
      'Firefox asks the user first. No header of the server changes that.');
  }
  return {
    kind: 'asks',
    permission,
    detail:
      `Chrome and Firefox first ask the user whether this page may reach ${where} (permission ${permission}). ` +
      'Without it, Chrome says "blocked by CORS policy: Permission was denied for this request to access the ' +
      `\`${space}\` address space." No header of the server changes that.`,
  };
}

/**
 * Returns whether the request goes from the internet to the local network or this computer, which needs a permission.
 */
function needsPermission(url: URL, page: URL, addresses: Addresses): boolean {
  if (page.hostname === url.hostname) return false;
  return spaceOf(page.hostname, addresses.page) === 'public' && spaceOf(url.hostname, addresses.target) !== 'public';
}

function blocked(reason: AccessReason, section: string, detail: string): Access {
  return { kind: 'blocked', reason, section, detail };
}
