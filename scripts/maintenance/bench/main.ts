import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { afterCollection } from './after-collection.ts';
import { againstBaseline } from './against-baseline.ts';
import { againstPeers } from './against-peers.ts';
import { besideOther } from './beside.ts';
import { growth } from './growth.ts';
import { costOfLog } from './log.ts';
import { memory } from './memory.ts';
import { circumstances } from './report.ts';
import { start } from './start.ts';

const flag = { type: 'boolean', default: false } as const;
const text = { type: 'string' } as const;
const options = {
  baseline: flag, beside: text, 'after-collection': flag, growth: flag, start: flag, log: flag, memory: flag,
  processes: { ...text, default: '12' }, markdown: text, svg: text,
} as const;
const { values } = parseArgs({ options });

const report = values.beside ? besideOther(values.beside)
  : values.baseline ? againstBaseline()
  : values['after-collection'] ? afterCollection(Number(values.processes))
  : values.growth ? growth(values.svg)
  : values.start ? start()
  : values.log ? costOfLog()
  : values.memory ? memory()
  : againstPeers();

try {
  const markdown = `${await report}\n\n${circumstances()}\n`;
  console.log(`\n${markdown}`);
  if (values.markdown) writeFileSync(values.markdown, markdown);
  process.exit();
} catch (error) {
  console.error((error as Error).message);
  process.exit(1);
}
