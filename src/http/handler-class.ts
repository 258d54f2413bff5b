import { Socket } from 'node:net';
import type { Exchange } from './exchange.ts';
import { http } from './node-builtins.ts';
import { RequestHandler } from './request-handler.ts';
import { COMMON_METHODS, DO_METHODS } from './resource.ts';

/** A class that answers one path; one instance is made for each request. */
export interface HandlerClass {
  new (exchange: Exchange): RequestHandler;
  readonly name: string;
  readonly prototype: RequestHandler;
  /** A CorsOptions: the class itself says so, and createServer checks it. */
  readonly cors?: object;
  readonly bodyLimit?: number;
}

const DO_LIKE = /^do_?[A-Z]/;

/** Members that look like methods for requests, but would never answer one; each with what to write instead. */
export function classFaults(HandlerClass: HandlerClass): string[] {
  const faults: string[] = [];
  const answered = new Set<string>();
  const refuse = (name: string, adviceFor: (method: string) => string) => {
    const meant = meantBy(name);
    const advice = meant ? adviceFor(meant) : 'no method that a class can answer is called that: rename it';
    faults.push(`${HandlerClass.name}.${name} would never answer a request: ${advice}`);
  };

  for (const name of DO_METHODS.values()) {
    if (Reflect.get(HandlerClass.prototype, name) !== Reflect.get(RequestHandler.prototype, name)) answered.add(name);
  }
  let prototype = HandlerClass.prototype as object;
  for (; prototype !== RequestHandler.prototype; prototype = Object.getPrototypeOf(prototype) as object) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (typeof Object.getOwnPropertyDescriptor(prototype, name)!.value !== 'function') continue;
      const meant = meantBy(name);
      if (meant === name) continue;
      // A get() beside doGet() is a method for the class's own use.
      const isSlip = meant ? /^do/i.test(name) || !answered.has(meant) : DO_LIKE.test(name);
      if (isSlip) refuse(name, (method) => `write ${method}`);
    }
  }
  for (const name of doLike(HandlerClass)) refuse(name, (method) => `it is static: write ${method}() { … }`);
  try {
    const blank = { request: new http.IncomingMessage(new Socket()) } as Exchange;
    for (const name of doLike(new HandlerClass(blank))) {
      refuse(name, (method) => `it is a field, not a method: write ${method}() { … }`);
    }
  } catch {
    // A constructor that needs a real request hides its fields from this check, and may.
  }
  return faults;
}

/** `do_GET`, `doget`, `get` -> `doGet`; without the `do`, only common methods: many others are plain words. */
function meantBy(name: string): string | undefined {
  const [, prefix, rest = ''] = /^(do_?)?(.*)$/is.exec(name)!;
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, '');
  const candidates = prefix ? [...DO_METHODS.keys()] : COMMON_METHODS;
  return DO_METHODS.get(candidates.find((method) => plain(method) === plain(rest)) ?? '');
}

function doLike(object: object): string[] {
  return Object.getOwnPropertyNames(object).filter((name) => DO_LIKE.test(name));
}
