import { Socket } from 'node:net';
import { http } from './node-http.ts';
import type { Exchange } from './exchange.ts';
import { type HandlerClass, RequestHandler } from './request-handler.ts';
import { COMMON_METHODS, DO_METHODS, methodsOf } from './resource.ts';

/** What of a class looks like a method that answers, but would never be called; each with what to write instead. */
export function classFaults(HandlerClass: HandlerClass): string[] {
  const faults: string[] = [];
  const answered = methodsOf(HandlerClass);
  const refuse = (name: string, advice: string) =>
    faults.push(`${HandlerClass.name}.${name} would never be called: ${advice}`);

  let prototype = HandlerClass.prototype as object;
  for (; prototype !== RequestHandler.prototype; prototype = Object.getPrototypeOf(prototype) as object) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const method = methodMeantBy(name);
      if (method && DO_METHODS.get(method) === name) continue;
      // A get() beside doGet() is a method for the class's own use.
      const isHabit = method !== undefined && (/^do/i.test(name) || !answered.includes(method));
      if (isHabit) refuse(name, `write ${DO_METHODS.get(method)}`);
      else if (/^do[A-Z]/.test(name)) refuse(name, 'it is not named after an HTTP method that a class can answer');
    }
  }
  for (const name of doLike(HandlerClass)) refuse(name, 'it is static, and methods answer on an instance');
  try {
    const blank = { request: new http.IncomingMessage(new Socket()) } as Exchange;
    for (const name of doLike(new HandlerClass(blank))) refuse(name, `it is a field, not a method: write ${name}() { … }`);
  } catch {
    // A constructor that needs a real request hides its fields from this check, and may.
  }
  return faults;
}

/** `doGet`, `do_GET`, `doget`, `get` -> `GET`; without the `do`, only common methods: many others are plain words. */
function methodMeantBy(name: string): string | undefined {
  const [, prefix, rest = ''] = /^(do_?)?(.*)$/is.exec(name)!;
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, '');
  const candidates = prefix ? [...DO_METHODS.keys()] : COMMON_METHODS;
  return candidates.find((method) => plain(method) === plain(rest));
}

function doLike(object: object): string[] {
  return Object.getOwnPropertyNames(object).filter((name) => /^do[A-Z]/.test(name));
}
