// node load-generator.js '{"url":…,"method":…,"headers":…,"body":…,"duration":…,"connections":…}':
// prints the results of autocannon as JSON.
import autocannon from 'autocannon';

const latencies = [];
const run = autocannon({ ...JSON.parse(process.argv[2]), excludeErrorStats: true });
// The percentiles of autocannon are whole milliseconds.
run.on('response', (client, status, bytes, milliseconds) => latencies.push(milliseconds));
const { duration, errors, timeouts, non2xx } = await run;
latencies.sort((a, b) => a - b);
const p99 = latencies[Math.floor(latencies.length * 0.99)];
console.log(JSON.stringify({ requests: latencies.length, duration, p99, failed: errors + timeouts + non2xx }));
