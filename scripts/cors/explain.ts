/** `npm run cors:explain` */

import { explain } from './explain-command.ts';

const { isTTY, columns } = process.stdout;
const { code, output, errors } = await explain(process.argv.slice(2), {
  isColoured: isTTY === true && !process.env['NO_COLOR'],
  width: Math.min(columns || 100, 100),
});
process.stdout.write(output);
process.stderr.write(errors);
process.exitCode = code;
