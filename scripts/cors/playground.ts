/** `npm run cors:playground`: a page of another origin than the API, to send it requests from a real browser. */

import { startPlayground } from './playground-command.ts';

const { code, output, errors } = await startPlayground(process.argv.slice(2));
process.stdout.write(output);
process.stderr.write(errors);
process.exitCode = code;
