/** `npm run cors:playground` */

import { startPlayground } from './playground-command.ts';

const { code, output, errors } = await startPlayground(process.argv.slice(2));
process.stdout.write(output);
process.stderr.write(errors);
process.exitCode = code;
