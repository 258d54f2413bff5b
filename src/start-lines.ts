import { type CorsOptions, type Routes, methodsOf } from './http/index.ts';

/** What a person wants to see at start: the paths with their methods, and who may call them. */
export function startLines(routes: Routes, cors: CorsOptions): string[] {
  const width = Math.max(...Object.keys(routes).map((path) => path.length));
  return [
    ...Object.entries(routes).map(([path, HandlerClass]) => {
      const policy = HandlerClass.cors ? `   ${sentence(HandlerClass.cors as CorsOptions)}` : '';
      return `  ${path.padEnd(width)}  ${methodsOf(HandlerClass).join(', ')}${policy}`;
    }),
    `CORS: ${sentence(cors)}`,
  ];
}

function sentence({ origins, credentials }: CorsOptions): string {
  const cookies = credentials ? 'with cookies' : 'without cookies';
  if (origins === '*') return `any page may call this API, ${cookies}`;
  if (typeof origins === 'function') return `pages that your function lets in may call this API, ${cookies}`;
  return `pages of ${origins.join(', ')} may call this API, ${cookies}`;
}
