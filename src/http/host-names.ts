import { isIP } from 'node:net';

/** Captures the name in a Host header (RFC 9110, section 7.2), with the dot that may end a fully qualified name. */
const HOST = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?::\d{0,5})?$/i;

/** Returns the name in a Host header without its port, or undefined if the header is not valid. */
export function hostNameOf(host: string): string | undefined {
  return HOST.exec(host)?.[1];
}

/** Returns what is wrong with an entry of `allowedHosts`, or undefined if it is valid. */
export function hostNameError(name: string): string | undefined {
  if (isValidEntry(name)) return undefined;
  return `${name} is not a host name: write a name without scheme and port, such as ${exampleFor(name)}`;
}

/** Returns a test for the names that a Host header may have. IP addresses pass, because DNS rebinding needs a name. */
export function hostMatcher(allowedHosts: readonly string[] | undefined): (name: string) => boolean {
  if (!allowedHosts) return () => true;
  const entries = allowedHosts.map((entry) => entry.toLowerCase());
  return (name) => {
    const lower = name.toLowerCase();
    const isEntry = (entry: string) => entry === lower || (entry[0] === '.' && `.${lower}`.endsWith(entry));
    return entries.some(isEntry) || isAddress(lower);
  };
}

const LOOPBACK = /^(?:(?:.+\.)?localhost\.?|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\])$/;

/** Returns whether a URL's host name can only mean this machine (Secure Contexts, "potentially trustworthy origin"). */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/** Returns whether a host name is an IP address. An IPv6 address must be in brackets. */
function isAddress(hostname: string): boolean {
  return isIP(hostname) === 4 || (hostname[0] === '[' && isIP(hostname.slice(1, -1)) === 6);
}

/** Returns whether an entry of `allowedHosts` is a host name as clients send it, or such a name after a dot. */
function isValidEntry(entry: string): boolean {
  const name = entry.replace(/^\./, '');
  // An IPv6 address after a dot is not valid, because an address has no subdomains.
  return hostNameOf(name) === name && !name.endsWith('.') && (name[0] !== '[' || isAddress(entry));
}

/** Returns the host name that may have been meant: that of a URL, the part after a star, or an example. */
function exampleFor(name: string): string {
  const urls = [name, `http://${name}`, `http://[${name}]`].filter((url) => URL.canParse(url));
  const names = urls.map((url) => new URL(url).hostname.replace(/^\*|\.+$/g, '').replace(/\.{2,}/g, '.'));
  return names.find(isValidEntry) ?? 'api.example.com';
}
